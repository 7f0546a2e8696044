package plan

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// ConnectionRules are what a person decides about service connections. The zero value is usable.
type ConnectionRules struct {
	// UnusedDays is how long nothing may have used a connection before it is left alone, to be deleted; default 90, below 0: it is migrated all the same.
	UnusedDays int `yaml:"unusedDays" json:"unusedDays,omitempty"`
	// Certificates says what becomes of connections with a certificate: convert (default) or leave. The service does not say whether it converts them;
	// it changes nothing where it refuses.
	Certificates string `yaml:"certificates" json:"certificates,omitempty"`
	// Registry says what becomes of connections to an Azure registry with a service principal: report (default), convert or recreate. The service does not say
	// whether it converts them; it changes nothing where it refuses. recreate makes a new connection for each, and lets the pipelines name that.
	Registry string `yaml:"registry" json:"registry,omitempty"`
	// Identity says what becomes of the connections of a unit that moves to a managed identity (Config.Targets): report (default) lists how a person replaces them;
	// recreate makes a new connection for each, which signs in as that identity, and lets the pipelines name it.
	Identity string `yaml:"identity" json:"identity,omitempty"`
	// RecreateSuffix ends the name of a connection that is made in place of another one; default "-wif".
	RecreateSuffix string `yaml:"recreateSuffix" json:"recreateSuffix,omitempty"`
	// Issuer says what becomes of connections on the issuer that retires: move (default) or report.
	Issuer string `yaml:"issuer" json:"issuer,omitempty"`
	// Pipelines says what becomes of YAML pipelines that would fail on a converted connection: rewrite (default) changes those by pull request whose
	// new text works before the conversion, too; interrupt also those whose new text works only afterwards, so that they fail between the
	// conversion and the merge; report leaves all of them to people.
	Pipelines string `yaml:"pipelines" json:"pipelines,omitempty"`
	// Accept are concerns about pipelines that a person has looked at and that do not hold a connection any more.
	Accept []AcceptedConcern `yaml:"accept" json:"accept,omitempty"`
}

// AcceptedConcern accepts what a rule says against converting. Fields that are given must match.
type AcceptedConcern struct {
	Rule       string `yaml:"rule" json:"rule"`
	Connection string `yaml:"connection" json:"connection,omitempty"` // id, or a glob of its name
	Pipeline   string `yaml:"pipeline" json:"pipeline,omitempty"`     // a glob of PROJECT/NAME
	Reason     string `yaml:"reason" json:"reason,omitempty"`
}

// Values of ConnectionRules.
const (
	ConnectionsConvert  = "convert"
	ConnectionsLeave    = "leave"
	ConnectionsReport   = "report"
	ConnectionsMove     = "move"
	ConnectionsRecreate = "recreate"
	PipelinesRewrite    = "rewrite"
	PipelinesInterrupt  = "interrupt"
)

// DefaultUnusedDays is how long a connection may be idle. Azure DevOps itself disables connections that were not used for 100 days
// (Azure DevOps release notes, sprint 276).
const DefaultUnusedDays = 90

func (r ConnectionRules) validate() error {
	for _, err := range []error{
		oneOf("certificates", r.Certificates, "", ConnectionsConvert, ConnectionsLeave),
		oneOf("registry", r.Registry, "", ConnectionsReport, ConnectionsConvert, ConnectionsRecreate),
		oneOf("identity", r.Identity, "", ConnectionsReport, ConnectionsRecreate),
		oneOf("issuer", r.Issuer, "", ConnectionsMove, ConnectionsReport),
		oneOf("pipelines", r.Pipelines, "", PipelinesRewrite, PipelinesInterrupt, ConnectionsReport),
	} {
		if err != nil {
			return err
		}
	}
	if r.RecreateSuffix != "" && !nameSuffix().MatchString(r.RecreateSuffix) {
		return fmt.Errorf("recreateSuffix: %q is not of at most 40 letters, digits, dashes, dots and underscores", r.RecreateSuffix)
	}
	for i, a := range r.Accept {
		if a.Rule == "" {
			return fmt.Errorf("accept[%d]: rule is missing: give the rule of the concern that was looked at", i)
		}
		for _, g := range []string{a.Connection, a.Pipeline} {
			if _, err := path.Match(g, ""); err != nil {
				return fmt.Errorf("accept[%d]: pattern %q: %w", i, g, err)
			}
		}
	}
	return nil
}

var nameSuffix = lazy.Regexp(`^[A-Za-z0-9._-]{1,40}$`)

// registries tells whether connections to registries take part.
func (r ConnectionRules) registries() bool {
	return r.Registry == ConnectionsConvert || r.Registry == ConnectionsRecreate
}

func (a AcceptedConcern) accepts(c *inventory.Connection, n inventory.Concern) bool {
	connection := a.Connection == "" || strings.EqualFold(a.Connection, string(c.ID)) || matches(a.Connection, c.Name)
	return a.Rule == n.Rule && connection && (a.Pipeline == "" || matches(a.Pipeline, n.Project+"/"+n.Pipeline))
}

