package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// defaultSuffix ends the name of a connection that is made in place of another one.
const defaultSuffix = "-wif"

// RuleNamesUnknown is what connections.accept calls that not every place is known which names a connection that is replaced.
const RuleNamesUnknown = "names-unknown"

// replacementOf gives the connection that an earlier apply made in place of one.
func (p *planner) replacementOf(c *connection) *inventory.Connection {
	for i := range p.inv.Connections {
		if n := &p.inv.Connections[i]; n.Replaces == c.ID && strings.EqualFold(n.Organization, c.Organization) {
			return n
		}
	}
	return nil
}

// chooseReplaced finds the connections in whose place new ones are made: those to registries where the configuration says so, and those of units that move to a managed
// identity, since a conversion keeps the application. What signs in to a registry takes part in either.
func (p *planner) chooseReplaced() {
	for _, d := range p.drafts {
		for _, c := range d.conns {
			switch {
			case d.target == nil:
				c.recreated = c.isRegistry() && p.cfg.Connections.Registry == ConnectionsRecreate
			case p.cfg.Connections.Identity == ConnectionsRecreate:
				c.recreated = c.isRegistry() || strings.EqualFold(c.Type, "azurerm") && c.Scheme == inventory.SchemeServicePrincipal
				c.registries = true
			}
		}
	}
}

// principal is what a unit signs in as, and its name; the client id is empty where a managed identity is not there yet.
func (d *draft) principal() (client inventory.AppID, name string) {
	if d.target != nil {
		return d.target.ClientID, "managed identity " + d.target.Name
	}
	return d.unit.AppID, d.unit.Title
}

// trusts tells whether what a unit signs in as trusts what a connection presents, as far as that is known.
func (d *draft) trusts(c *inventory.Connection) bool {
	return c != nil && c.Subject != "" && subject.Cover([]subject.Subject{{Issuer: c.Issuer, Value: c.Subject, Audience: subject.Audience}}, d.trusting()).Complete()
}

// newNames are the names of the connection that is made in place of one, by project: those that it has, where it is there already.
func (p *planner) newNames(c *connection) []inventory.ConnectionProject {
	out := slices.Clone(c.Projects)
	for i, q := range out {
		if c.replacement != nil {
			if j := slices.IndexFunc(c.replacement.Projects, func(n inventory.ConnectionProject) bool { return n.ID == q.ID }); j >= 0 {
				out[i].As = cmp.Or(c.replacement.Projects[j].As, c.replacement.Name)
				continue
			}
		}
		out[i].As = cmp.Or(q.As, c.Name) + cmp.Or(p.cfg.Connections.RecreateSuffix, defaultSuffix)
	}
	return out
}

// replacedOtherwise blocks a unit of which an earlier plan has replaced a connection otherwise than this one would: what names the new one already would go on signing in as
// something else than the rest.
func (p *planner) replacedOtherwise(d *draft) *Reason {
	client, name := d.principal()
	for _, c := range d.conns {
		made := c.replacement
		if made == nil || c.already() || p.excludedConnection(c) != nil || c.recreated && made.AppID == client {
			continue
		}
		other := "convert it, too, or leave it"
		if c.recreated {
			other = "have it sign in as " + name
		}
		return &Reason{Code: "connection-replaced", Object: "connection " + c.Name + " (" + c.place() + ")",
			Message: fmt.Sprintf("connection %s was made in its place, which signs in as %s, and this plan would %s", made.OriginName(), made.AppID, other),
			Next: []string{"set plan.targets and plan.connections as they were when it was made, and plan again",
				"or take it back with the plan that made it (unsecret rollback), then scan and plan again"}}
	}
	return nil
}

