package workflow

import (
	"iter"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// entry is one key of a mapping with its value. The value is resolved where the file has an alias; raw is
// what stands in the file.
type entry struct {
	key, value, raw *yaml.Node
	parent          *yaml.Node // the mapping that the entry stands in
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.AliasNode && i < 16; i++ {
		n = n.Alias()
	}
	return n
}

// entries lists the keys of a mapping, those that a merge key brings last. A later key of the same
// name wins, as YAML decoders have it; GitHub refuses files with duplicate keys.
func entries(n *yaml.Node) []entry { return appendEntries(nil, n, 0) }

// each visits what entries lists, mostly without making the list.
func each(n *yaml.Node) iter.Seq[entry] {
	return func(yield func(entry) bool) { visitEntries(resolve(n), yield) }
}

func visitEntries(n *yaml.Node, yield func(entry) bool) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "<<" {
			for _, e := range entries(n) {
				if !yield(e) {
					return
				}
			}
			return
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		raw := n.Content[i+1]
		if !yield(entry{key: n.Content[i], value: resolve(raw), raw: raw, parent: n}) {
			return
		}
	}
}

func appendEntries(list []entry, n *yaml.Node, depth int) []entry {
	n = resolve(n)
	if n == nil || n.Kind != yaml.MappingNode || depth > 8 {
		return list
	}
	if list == nil && len(n.Content) > 1 {
		list = make([]entry, 0, len(n.Content)/2)
	}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, raw := n.Content[i], n.Content[i+1]
		if key.Value == "<<" && key.Style == 0 {
			merges = append(merges, raw)
			continue
		}
		list = append(list, entry{key: key, value: resolve(raw), raw: raw, parent: n})
	}
	for _, m := range merges {
		list = appendMerged(list, resolve(m), depth)
	}
	return list
}

func appendMerged(list []entry, m *yaml.Node, depth int) []entry {
	if m == nil {
		return list
	}
	if m.Kind == yaml.SequenceNode {
		for _, item := range m.Content {
			list = appendMerged(list, resolve(item), depth+1)
		}
		return list
	}
	own := len(list)
	for _, e := range appendEntries(nil, m, depth+1) {
		if _, ok := find(list[:own], e.key.Value); !ok {
			list = append(list, e)
		}
	}
	return list
}

// find gives the last entry with a name, compared without case: GitHub reads inputs and environment keys so.
func find(list []entry, name string) (entry, bool) {
	for i := len(list) - 1; i >= 0; i-- {
		if strings.EqualFold(list[i].key.Value, name) {
			return list[i], true
		}
	}
	return entry{}, false
}

// get gives the value of a key of a mapping, or nil.
func get(n *yaml.Node, name string) *yaml.Node {
	e, ok := lookup(n, name)
	if !ok {
		return nil
	}
	return e.value
}

// lookup gives the entry of a key of a mapping. It looks at the mapping's own keys first, without building a list.
func lookup(n *yaml.Node, name string) (entry, bool) {
	n = resolve(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return entry{}, false
	}
	merge := false
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		key := n.Content[i]
		if len(key.Value) == len(name) && strings.EqualFold(key.Value, name) {
			return entry{key: key, value: resolve(n.Content[i+1]), raw: n.Content[i+1], parent: n}, true
		}
		merge = merge || key.Value == "<<"
	}
	if merge {
		return find(entries(n), name)
	}
	return entry{}, false
}

// text gives a scalar's value, or "".
func text(n *yaml.Node) string {
	if n = resolve(n); n != nil && n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

func isFlow(n *yaml.Node) bool {
	return n != nil && (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) && n.Style&yaml.FlowStyle != 0
}