// isRegistry tells whether a connection signs in to an Azure registry as a service principal.
func (c *connection) isRegistry() bool {
	return strings.EqualFold(c.Type, "dockerregistry") && c.Scheme == inventory.SchemeServicePrincipal
}

// isCertificate tells whether a connection signs in with a certificate.
func (c *connection) isCertificate() bool {
	return c.Scheme == inventory.SchemeServicePrincipal && strings.EqualFold(c.AuthenticationType, "spnCertificate")
}

// holdByUse holds a connection that nothing uses, and one whose pipelines would fail.
func (p *planner) holdByUse(c *connection, hold func(code, message string, next ...string) *Reason) *Reason {
	if days := p.unusedDays(); days >= 0 && c.replacement == nil {
		if unused, known := c.Unused(p.latestUse(), time.Duration(days)*24*time.Hour); unused && known {
			return hold("unused", fmt.Sprintf("delete it, do not migrate it: %s, and no pipeline that was read names it", idleText(c.Connection)),
				"ask the owners of "+c.place()+", then delete the connection", "if it is needed all the same, set connections.unusedDays: -1 and plan again")
		}
	}
	return p.holdByConcern(c, hold)
}

// latestUse is the newest use of any connection. Idle times count up to it rather than to the time of the scan, so that the same world gives the
// same plan.
func (p *planner) latestUse() time.Time {
	var latest time.Time
	for _, c := range p.inv.Connections {
		if last, ended := c.LastUse(); ended && last.Finished.After(latest) {
			latest = last.Finished
		}
	}
	return latest
}

func (p *planner) unusedDays() int {
	return cmp.Or(p.cfg.Connections.UnusedDays, DefaultUnusedDays)
}

// idleText names a date rather than a number of days, which would make another plan every day.
func idleText(c *inventory.Connection) string {
	last, ended := c.LastUse()
	if !ended {
		return "its history shows no use"
	}
	return "its last use was on " + last.Finished.UTC().Format("2006-01-02")
}

// holdByConcern holds a connection while a pipeline that uses it would fail after the conversion. Microsoft's own Convert does not look
// at that (azure-pipelines-tasks: docs/service-connections/azure-oidc/troubleshooting.md).
func (p *planner) holdByConcern(c *connection, hold func(code, message string, next ...string) *Reason) *Reason {
	blockers := slices.DeleteFunc(p.concerns(c), func(n inventory.Concern) bool { return p.cannotRewrite(c, n) == nil })
	if len(blockers) == 0 {
		return nil
	}
	first := blockers[0]
	message := fmt.Sprintf("%s would fail after the conversion: %s%s", first.Text(), first.Message, taskText(first))
	if n := len(blockers) - 1; n > 0 {
		message += fmt.Sprintf(" (and %s more)", count(n, "place"))
	}
	var next []string
	for _, n := range blockers {
		step := fmt.Sprintf("in %s: %s", n.Text(), n.Remedy)
		if why := p.cannotRewrite(c, n); why.Message != "" {
			step = fmt.Sprintf("in %s: %s: %s; or %s", n.Text(), why.Message, why.Next[0], n.Remedy)
		}
		if len(next) < 10 && !slices.Contains(next, step) {
			next = append(next, step)
		}
	}
	next = append(next, fmt.Sprintf("then scan and plan again; or accept it with connections.accept: [{rule: %s, connection: %s}]", first.Rule, c.Name))
	return hold("pipeline-incompatible", message, next...)
}

func taskText(n inventory.Concern) string {
	if n.Task == "" {
		return ""
	}
	return " (" + n.Task + ")"
}

func (p *planner) accepted(c *connection, n inventory.Concern) bool {
	return slices.ContainsFunc(p.cfg.Connections.Accept, func(a AcceptedConcern) bool { return a.accepts(c.Connection, n) })
}

// pipelineSecrets withhold the secret of an identity that pipelines of Azure DevOps use outside of a connection: they would fail without it.
func (p *planner) pipelineSecrets(d *draft) []Reason {
	var out []Reason
	seen := map[string]bool{}
	for _, s := range p.inv.PipelineSecrets {
		key := s.Name + "|" + s.Organization + "|" + s.Project + "|" + s.Pipeline
		if s.AppID == "" || !strings.EqualFold(string(s.AppID), string(d.unit.AppID)) || seen[key] {
			continue
		}
		seen[key] = true
		out = append(out, Reason{Code: "pipeline-secret", Object: s.Name + " in " + s.Text(),
			Message: fmt.Sprintf("%s in %s/%s/%s: %s, and the client id beside it is this identity's", s.Name, s.Organization, s.Project, s.Pipeline, s.Reason),
			Next:    p.inv.SecretSteps(s)})
	}
	return out
}