// holdReplacement holds a connection whose replacement would have a name that is taken.
func (p *planner) holdReplacement(c *connection, hold func(code, message string, next ...string) *Reason) *Reason {
	if !c.recreated {
		return nil
	}
	for _, want := range p.newNames(c) {
		for _, other := range p.inv.Connections {
			if !strings.EqualFold(other.Organization, c.Organization) || other.Replaces == c.ID {
				continue
			}
			for _, q := range other.Projects {
				if q.ID == want.ID && strings.EqualFold(cmp.Or(q.As, other.Name), want.As) {
					return hold("connection-name-taken", fmt.Sprintf("the connection that takes its place would be called %s in project %s, and another one is called so (id %s)", want.As, want.Name, other.ID),
						"set connections.recreateSuffix to another ending and plan again")
				}
			}
		}
	}
	return nil
}

func (c *connection) newStep() string    { return string(StepReplacement) + "/" + string(c.ID) }
func (c *connection) accessStep() string { return string(StepAccess) + "/" + string(c.ID) }

// readyStep is the step after which pipelines can use what they have to name, or need to be able to.
func (c *connection) readyStep() string {
	if c.recreated {
		return c.accessStep()
	}
	return string(StepConnection) + "/" + string(c.ID)
}

// replaced gives the unit's connections in whose place new ones are made.
func replaced(d *draft) []*connection {
	return slices.DeleteFunc(slices.Clone(d.conns), func(c *connection) bool { return c.hold != nil || !c.recreated || c.already() })
}

func (p *planner) replacement(d *draft, c *connection) *ReplacementStep {
	names := p.newNames(c)
	client, _ := d.principal()
	out := &ReplacementStep{Organization: c.Organization, Project: c.Projects[0].ID, ID: c.ID, Name: c.OriginName(), NewName: names[0].As, Projects: names, AppID: client,
		TenantID: cmp.Or(c.TenantID, d.identity.TenantID), Certificate: c.isCertificate(), Automatic: c.automatic(), ByHand: p.byHand(c)}
	if d.target != nil {
		out.Identity = d.target.Resource
	}
	return out
}

// automatic tells whether Azure DevOps gives the application of a connection a new secret when the connection is saved (Microsoft Learn: Troubleshoot Azure Resource
// Manager service connections, "Automatically created service principal client secret is expired").
func (c *connection) automatic() bool { return strings.EqualFold(c.Type, "azurerm") && !c.manual() }

// replacementSteps make new connections: first the connection, since its id is in what it presents, then the trust in that, then all that decides who may use it.
// Only then a text may name it.
func (p *planner) replacementSteps(d *draft) []Step {
	var out []Step
	_, name := d.principal()
	for _, c := range replaced(d) {
		r := p.replacement(d, c)
		facts := p.connectionPrecondition(c)
		title := fmt.Sprintf("make service connection %s in place of %s (%s)", r.NewName, c.OriginName(), c.place())
		if d.target != nil {
			title += ", which signs in as " + name
			if r.AppID != "" {
				facts[FactClient] = string(r.AppID)
			}
		}
		for _, q := range r.Projects {
			facts[NameField(q)] = ""
		}
		out = append(out, Step{ID: c.newStep(), Kind: StepReplacement, Class: OnceOnly, Phase: PhaseApply,
			Title:        title,
			Precondition: facts,
			Undo:         "delete it, when nothing uses it any more",
			Replacement:  r})
		trust := federatedStep(d, inventory.FederatedCredential{Name: strings.ToLower(string(c.ID)) + "-replaced", Audience: subject.Audience,
			Description: fmt.Sprintf("added by unsecret for service connection %s in %s", r.NewName, c.place())})
		trust.Title = fmt.Sprintf("trust what connection %s presents on %s", r.NewName, name)
		trust.DependsOn, trust.FederatedCredential.Replacement = []string{c.newStep()}, r
		out = append(out, trust, Step{ID: c.accessStep(), Kind: StepAccess, Class: Repeatable, Phase: PhaseApply,
			Title:        fmt.Sprintf("give connection %s the permissions, checks and roles of %s, and test it", r.NewName, c.OriginName()),
			DependsOn:    []string{c.newStep(), trust.ID},
			Precondition: map[string]string{},
			Undo:         "they go with the connection",
			Replacement:  r})
	}
	return out
}

