package workflow

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// scriptPart is a place of a script at which jq takes one member out of a credentials JSON.
type scriptPart struct {
	start, end int    // in the script: the whole substitution
	role       string // of the member
	source     string // the variable that the JSON is in; "" where the expression stands in the substitution itself
	secret     string // the secret, upper case
}

// jsonPlan is how a script that takes a credentials JSON apart is freed of it: the ids come from variables, and what only held the JSON
// or the client secret goes.
type jsonPlan struct {
	parts []scriptPart
	lines [][2]int // of the script: assignments that go with their lines
}

const (
	jsonSource = `(?:'(\$\{\{[^}']*\}\})'|"(\$\{\{[^}"]*\}\})"|"?\$(?:(\w+)|\{(\w+)\})"?)`
	jsonFilter = `jq\s+(?:-r\s+-c|-c\s+-r|-rc|-cr|-r|--raw-output)\s+['"]?\.(\w+)['"]?`
)

// jsonForms are the substitutions that are read: echo JSON | jq -r .member, and jq -r .member <<< JSON.
var jsonForms = []func() *regexp.Regexp{
	lazy.Regexp("(?:\\$\\(|`)\\s*(?:echo|printf '%s')\\s+" + jsonSource + `\s*\|\s*` + jsonFilter + "\\s*(?:\\)|`)"),
	lazy.Regexp("(?:\\$\\(|`)\\s*" + strings.Replace(jsonFilter, `(\w+)`, `(?P<member>\w+)`, 1) + `\s*<<<\s*` + jsonSource + "\\s*(?:\\)|`)"),
}

// partsJSON tells whether the script of a finding takes the credential out of a JSON that a secret holds.
func (f *finding) partsJSON() bool {
	if f.script == nil {
		return false
	}
	for _, use := range f.Secrets {
		if use.Part {
			return true
		}
	}
	return false
}

// takesJSONApart tells whether a script reads a credentials JSON for more than the client secret in the finding: what stays would
// still read the secret.
func (f *finding) takesJSONApart() bool {
	if !f.partsJSON() {
		return false
	}
	if len(takesPart().FindAllString(f.script.text, 2)) > 1 {
		return true
	}
	for _, seg := range segments(f.script.text) {
		for _, r := range seg.refs {
			if r.context == "secrets" && names(f.Secrets, r.name()) && !f.inScript(seg.start) {
				return true
			}
		}
	}
	return false
}

// jsonPlan recognises the closed form: a bash script in a literal block, in which each use of jq takes an id or the client secret out
// of the same secret. It tells what is in the way otherwise.
func (a *analysis) jsonPlan(f *finding) (*jsonPlan, string) {
	r := f.script
	if r.shell != script.Bash || !r.Certain || !f.exact || r.entry.value.Style&yaml.LiteralStyle == 0 {
		return nil, "the script is no bash in a literal block that parses"
	}
	p := &jsonPlan{parts: a.jsonParts(f)}
	if len(p.parts) == 0 || len(takesPart().FindAllString(r.text, -1)) != len(p.parts) {
		return nil, "not every place that takes the JSON apart has the form $(echo JSON | jq -r .member)"
	}
	secret := p.parts[0].secret
	for _, part := range p.parts {
		switch {
		case part.role == "" || part.secret == "" || part.secret != secret:
			return nil, fmt.Sprintf("line %d takes something else than an id or the client secret of one JSON", a.scriptLine(f, part.start))
		case part.role == roleClientSecret && !f.inScript(part.start):
			line, ok := a.onlyFor(f, part)
			if !ok {
				return nil, fmt.Sprintf("line %d takes the client secret for something else too", a.scriptLine(f, part.start))
			}
			p.lines = append(p.lines, line)
		}
	}
	return p, a.dropSources(f, p)
}

// jsonParts finds the places that take a JSON apart, in their order.
func (a *analysis) jsonParts(f *finding) []scriptPart {
	var list []scriptPart
	for _, lazily := range jsonForms {
		form := lazily()
		for _, m := range form.FindAllStringSubmatchIndex(f.script.text, -1) {
			var groups []string
			for i := 2; i < len(m); i += 2 {
				if m[i] >= 0 {
					groups = append(groups, f.script.text[m[i]:m[i+1]])
				}
			}
			if len(groups) != 2 {
				continue
			}
			source, member := groups[0], groups[1]
			if i := form.SubexpIndex("member"); i > 0 {
				source, member = groups[1], groups[0]
			}
			part := scriptPart{start: m[0], end: m[1], role: roleOfProperty(member)}
			part.source, part.secret = a.jsonSource(f, source)
			list = append(list, part)
		}
	}
	slices.SortFunc(list, func(a, b scriptPart) int { return a.start - b.start })
	return list
}

// jsonSource tells which secret the JSON of a place is, directly or through one variable of the script or its environment.
func (a *analysis) jsonSource(f *finding, source string) (variable, secret string) {
	value := source
	if !strings.HasPrefix(source, "${{") {
		variable = source
		in := scope{a, f.file, f.job, f.step}
		set := 0
		for _, as := range f.script.Assignments {
			if as.Name == source {
				value, set = f.script.original(as.Value), set+1
			}
		}
		if set == 0 {
			value, _, _ = in.env(source)
		}
		if set > 1 {
			return variable, ""
		}
	}
	if r, ok := single(value); ok && r.context == "secrets" && r.index == nil && r.property == "" && !r.whole {
		return variable, strings.ToUpper(r.name())
	}
	return variable, ""
}

