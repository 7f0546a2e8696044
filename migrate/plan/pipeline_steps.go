package plan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
)

// pipelineTexts finds the places of YAML pipelines that pull requests can put right, and whose connections they are.
type pipelineTexts struct {
	repos map[string]*inventory.PipelineRepository // by organisation and place, lower case
	at    map[string][]*inventory.Connection       // by place: connections that a blocker there is about, also where that is only possible
	names map[string][]naming                      // by place: what is named there
	open  map[string]bool                          // files with expressions that can mean any connection
	late  map[string][]string                      // by place where a new text would work only on converted connections: the steps of pipelines that it is
	users map[string][]placedUse                   // by such a step: what uses connections in it
}

// placedUse is one use of a connection.
type placedUse struct {
	conn *inventory.Connection
	use  *inventory.PipelineUse
}

func newPipelineTexts(inv *inventory.Inventory) pipelineTexts {
	t := pipelineTexts{repos: map[string]*inventory.PipelineRepository{}, at: map[string][]*inventory.Connection{}, names: map[string][]naming{}, open: map[string]bool{}, late: map[string][]string{}, users: map[string][]placedUse{}}
	for i := range inv.PipelineRepositories {
		r := &inv.PipelineRepositories[i]
		t.repos[strings.ToLower(r.Organization+"|"+r.Place)] = r
	}
	for i := range inv.Connections {
		c := &inv.Connections[i]
		for _, n := range c.Concerns {
			key := t.textKey(n.PipelinePlace)
			if n.Severity == inventory.ConcernBlocker && !n.Disabled && n.File != "" && !slices.Contains(t.at[key], c) {
				t.at[key] = append(t.at[key], c)
			}
			if n.After && n.File != "" {
				t.late[key] = nil
			}
		}
	}
	t.nameAll(inv)
	t.useAll(inv)
	for _, u := range inv.Unresolved {
		t.open[t.fileKey(u.PipelinePlace)] = true
	}
	return t
}

// useAll notes what uses connections in steps whose new text would work only on converted ones.
func (t pipelineTexts) useAll(inv *inventory.Inventory) {
	if len(t.late) == 0 {
		return
	}
	for _, c := range inv.Connections {
		for _, n := range c.Concerns {
			key := t.textKey(n.PipelinePlace)
			if steps, late := t.late[key]; late {
				t.late[key], t.users[stepKey(n.PipelinePlace)] = appendOnce(steps, stepKey(n.PipelinePlace)), nil
			}
		}
	}
	for i := range inv.Connections {
		c := &inv.Connections[i]
		for j := range c.PipelineUses {
			u := &c.PipelineUses[j]
			key := stepKey(u.PipelinePlace)
			if have, late := t.users[key]; late {
				t.users[key] = append(have, placedUse{c, u})
			}
		}
	}
}

// stepKey names a step of a pipeline as what it uses has it, too: that stands in other lines, and where the inputs are passed on in other files. Steps of one job can have the
// same name, or be the same text with several expansions.
func stepKey(p inventory.PipelinePlace) string {
	return strings.ToLower(strings.Join([]string{p.Organization, p.Project, p.Pipeline, strconv.Itoa(p.DefinitionID), p.Stage, p.Job, p.Step}, "|"))
}

// fileKey names a file by the repository that holds it: pipelines of several organisations can be built from one on GitHub, and whoever changes it changes it for all of them.
func (t pipelineTexts) fileKey(p inventory.PipelinePlace) string {
	holder := p.Organization + "|" + p.Repository
	if r := t.repository(p); r != nil {
		holder = string(r.Name)
	}
	return strings.ToLower(holder) + "|" + p.File
}

func (t pipelineTexts) textKey(p inventory.PipelinePlace) string {
	return fmt.Sprintf("%s:%d:%d", t.fileKey(p), p.Line, p.Column)
}

func (t pipelineTexts) repository(p inventory.PipelinePlace) *inventory.PipelineRepository {
	return t.repos[strings.ToLower(p.Organization+"|"+p.Repository)]
}

// concerns are what speaks against converting a connection, and was not accepted.
func (p *planner) concerns(c *connection) []inventory.Concern {
	return slices.DeleteFunc(c.Blockers(), func(n inventory.Concern) bool { return p.accepted(c, n) })
}

