package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Rename writes another name of a connection where one is written.
type Rename struct {
	From string `json:"from"` // as it is written there
	To   string `json:"to"`
}

// deepest is how deep nodes are followed in search of names.
const deepest = 200

// nameTexts gives the places of the names that a connection's input can be. A name that is put together, or that several places give, has none.
func (w *walker) nameTexts(v *node, l *leaf) []NameText {
	var out []NameText
	for _, choice := range l.values {
		name, ok := choice.string()
		if !ok || strings.TrimSpace(name) == "" {
			continue
		}
		t := NameText{Name: name}
		at := choice.origin
		if choice.kind == stringValue && !choice.twice && at.doc != nil && at.doc.ref == "" && at.n != nil && at.n.Value == name && at.n.Anchor == "" && at.doc.renames(at.n) {
			t.Repository, t.File = at.doc.repository, at.doc.path
			t.Line, t.Column = at.doc.place(at.doc.start(at.n))
			if at != v.at {
				w.out.held[t] = at
			}
		}
		out = append(out, t)
	}
	if l.open {
		out = append(out, NameText{Name: l.expr})
	}
	return uniqueTexts(out)
}

// keepNames drops the places of names that are read as something else, too. All files of the pipelines are read by now.
func (c *collector) keepNames(p *project) {
	bad, known := map[NameText]bool{}, map[string]bool{}
	for t, at := range c.held {
		name, _ := nameOfValue(at.doc.root, at.n, 0)
		name = strings.ToLower(name)
		if _, seen := known[name]; !seen {
			known[name] = name != "" && p.onlyNames(name)
		}
		bad[t] = !known[name]
	}
	for _, u := range c.uses {
		for i, t := range u.Texts {
			if bad[t] {
				u.Texts[i] = NameText{Name: t.Name}
			}
		}
		u.Texts = uniqueTexts(u.Texts)
	}
}

func uniqueTexts(list []NameText) []NameText {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b NameText) int {
		return cmp.Or(strings.Compare(a.Repository, b.Repository), strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Name, b.Name))
	})
	return slices.Compact(list)
}

// renames tells whether a scalar stands in its file byte for byte.
func (d *document) renames(n *yaml.Node) bool {
	parts, ok := d.verbatim(n)
	return ok && len(parts) == 1 && n.Kind == yaml.ScalarNode && n.Style&yaml.LiteralStyle == 0
}

// renamable tells whether a pull request may write another name of a connection of this kind: of those in whose place new ones are made.
func renamable(k Kind) bool { return k == KindAzureRM || k == KindDockerRegistry }

// onlyNames tells whether what variables and parameters of a name (in lower case) hold is read as nothing but the name of a connection to Azure or to a registry: in all files of the pipeline the name stands only where it gets a value, where it is handed on under the same name, and as the whole input of such a connection. When in
// doubt it does not.
func (p *project) onlyNames(name string) bool {
	for _, d := range p.docs {
		m := mentions{name: name}
		m.walk(d.root, 0)
		if m.other > 0 {
			return false
		}
	}
	return true
}

// nameOfValue finds the name of the variable or parameter that a scalar is the value of: its key, or the name beside the key value or default.
func nameOfValue(root, n *yaml.Node, depth int) (string, bool) {
	if root == nil || depth > deepest {
		return "", false
	}
	for i, c := range root.Content {
		if root.Kind == yaml.MappingNode && i%2 == 1 && c == n {
			key := root.Content[i-1].Value
			if strings.EqualFold(key, "value") || strings.EqualFold(key, "default") {
				return scalarOf(root, "name"), true
			}
			return key, true
		}
		if found, ok := nameOfValue(c, n, depth+1); ok {
			return found, true
		}
	}
	return "", false
}

// scalarOf gives the scalar under a key of a mapping.
func scalarOf(m *yaml.Node, key string) string {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if strings.EqualFold(m.Content[i].Value, key) && m.Content[i+1].Kind == yaml.ScalarNode {
			return m.Content[i+1].Value
		}
	}
	return ""
}

// mentions counts where a name stands other than where it gets a value or names a connection to Azure or to a registry.
type mentions struct {
	name  string // lower case
	other int
}

func (m *mentions) walk(n *yaml.Node, depth int) {
	if n == nil || depth > deepest {
		m.other++ // too deep to say
		return
	}
	if n.Kind == yaml.MappingNode {
		task, container := parseTask(scalarOf(n, "task")), scalarOf(n, "container") != ""
		for i := 0; i+1 < len(n.Content); i += 2 {
			if key := n.Content[i].Value; container && (strings.EqualFold(key, "endpoint") || strings.EqualFold(key, "azureSubscription")) && m.whole(n.Content[i+1].Value) {
				continue // of a container resource
			}
			m.pair(n.Content[i], n.Content[i+1], task, depth)
		}
		return
	}
	if n.Kind == yaml.ScalarNode {
		m.scalar(n)
	}
	for _, c := range n.Content {
		m.walk(c, depth+1)
	}
}