func (a *analysis) scriptLine(f *finding, at int) int {
	if offset, ok := f.file.source(f.script.entry.value, at); ok {
		line, _ := f.file.place(offset)
		return line
	}
	return f.Line
}

// inScript tells whether an offset of the script is inside the finding itself.
func (f *finding) inScript(at int) bool {
	offset, ok := f.file.source(f.script.entry.value, at)
	return ok && f.start <= offset && offset < f.end
}

// onlyFor gives the line of an assignment NAME=$(…) that nothing but the finding reads.
func (a *analysis) onlyFor(f *finding, part scriptPart) ([2]int, bool) {
	for _, as := range f.script.Assignments {
		if as.Value.Start == part.start && strings.TrimSpace(f.script.text[as.Value.Start:as.Value.End]) == f.script.text[part.start:part.end] && !as.Exported {
			return f.assignmentLine(as, f.inScript)
		}
	}
	return [2]int{}, false
}

// assignmentLine gives the line that an assignment has to itself, where all that reads the variable is allowed.
func (f *finding) assignmentLine(as script.Assignment, allowed func(at int) bool) ([2]int, bool) {
	text := f.script.text
	start := strings.LastIndexByte(text[:as.Start], '\n') + 1
	end := lineEnd(text, as.End)
	if strings.TrimSpace(text[start:as.Start]) != "" || strings.TrimSpace(text[as.End:end]) != "" {
		return [2]int{}, false
	}
	for _, at := range f.script.readsOf(as.Name) {
		if !allowed(at) {
			return [2]int{}, false
		}
	}
	return [2]int{start, min(end+1, len(text))}, true
}

// readsOf gives the offsets at which a script reads a variable, but for its comments.
func (r *runScript) readsOf(name string) []int {
	var list []int
	for _, m := range regexp.MustCompile(`\$(?:`+regexp.QuoteMeta(name)+`\b|\{`+regexp.QuoteMeta(name)+`\b)`).FindAllStringIndex(r.text, -1) {
		line := r.text[strings.LastIndexByte(r.text[:m[0]], '\n')+1 : m[0]]
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			list = append(list, m[0])
		}
	}
	return list
}

// dropSources adds the assignments that only hold the JSON, and tells what else reads the secret.
func (a *analysis) dropSources(f *finding, p *jsonPlan) string {
	inPart := func(at int) bool {
		return slices.ContainsFunc(p.parts, func(x scriptPart) bool { return x.start <= at && at < x.end })
	}
	for _, as := range f.script.Assignments {
		if !slices.ContainsFunc(p.parts, func(x scriptPart) bool { return x.source == as.Name }) {
			continue
		}
		line, ok := f.assignmentLine(as, inPart)
		if !ok {
			return fmt.Sprintf("line %d holds the JSON for something else too", a.scriptLine(f, as.Start))
		}
		p.lines = append(p.lines, line)
	}
	for _, seg := range segments(f.script.text) {
		gone := slices.ContainsFunc(p.lines, func(l [2]int) bool { return l[0] <= seg.start && seg.start < l[1] })
		for _, r := range seg.refs {
			if r.context == "secrets" && strings.EqualFold(r.name(), p.parts[0].secret) && !gone && !inPart(seg.start) {
				return fmt.Sprintf("line %d reads the JSON for something else too", a.scriptLine(f, seg.start))
			}
		}
	}
	return ""
}

// planJSON takes over a plan: what it covers counts as converted with the finding.
func (f *finding) planJSON(p *jsonPlan, convert func(*rewriter, *finding) error) func(*rewriter, *finding) error {
	for _, part := range p.parts {
		from, _ := f.file.source(f.script.entry.value, part.start)
		to, _ := f.file.source(f.script.entry.value, part.end)
		f.also = append(f.also, [2]int{from, to})
	}
	return func(r *rewriter, f *finding) error {
		if err := r.jsonToIDs(f, p); err != nil {
			return err
		}
		return convert(r, f)
	}
}

// covers tells whether an offset of the file is in what a finding's conversion takes away.
func (f *finding) covers(at int) bool {
	return f.start <= at && at < f.end || slices.ContainsFunc(f.also, func(r [2]int) bool { return r[0] <= at && at < r[1] })
}

// jsonToIDs puts the ids from variables in the place of the parts of a JSON, and takes the lines away that hold the rest.
func (r *rewriter) jsonToIDs(f *finding, p *jsonPlan) error {
	d, value, n := f.file, f.script.entry.value, r.names(f)
	ids := map[string]string{roleClientID: n.ClientID, roleTenantID: n.TenantID, roleSubscriptionID: n.SubscriptionID}
	for _, part := range p.parts {
		if part.role == roleClientSecret {
			continue
		}
		if ids[part.role] == "" {
			return errors.New("the subscription is not known")
		}
		start, _ := d.source(value, part.start)
		end, _ := d.source(value, part.end)
		text := expression(ids[part.role], false)
		if before := f.script.text[strings.LastIndexByte(f.script.text[:part.start], '\n')+1 : part.start]; strings.Count(before, `"`)%2 == 0 {
			text = `"` + strings.Trim(text, `'`) + `"`
		}
		r.edit(d, f.ID, start, end, text, "the id is no secret: it comes from a variable")
	}
	for _, l := range p.lines {
		start, _ := d.source(value, l[0])
		stop, ok := d.source(value, strings.LastIndexByte(strings.TrimRight(f.script.text[:l[1]], "\n"), '\n')+1)
		if !ok {
			return errors.New("the script cannot be edited line by line")
		}
		r.edit(d, f.ID, d.lineStart(start), d.nextLine(stop), "", "nothing reads the credential any longer")
	}
	return nil
}