// cannotRewrite tells why no pull request puts a place right; nil where one does. An empty message: only a person can.
func (p *planner) cannotRewrite(c *connection, n inventory.Concern) *Reason {
	no := func(message, next string) *Reason { return &Reason{Message: message, Next: []string{next}} }
	repo := p.texts.repository(n.PipelinePlace)
	switch {
	case n.Rewrite == "" || repo == nil || n.File == "":
		return &Reason{}
	case p.cfg.Connections.Pipelines == ConnectionsReport:
		return no("connections.pipelines: report leaves it to people", "set connections.pipelines: rewrite")
	case n.Rewrite != inventory.RewriteSafe && p.cfg.Level == LevelSafe:
		return no("a pull request can do it, which a person has to review", "set level: needs-review")
	case n.After && p.cfg.Connections.Pipelines != PipelinesInterrupt:
		if gap := p.gap(c, n); gap != "" {
			return no("a pull request can do it, but its text works only on "+gap, "agree on a time, and set connections.pipelines: interrupt")
		}
	}
	if why := p.cannotChange(repo, n.File); why != nil {
		return why
	}
	if n.After && p.texts.open[p.texts.fileKey(n.PipelinePlace)] {
		return no("its file also names a connection by an expression that the text does not decide, so that it is not known who else needs the old text", "name the connection")
	}
	return nil
}

// gap tells when a step fails whose new text works only without a stored secret; empty: never.
func (p *planner) gap(c *connection, n inventory.Concern) string {
	if !c.recreated {
		return "the converted connection, so that the pipeline fails between the conversion and the merge"
	}
	if why := p.apart(c, n); why != "" {
		return "the new connection, and " + why + ", so that the pipeline fails between two merges"
	}
	return ""
}

// apart tells what keeps a step from changing at the very moment at which it names new connections; empty where nothing does. That is so where the pull request that gives it its
// text also changes every name that comes to it: whoever runs it then has both or, on a branch that is older, neither, and the old connection goes on working with the old text.
func (p *planner) apart(c *connection, n inventory.Concern) string {
	if !c.PipelinesKnown {
		return "not every place is known that names it"
	}
	d, here := p.drafts[c.AppID], p.hostName(p.texts.repository(n.PipelinePlace))
	var uses []placedUse
	for _, step := range p.texts.late[p.texts.textKey(n.PipelinePlace)] {
		uses = append(uses, p.texts.users[step]...)
	}
	if !slices.ContainsFunc(uses, func(u placedUse) bool { return u.conn.ID == c.ID }) {
		return "its text does not tell what names it there"
	}
	for _, u := range uses {
		if u.conn.Scheme == inventory.SchemeFederation {
			continue // the new text is the one that works with it
		}
		i := -1
		if d != nil {
			i = slices.IndexFunc(d.conns, func(o *connection) bool { return o.ID == u.conn.ID && o.recreated })
		}
		if i < 0 {
			return "the step is used with connection " + u.conn.Name + ", too, in whose place this unit makes none"
		}
		if u.use.Maybe || len(u.use.Texts) == 0 {
			return "it is not certain what " + u.use.Text() + " names"
		}
		for _, t := range u.use.Texts {
			repo, _, why := p.rename(d.conns[i], *u.use, t)
			if why == "" && p.hostName(repo) != here {
				why = "its name stands in " + t.Repository + ", which has a pull request of its own"
			}
			if why != "" {
				return "not every name of it changes with that: " + u.use.Text() + ": " + why
			}
		}
	}
	return ""
}

// cannotChange tells why a repository takes no pull request of this program.
func (p *planner) cannotChange(repo *inventory.PipelineRepository, file string) *Reason {
	no := func(message, next string) *Reason { return &Reason{Message: message, Next: []string{next}} }
	for _, e := range p.cfg.Exclude {
		named := e.Repository != "" || e.File != ""
		if named && e.AppID == "" && e.Connection == "" && (e.Repository == "" || matches(string(e.Repository), string(repo.Name))) && (e.File == "" || matches(e.File, file)) {
			return no("the configuration excludes its text", "drop the exclusion")
		}
	}
	if !slices.ContainsFunc(repo.Files, func(f inventory.File) bool { return f.Path == file }) {
		return no("its file was read in two versions", "scan again")
	}
	if _, _, _, azure := repo.Name.AzureRepos(); azure {
		return nil
	}
	known := p.stores.repo(repo.Name)
	switch {
	case known == nil:
		return no("its repository is on GitHub, and not among those that were scanned", "scan it, too")
	case known.Archived:
		return no("its repository is archived", "unarchive it")
	case repo.DefaultBranch != "" && repo.DefaultBranch != known.DefaultBranch:
		return no("the pipeline is built from branch "+repo.DefaultBranch+", which is not the repository's default branch", "change that branch by hand")
	}
	return nil
}