// pair looks at a key and its value.
func (m *mentions) pair(key, val *yaml.Node, task taskRef, depth int) {
	declared := strings.EqualFold(key.Value, "name") && strings.EqualFold(val.Value, m.name)
	switch {
	case val.Kind == yaml.ScalarNode && declared:
	case strings.EqualFold(key.Value, m.name):
		if val.Kind != yaml.ScalarNode || !m.whole(val.Value) {
			m.walk(val, depth+1)
		}
	case strings.EqualFold(key.Value, "inputs") && val.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(val.Content); i += 2 {
			t, ok := task.connectionType(val.Content[i].Value)
			if !ok { // the name of such an input is often that of what it takes
				m.walk(val.Content[i], depth+1)
			}
			if !ok || !renamable(kindOf(t)) || !m.whole(val.Content[i+1].Value) {
				m.walk(val.Content[i+1], depth+1)
			}
		}
	default:
		m.walk(key, depth+1)
		m.walk(val, depth+1)
	}
}

// whole tells whether a text is nothing but the variable or parameter.
func (m *mentions) whole(text string) bool {
	text = strings.ToLower(strings.Join(strings.Fields(text), ""))
	for _, form := range []string{"$(%s)", "${{variables.%s}}", "${{variables['%s']}}", "${{parameters.%s}}", "${{parameters['%s']}}", "$[variables.%s]", "$[variables['%s']]"} {
		if text == fmt.Sprintf(form, m.name) {
			return true
		}
	}
	return false
}

// scalar looks for the name as a word of a text, also in the form in which scripts find a variable in their environment (Microsoft Learn: Define
// variables, "Environment variables": upper case, with _ for a dot and a space).
func (m *mentions) scalar(n *yaml.Node) {
	text := strings.ToLower(n.Value)
	if hasWord(text, m.name) || hasWord(text, strings.NewReplacer(".", "_", " ", "_").Replace(m.name)) {
		m.other++
	}
}

func hasWord(text, word string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 || word == "" {
			return false
		}
		from, to := at+i, at+i+len(word)
		if (from == 0 || !isNameByte(text[from-1])) && (to == len(text) || !isNameByte(text[to])) {
			return true
		}
		at = to
	}
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 0x80
}

// rename plans the new names of connections at their places.
func (w *rewriter) rename(f File) {
	if len(w.options.Names) == 0 {
		return
	}
	d, err := parseDocument(f)
	if err != nil {
		return
	}
	for _, id := range sortedIDs(w.options.Names) {
		r := w.options.Names[id]
		n := d.scalarAt(d.root, id, 0)
		if n == nil || n.Value != r.From || !d.renames(n) {
			continue
		}
		parts, _ := d.verbatim(n)
		e := Edit{Start: parts[0].src, End: parts[0].src + parts[0].length, New: r.To, Rule: RuleReplaced, Step: id,
			Reason: fmt.Sprintf("connection %s is replaced by %s, which signs in by workload identity federation", r.From, r.To)}
		switch {
		case n.Style&yaml.SingleQuotedStyle != 0:
			e.New = strings.ReplaceAll(r.To, "'", "''")
		case n.Style&yaml.DoubleQuotedStyle != 0:
			e.New = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(r.To)
		case !plainName(r.To):
			e.New = "'" + strings.ReplaceAll(r.To, "'", "''") + "'"
		}
		w.edit(&step{at: source{doc: d, n: n}}, d, e)
	}
}

func sortedIDs(names map[StepID]Rename) []StepID {
	out := make([]StepID, 0, len(names))
	for id := range names {
		out = append(out, id)
	}
	slices.SortFunc(out, func(a, b StepID) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	return out
}

// plainName tells whether a name needs no quotes, wherever it stands.
func plainName(s string) bool {
	for i, c := range s {
		letter := c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '-' && c != '.' && c != ' ' || c == ' ' && i == len(s)-1) {
			return false
		}
	}
	var n yaml.Node
	return yaml.Unmarshal([]byte(s), &n) == nil && len(n.Content) == 1 && n.Content[0].Kind == yaml.ScalarNode && n.Content[0].Tag == "!!str"
}

// scalarAt finds the scalar at a place.
func (d *document) scalarAt(n *yaml.Node, id StepID, depth int) *yaml.Node {
	if n == nil || depth > deepest {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		if line, column := d.place(d.start(n)); line == id.Line && column == id.Column {
			return n
		}
	}
	for _, c := range n.Content {
		if found := d.scalarAt(c, id, depth+1); found != nil {
			return found
		}
	}
	return nil
}

// NameTexts gives the places of a file where exactly these names are written, in the order of the text, each with the key that it stands under. Another version of the file has a
// place again where it has as many of the same.
func NameTexts(f File, names []string) []StepText {
	d, err := parseDocument(f)
	if err != nil {
		return nil
	}
	var out []StepText
	var walk func(n *yaml.Node, key string, depth int)
	walk = func(n *yaml.Node, key string, depth int) {
		if n == nil || depth > deepest {
			return
		}
		if n.Kind == yaml.ScalarNode && slices.Contains(names, n.Value) {
			line, column := d.place(d.start(n))
			out = append(out, StepText{Step: StepID{line, column}, Text: key + ": " + n.Value})
		}
		for i, c := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 1 {
				walk(c, strings.ToLower(n.Content[i-1].Value), depth+1)
				continue
			}
			walk(c, key, depth+1)
		}
	}
	walk(d.root, "", 0)
	return out
}

// renamed stands for every name that is written anew, before and after: an id and a name can mean the same connection.
func renamed(text string, names map[StepID]Rename) string {
	for _, r := range names {
		if text == r.From || text == r.To {
			return "a connection that is named anew"
		}
	}
	return text
}