// FactClient names, in a precondition, the client id of the managed identity that a new connection signs in as.
const FactClient = "clientId"

// NameField names the name of a new connection in a precondition.
func NameField(q inventory.ConnectionProject) string { return "name " + q.As + " in " + q.Name }

// disableSteps disable the old connections when their credential is gone: nothing is deleted that a rollback needs.
func (p *planner) disableSteps(d *draft, after []string) []Step {
	var out []Step
	for _, c := range replaced(d) {
		r := p.replacement(d, c)
		s := Step{ID: string(StepDisable) + "/" + string(c.ID), Kind: StepDisable, Class: Repeatable, Phase: PhaseRevoke,
			Title:        fmt.Sprintf("disable service connection %s (%s), which %s has replaced", c.OriginName(), c.place(), r.NewName),
			DependsOn:    after,
			Precondition: map[string]string{"scheme": c.Scheme},
			Undo:         "enable it again",
			Replacement:  r}
		if r.Automatic {
			s.Title = fmt.Sprintf("leave it to a person to disable service connection %s (%s), which %s has replaced: saving an automatic one renews its secret", c.OriginName(), c.place(), r.NewName)
			s.Undo = "nothing: it changes nothing"
		}
		out = append(out, s)
	}
	return out
}

// naming is one use that takes the name of a connection from a place.
type naming struct {
	id      inventory.ConnectionID
	project string
}

// nameAll notes which connections each place of a name means, in all pipelines.
func (t pipelineTexts) nameAll(inv *inventory.Inventory) {
	for _, c := range inv.Connections {
		for _, u := range c.PipelineUses {
			for _, text := range u.Texts {
				if text.File != "" {
					key := t.textKey(placeOf(c.Organization, text))
					t.names[key] = appendOnce(t.names[key], naming{c.ID, u.Project})
				}
			}
		}
	}
}

func placeOf(organization string, t inventory.NameText) inventory.PipelinePlace {
	return inventory.PipelinePlace{Organization: organization, Repository: t.Repository, File: t.File, Line: t.Line, Column: t.Column}
}

// rename gives what a pull request writes at a place, or why it cannot.
func (p *planner) rename(c *connection, u inventory.PipelineUse, t inventory.NameText) (repo *inventory.PipelineRepository, to string, why string) {
	place := placeOf(c.Organization, t)
	repo = p.texts.repository(place)
	switch {
	case t.File == "":
		return nil, "", "the name is computed, or its text is read by others, too"
	case repo == nil:
		return nil, "", "its file is not on the default branch of a repository that was read"
	case p.cfg.Connections.Pipelines == ConnectionsReport:
		return nil, "", "connections.pipelines: report leaves it to people"
	}
	if no := p.cannotChange(repo, t.File); no != nil {
		return nil, "", no.Message
	}
	for _, n := range p.texts.names[p.texts.textKey(place)] {
		name := ""
		for _, q := range p.newNames(c) {
			if q.Name == n.project {
				name = q.As
			}
		}
		if n.id != c.ID || name == "" || to != "" && name != to {
			return nil, "", "its text means different connections in different projects or organisations"
		}
		to = name
	}
	return repo, to, ""
}

// renames adds the places where a connection is named to the edits of a unit.
func (p *planner) renames(c *connection, edits []*pipelineEdit) []*pipelineEdit {
	for _, u := range c.PipelineUses {
		for _, t := range u.Texts {
			repo, to, why := p.rename(c, u, t)
			if why != "" {
				continue
			}
			name := p.hostName(repo)
			key := p.texts.textKey(placeOf(c.Organization, t)) + " " + to
			if slices.ContainsFunc(edits, func(e *pipelineEdit) bool { return e.key == key }) {
				continue
			}
			edits = append(edits, &pipelineEdit{repo: repo, name: name, file: t.File, key: key, id: inventory.NewLoginID(name, t.File, t.Line, t.Column),
				rules: []string{pipeline.RuleReplaced}, conns: []inventory.ConnectionID{c.ID}, waits: []string{c.accessStep()}, rename: &pipeline.Rename{From: t.Name, To: to}})
		}
	}
	return edits
}