// rewrittenText says what becomes of a place.
func (p *planner) rewrittenText(c *connection, n inventory.Concern) string {
	switch {
	case n.After && c.recreated && p.apart(c, n) == "":
		return "; the pull request that lets it name the new connection puts it right at the same moment"
	case n.After && c.recreated:
		return "; a pull request puts it right when the new connection is there: until it and those that name the new connection are merged the pipeline fails"
	case n.After:
		return "; a pull request puts it right after the conversion: until it is merged the pipeline fails"
	case c.recreated:
		return "; a pull request puts it right before anything names the new connection"
	}
	return "; a pull request puts it right before the conversion"
}

// pipelineEdit is one step of a pipeline that a unit's pull request rewrites.
type pipelineEdit struct {
	repo  *inventory.PipelineRepository
	name  inventory.RepositoryName // as its host spells it
	file  string
	id    inventory.LoginID
	key   string
	after bool
	rules []string
	conns []inventory.ConnectionID // of the unit
	waits []string                 // the steps that make a text work which does so only afterwards
	// rename is set where it is not a step, but the name of a connection that is replaced.
	rename *pipeline.Rename
}

// hostName is a repository's name as its host spells it, which a definition can write in another case.
func (p *planner) hostName(r *inventory.PipelineRepository) inventory.RepositoryName {
	if known := p.stores.repo(r.Name); known != nil {
		return known.Name
	}
	return r.Name
}

// edits are the steps of pipelines that must change for a unit's connections, in the order of their places.
func (p *planner) edits(d *draft) []*pipelineEdit {
	var out []*pipelineEdit
	byKey := map[string]*pipelineEdit{}
	for _, c := range d.conns {
		if c.hold != nil || c.already() {
			continue
		}
		for _, n := range p.concerns(c) {
			if p.cannotRewrite(c, n) != nil {
				continue
			}
			key := p.texts.textKey(n.PipelinePlace)
			e := byKey[key]
			if e == nil {
				repo := p.texts.repository(n.PipelinePlace)
				name := p.hostName(repo)
				e = &pipelineEdit{repo: repo, name: name, file: n.File, key: key, id: inventory.NewLoginID(name, n.File, n.Line, n.Column)}
				byKey[key], out = e, append(out, e)
			}
			e.after = e.after || n.After
			e.rules, e.conns = appendOnce(e.rules, n.Rule), appendOnce(e.conns, c.ID)
			e.waits = appendOnce(e.waits, c.readyStep())
		}
	}
	for _, c := range d.conns {
		if c.hold == nil && c.recreated {
			out = p.renames(c, out)
		}
	}
	by(out, func(e *pipelineEdit) string { return string(e.id) })
	for _, e := range out {
		slices.Sort(e.rules)
	}
	return out
}

func appendOnce[T comparable](list []T, x T) []T {
	if slices.Contains(list, x) {
		return list
	}
	return append(list, x)
}

// holdTogether holds connections whose pipelines share a text with one that stays as it is, where the new text works only on converted ones.
func (p *planner) holdTogether() bool {
	changed := false
	for _, d := range p.drafts {
		for _, e := range p.edits(d) {
			if !e.after {
				continue
			}
			other := p.staysBehind(e)
			if other == nil {
				continue
			}
			for _, c := range d.conns {
				if slices.Contains(e.conns, c.ID) && c.hold == nil {
					changed = true
					c.hold = &Reason{Code: "pipeline-shared", Object: "connection " + c.Name + " (" + c.place() + ")",
						Message: fmt.Sprintf("%s is used with connection %s, too, which is not converted and needs the old text", e.id, other.Name),
						Next:    []string{"solve what holds connection " + other.Name + ", or give the pipelines texts of their own, then scan and plan again"}}
				}
			}
		}
	}
	return changed
}

// staysBehind gives a connection that uses a text and is not converted by this plan.
func (p *planner) staysBehind(e *pipelineEdit) *inventory.Connection {
	for _, other := range p.texts.at[e.key] {
		d := p.drafts[other.AppID]
		converts := d != nil && len(d.blockers) == 0 && slices.ContainsFunc(d.conns, func(c *connection) bool { return c.ID == other.ID && c.hold == nil })
		if !converts && other.Scheme != inventory.SchemeFederation {
			return other
		}
	}
	return nil
}

// editShares are the other units whose connections use a text.
func (p *planner) editShares(e *pipelineEdit, app inventory.AppID) []string {
	var out []string
	for _, other := range p.texts.at[e.key] {
		d := p.drafts[other.AppID]
		if d == nil || other.AppID == app || len(d.blockers) > 0 {
			continue
		}
		if slices.ContainsFunc(d.conns, func(c *connection) bool { return c.ID == other.ID && c.hold == nil && !c.already() }) {
			out = appendOnce(out, d.unit.ID)
		}
	}
	slices.Sort(out)
	return out
}

// textPlan is what a unit's pull requests do to pipelines, by repository.
type textPlan map[inventory.RepositoryName][]*pipelineEdit

