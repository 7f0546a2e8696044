package workflow

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// replaceEntry puts new entries in the place of one, keeping its indentation, line breaks and the comment after it.
func (r *rewriter) replaceEntry(f *finding, e entry, lines [][2]string, reason string) error {
	if err := anchored(e); err != nil {
		return err
	}
	start, end := f.file.entryRange(e)
	separator := ", "
	if !isFlow(e.parent) {
		separator = f.file.newline(start) + f.file.margin(start)
	}
	var parts []string
	for _, l := range lines {
		parts = append(parts, l[0]+": "+l[1])
	}
	r.edit(f.file, f.ID, start, end, strings.Join(parts, separator), reason)
	return nil
}

// anchored refuses an entry whose own text other places of the file may use.
func anchored(e entry) error {
	if e.raw.Anchor() != "" || e.key.Anchor() != "" {
		return fmt.Errorf("the value of %s has the anchor &%s%s, which other places may use", e.key.Value, e.raw.Anchor(), e.key.Anchor())
	}
	return nil
}

// entryRange gives the bytes of an entry: from its key to the end of its value.
func (d *document) entryRange(e entry) (start, end int) {
	start = d.start(e.key)
	return start, max(d.end(e.raw), d.afterColon(d.end(e.key)))
}

// margin is the white space that puts a new line under the column of an offset.
func (d *document) margin(offset int) string {
	indent, alone := d.indent(offset)
	if alone {
		return indent
	}
	return strings.Repeat(" ", len([]rune(string(d.src[d.lineStart(offset):offset]))))
}

// deleteEntry takes an entry out of its mapping, with its lines where it has them to itself. Where nothing would be left of
// the mapping, the mapping goes too, but for a trigger, which means the same without a value.
func (r *rewriter) deleteEntry(f *finding, e entry, reason string) error {
	if err := anchored(e); err != nil {
		return err
	}
	i := indexOf(e.parent, e.key)
	if i < 0 {
		return fmt.Errorf("%s comes from a merge key, which other places may use", e.key.Value)
	}
	gone := r.deleted[e.parent]
	if gone == nil {
		gone = make(map[*yaml.Node]Edit)
		r.deleted[e.parent] = gone
	}
	if _, again := gone[e.key]; again {
		return nil
	}
	if 2*(len(gone)+1) == len(e.parent.Content) {
		owner, ok := f.file.owner(e.parent)
		if !ok || isFlow(owner.parent) && len(owner.parent.Content) <= 2 {
			return errors.New("nothing would be left of the mapping that " + e.key.Value + " stands in")
		}
		if owner.key.Value != "workflow_call" {
			for _, earlier := range gone {
				r.retract(f.file, earlier)
			}
			r.gone(gone, e.key, Edit{})
			return r.deleteEntry(f, owner, reason)
		}
	}
	start, end := f.file.deletion(e, i)
	r.gone(gone, e.key, Edit{Start: start, End: end})
	r.edit(f.file, f.ID, start, end, "", reason)
	return nil
}

// gone notes a deleted key.
func (r *rewriter) gone(keys map[*yaml.Node]Edit, key *yaml.Node, e Edit) {
	keys[key] = e
	r.undo = append(r.undo, func() { delete(keys, key) })
}

// retract takes back a deletion that a larger one takes the place of.
func (r *rewriter) retract(f *file, gone Edit) {
	p := r.plan(f)
	for i, e := range p.edits {
		if e.Start == gone.Start && e.End == gone.End && e.New == "" {
			before := p.edits
			r.undo = append(r.undo, func() { p.edits = before })
			p.edits = slices.Concat(before[:i], before[i+1:])
			return
		}
	}
}

func indexOf(mapping, key *yaml.Node) int {
	for i := 0; mapping != nil && i < len(mapping.Content); i += 2 {
		if mapping.Content[i] == key {
			return i
		}
	}
	return -1
}

// deletion gives the bytes that go with the i-th node (a key) of a mapping.
func (d *document) deletion(e entry, i int) (start, end int) {
	start, end = d.entryRange(e)
	_, alone := d.indent(start)
	last := i+2 >= len(e.parent.Content)
	switch {
	case !isFlow(e.parent) && alone && d.onlyComment(end):
		return d.lineStart(start), d.nextLine(end)
	case !last:
		return start, d.start(e.parent.Content[i+2])
	}
	if i == 0 {
		return start, end
	}
	previous := e.parent.Content[i-1]
	return max(d.end(previous), d.afterColon(d.end(e.parent.Content[i-2]))), end
}

// onlyComment tells whether nothing but white space and a comment follows on the line.
func (d *document) onlyComment(offset int) bool {
	rest := bytes.TrimLeft(d.src[offset:d.lineEnd(offset)], " \t")
	return len(rest) == 0 || rest[0] == '#'
}

// owner finds the entry whose value a mapping is.
func (d *document) owner(child *yaml.Node) (entry, bool) {
	var search func(n *yaml.Node) (entry, bool)
	search = func(n *yaml.Node) (entry, bool) {
		if n == nil || n.Kind != yaml.MappingNode && n.Kind != yaml.SequenceNode {
			return entry{}, false
		}
		for i, c := range n.Content {
			if c == child && n.Kind == yaml.MappingNode {
				return entry{key: n.Content[i-1], value: c, raw: c, parent: n}, true
			}
			if e, ok := search(c); ok {
				return e, true
			}
		}
		return entry{}, false
	}
	return search(d.root)
}