// byHand are the places that name a connection and that no pull request changes.
func (p *planner) byHand(c *connection) []string {
	var out []string
	for _, u := range c.PipelineUses {
		why := "it is not in the text of a pipeline, but in settings (" + strings.ReplaceAll(u.Source, "-", " ") + ")"
		if u.Source == inventory.UseYAML {
			why = "the name is computed"
		}
		for _, t := range u.Texts {
			if _, _, why = p.rename(c, u, t); why != "" {
				break
			}
		}
		if why == "" {
			continue
		}
		text := u.Text()
		if u.Input != "" {
			text += " (" + u.Input + ")"
		}
		if u.Maybe {
			text += ", if it means this one"
		}
		out = appendOnce(out, text+": "+why)
	}
	return out
}

// namedByHand withhold the credential of connections that are replaced while places name them that only a person can change, or that nobody knows.
func (p *planner) namedByHand(d *draft) []Reason {
	var out []Reason
	for _, c := range replaced(d) {
		object := "connection " + c.OriginName() + " (" + c.place() + ")"
		name := p.newNames(c)[0].As
		if places := p.byHand(c); len(places) > 0 {
			verb := "name"
			if len(places) == 1 {
				verb = "names"
			}
			r := Reason{Code: "connection-named", Object: object, Message: fmt.Sprintf("%s %s it where no pull request can change that", count(len(places), "place"), verb)}
			for i, place := range places {
				if i == mostPlaces {
					r.Next = append(r.Next, fmt.Sprintf("and %d more: unsecret show %s", len(places)-i, c.ID))
					break
				}
				r.Next = append(r.Next, "after apply, let "+name+" be named in "+place)
			}
			r.Next = append(r.Next, "then scan and plan again: only when nothing names "+c.OriginName()+" any more its credential is revoked")
			out = append(out, r)
		}
		if !c.PipelinesKnown && !p.accepted(c, inventory.Concern{Rule: RuleNamesUnknown}) {
			out = append(out, Reason{Code: "connection-names-unknown", Object: object, Message: "not every place that names it is known: not every definition could be read, or some name a connection by an expression",
				Next: []string{"see which (unsecret list gaps), and let " + name + " be named there",
					fmt.Sprintf("then scan and plan again; or accept it with connections.accept: [{rule: %s, connection: %s}]: the sign-in log still has to show that nothing uses its credential", RuleNamesUnknown, c.OriginName())}})
		}
	}
	return out
}

// replacementNote tells a reviewer what becomes of a connection that is replaced.
func (p *planner) replacementNote(d *draft, c *connection, object string) Reason {
	names := p.newNames(c)
	var where []string
	for _, q := range names {
		where = append(where, q.Name+"/"+q.As)
	}
	as, until := "the same application", "the revoke, which disables it"
	if d.target != nil {
		_, as = d.principal()
	}
	if c.automatic() {
		as += " (its creation mode is Manual: Azure DevOps does not look after what it signs in as)"
		until = "the revoke, after which a person disables it"
	}
	return Reason{Code: "connection-recreated", Object: object,
		Message: fmt.Sprintf("a new connection is made in its place (%s), with %s, its pipeline permissions, checks and roles (in its projects, and in the whole organisation as far as Azure DevOps serves those: the status says where a person has to compare them); what it presents is known, and trusted, when it is there. The old one stays as it is until %s; nothing deletes it", strings.Join(where, ", "), as, until)}
}