func (p *planner) texted(d *draft) textPlan {
	out := textPlan{}
	for _, e := range p.edits(d) {
		out[e.name] = append(out[e.name], e)
	}
	return out
}

// first tells whether a repository's pull request is to be merged before the unit's connections are converted: where all of its new texts
// work both ways.
func (t textPlan) first(repo inventory.RepositoryName) bool {
	return len(t[repo]) > 0 && !slices.ContainsFunc(t[repo], func(e *pipelineEdit) bool { return e.after })
}

// before are the pull requests that a connection waits for.
func (t textPlan) before(id inventory.ConnectionID) []string {
	var out []string
	for repo, edits := range t {
		if t.first(repo) && slices.ContainsFunc(edits, func(e *pipelineEdit) bool { return slices.Contains(e.conns, id) }) {
			out = append(out, PullRequestID(repo))
		}
	}
	slices.Sort(out)
	return out
}

// after are the steps that a repository's pull request waits for: those without which its texts do not work.
func (t textPlan) after(repo inventory.RepositoryName) []string {
	var out []string
	first := t.first(repo)
	for _, e := range t[repo] {
		if first && e.rename == nil {
			continue
		}
		for _, id := range e.waits {
			out = appendOnce(out, id)
		}
	}
	for _, other := range t.fixedIn(repo) {
		out = appendOnce(out, PullRequestID(other))
	}
	slices.Sort(out)
	return out
}

// fixedIn are the other repositories whose steps must work with a connection before the texts of a repository name it: those of templates, say.
func (t textPlan) fixedIn(repo inventory.RepositoryName) []inventory.RepositoryName {
	var out []inventory.RepositoryName
	for _, e := range t[repo] {
		for other, edits := range t {
			if e.rename != nil && other != repo && slices.ContainsFunc(edits, func(o *pipelineEdit) bool { return o.rename == nil && !o.after && sharesConnection(o, e) }) {
				out = appendOnce(out, other)
			}
		}
	}
	slices.Sort(out)
	return out
}

func sharesConnection(a, b *pipelineEdit) bool {
	return slices.ContainsFunc(a.conns, func(id inventory.ConnectionID) bool { return slices.Contains(b.conns, id) })
}

// crossed tells whether the pull request of a repository would have to wait for itself.
func (t textPlan) crossed(repo inventory.RepositoryName) bool {
	seen, open := map[inventory.RepositoryName]bool{}, t.fixedIn(repo)
	for len(open) > 0 {
		next := open[0]
		open = open[1:]
		if next == repo {
			return true
		}
		if !seen[next] {
			seen[next] = true
			open = append(open, t.fixedIn(next)...)
		}
	}
	return false
}

// holdCrossed holds connections that are named in a repository whose pull request would wait for one that waits for it.
func (p *planner) holdCrossed() bool {
	changed := false
	for _, d := range p.drafts {
		if !slices.ContainsFunc(d.conns, func(c *connection) bool { return c.recreated }) {
			continue // nothing is named anew
		}
		texts := p.texted(d)
		for _, repo := range slices.Sorted(maps.Keys(texts)) {
			if !texts.crossed(repo) {
				continue
			}
			edits := texts[repo]
			for _, c := range d.conns {
				if c.hold == nil && slices.ContainsFunc(edits, func(e *pipelineEdit) bool { return e.rename != nil && slices.Contains(e.conns, c.ID) }) {
					changed = true
					c.hold = &Reason{Code: "pipeline-crossed", Object: "connection " + c.Name + " (" + c.place() + ")",
						Message: fmt.Sprintf("%s names it, whose pull request would have to wait for one in %s that waits for this one: each has steps that must change before the other names a new connection", repo, texts.fixedIn(repo)[0]),
						Next:    []string{"change the steps in one of the two by hand, then scan and plan again"}}
				}
			}
		}
	}
	return changed
}

// addTo puts a repository's pipelines into the step that opens its pull request.
func (p *planner) addTo(s *PullRequestStep, d *draft, edits []*pipelineEdit, first bool) {
	for _, e := range edits {
		s.Logins = append(s.Logins, PlannedLogin{ID: e.id, Shares: p.editShares(e, d.unit.AppID), Pipeline: &PipelineStep{Connections: e.conns, Rules: e.rules, Both: first && e.rename == nil, Rename: e.rename}})
		if slices.ContainsFunc(s.Files, func(f inventory.File) bool { return f.Path == e.file }) {
			continue
		}
		i := slices.IndexFunc(e.repo.Files, func(f inventory.File) bool { return f.Path == e.file })
		s.Files = append(s.Files, e.repo.Files[i])
	}
}