// connectionNotes tell a reviewer what to look at before the unit's connections are converted.
func (p *planner) connectionNotes(d *draft) []Reason {
	var out []Reason
	for _, c := range d.conns {
		if c.hold != nil || c.already() {
			continue
		}
		object := "connection " + c.Name + " (" + c.place() + ")"
		if c.Shared {
			out = append(out, Reason{Code: "shared-connection", Object: object, Message: fmt.Sprintf("%d projects share it, and it changes for all of them at once: %s", len(c.Projects), strings.Join(projectNames(c), ", ")), Next: consumers(c)})
		}
		if c.isCertificate() {
			message := "it signs in with a certificate: the conversion keeps it for seven days only, and a rollback after that gives the connection a new password instead"
			if c.recreated {
				message = "it signs in with a certificate, which it keeps: a rollback writes the public part of that back, or gives the connection a new password where that cannot be"
			}
			out = append(out, Reason{Code: "certificate-connection", Object: object,
				Message: message,
				Next:    []string{"revoke removes the certificates of the application by writing back the others, one after the other; exclude one by its key id (exclude: [{credential: KEYID}]) if something else needs it"}})
		}
		if c.recreated {
			out = append(out, p.replacementNote(d, c, object))
		} else if c.isRegistry() {
			out = append(out, Reason{Code: "registry-connection", Object: object,
				Message: "nothing public says whether the service converts connections to registries; where it refuses, it changes nothing and its words are reported"})
		}
		if r := p.terraformConnection(d, c, object); r != nil {
			out = append(out, *r)
		}
		out = append(out, p.concernNotes(c, object)...)
	}
	return out
}

// terraformConnection tells of a connection that Terraform makes what its next apply would do.
func (p *planner) terraformConnection(d *draft, c *connection, object string) *Reason {
	made := p.inv.TerraformOfConnection(*c.Connection)
	next := inventory.TerraformChange(*c.Connection, made...)
	if !c.Terraform && len(made) == 0 || next == nil {
		return nil
	}
	because := "its description says that Terraform manages it"
	if len(made) > 0 {
		because = made[0].Address() + " in " + made[0].Place() + " makes a connection of this name"
	}
	if d.target != nil && c.recreated {
		return &Reason{Code: "terraform-managed", Object: object,
			Message: because + ": after the revoke a terraform apply may enable it again, or make it anew; and the new connection is in no state of Terraform",
			Next:    inventory.TerraformReplacement(*c.Connection, p.newNames(c)[0].As, p.clientID(d.unit.AppID), made...)}
	}
	return &Reason{Code: "terraform-managed", Object: object,
		Message: because + ": after the conversion the next terraform apply would replace it by a new connection with another id, unless its resource is changed", Next: next}
}

// terraformNotes tell of the secrets and passwords of a unit that Terraform code makes: an apply after the revoke would bring them back.
func (p *planner) terraformNotes(d *draft, secrets []inventory.StoreRef) []Reason {
	var out []Reason
	add := func(object string, made []inventory.TerraformResource) {
		for _, r := range made {
			out = append(out, Reason{Code: "terraform-managed", Object: object, Message: fmt.Sprintf("%s in %s makes it: the next terraform apply after the revoke would bring it back", r.Address(), r.Place()),
				Next: []string{"take the resource out of " + r.Place() + ", with what reads it, and merge that before the revoke; or have it forgotten with a removed block and lifecycle { destroy = false }"}})
		}
	}
	for _, s := range secrets {
		add("secret "+s.Name, p.inv.TerraformOfSecret(s))
	}
	if d.identity != nil {
		add("password of application "+d.identity.DisplayName, p.inv.TerraformOfPasswords(d.identity.DisplayName))
	}
	return out
}

// concernNotes are the warnings, and the blockers that were accepted; one for each rule and pipeline.
func (p *planner) concernNotes(c *connection, object string) []Reason {
	var out []Reason
	seen := map[string]bool{}
	for _, n := range c.Concerns {
		key := n.Rule + "|" + n.Project + "|" + n.Pipeline
		if n.Disabled || seen[key] {
			continue
		}
		seen[key] = true
		r := Reason{Code: "pipeline-" + n.Severity, Object: object, Message: fmt.Sprintf("%s: %s%s", n.Text(), n.Message, taskText(n))}
		if n.Remedy != "" {
			r.Next = []string{n.Remedy}
		}
		switch {
		case n.Severity == inventory.ConcernBlocker && !n.Maybe && !p.accepted(c, n) && p.cannotRewrite(c, n) == nil:
			r.Code, r.Message = "pipeline-rewritten", r.Message+p.rewrittenText(c, n)
		case n.Severity == inventory.ConcernBlocker:
			r.Code, r.Message = "pipeline-accepted", r.Message+"; the configuration accepts it"
		}
		out = append(out, r)
	}
	return out
}
