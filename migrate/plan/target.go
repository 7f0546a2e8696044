package plan

import (
	"errors"
	"fmt"
	"path"

	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// TargetManagedIdentity is the kind of a target: a user-assigned managed identity.
const TargetManagedIdentity = "managedIdentity"

// TargetRule gives the units that it matches another identity to sign in as than their application. The first rule that matches decides;
// a unit that none matches keeps its application.
type TargetRule struct {
	Kind string `yaml:"kind" json:"kind"` // managedIdentity
	// Which units: any of these, as in a Rule.
	AppIDs        []inventory.AppID `yaml:"appIds" json:"appIds,omitempty"`
	Environments  []string          `yaml:"environments" json:"environments,omitempty"`
	Repositories  []string          `yaml:"repositories" json:"repositories,omitempty"`
	Connections   []string          `yaml:"connections" json:"connections,omitempty"`
	Subscriptions []string          `yaml:"subscriptions" json:"subscriptions,omitempty"`
	Tags          []string          `yaml:"tags" json:"tags,omitempty"`
	// Which identity. {app} in its name stands for the application's name, so that one rule gives each unit one of its own.
	Name          string                   `yaml:"name" json:"name"`
	Subscription  inventory.SubscriptionID `yaml:"subscription" json:"subscription"`
	ResourceGroup string                   `yaml:"resourceGroup" json:"resourceGroup"`
	Location      string                   `yaml:"location" json:"location,omitempty"` // where it is created, if it is not there; empty: it must be there
	// AcceptOtherGrants says that a person has seen to what the application has besides Azure roles.
	AcceptOtherGrants bool `yaml:"acceptOtherGrants" json:"acceptOtherGrants,omitempty"`
}

func (t TargetRule) rule() Rule {
	return Rule{Environments: t.Environments, Repositories: t.Repositories, Connections: t.Connections, Subscriptions: t.Subscriptions, Tags: t.Tags}
}

// identityName is what Azure takes as the name of a managed identity (Microsoft Learn: Naming rules and restrictions for Azure resources).
var identityName = lazy.Regexp(`^[a-zA-Z0-9][a-zA-Z0-9-_]{2,127}$`)

func (t TargetRule) validate() error {
	switch {
	case t.Kind != TargetManagedIdentity:
		return fmt.Errorf("kind: %q is not %s", t.Kind, TargetManagedIdentity)
	case t.rule().empty() && len(t.AppIDs) == 0:
		return errors.New("it matches nothing: give appIds, environments, repositories, connections, subscriptions or tags")
	case !identityName().MatchString(strings.ReplaceAll(t.Name, "{app}", "app")):
		return fmt.Errorf("name: %q cannot be the name of a managed identity", t.Name)
	case !inventory.IsGUID(string(t.Subscription)):
		return fmt.Errorf("subscription: %q is not a subscription id", t.Subscription)
	case t.ResourceGroup == "" || strings.ContainsAny(t.ResourceGroup, "/'?#"):
		return fmt.Errorf("resourceGroup: %q is not the name of a resource group", t.ResourceGroup)
	}
	return t.rule().validate()
}

// TargetNames are globs of the names of all managed identities that units may be moved to, for the scan.
func (c Config) TargetNames() []string {
	var out []string
	for _, t := range c.Targets {
		out = append(out, strings.ReplaceAll(t.Name, "{app}", "*"))
	}
	return out
}

// Target is the identity that a unit signs in as when it is migrated, where that is not its application.
type Target struct {
	Kind        string             `json:"kind"`
	Resource    string             `json:"resource"` // ARM id
	Name        string             `json:"name"`
	Location    string             `json:"location,omitempty"`
	Create      bool               `json:"create,omitempty"`   // it is not there yet
	ClientID    inventory.AppID    `json:"clientId,omitempty"` // empty: known when it is created
	PrincipalID inventory.ObjectID `json:"principalId,omitempty"`
	From        inventory.ObjectID `json:"from"` // service principal of the application, whose roles it gets
}

// target finds what a unit is moved to. A problem blocks the unit.
func (p *planner) target(d *draft) (*target, *Reason) {
	i := slices.IndexFunc(p.cfg.Targets, func(t TargetRule) bool {
		_, matched := p.matchesRule(d, t.rule())
		return matched || slices.ContainsFunc(t.AppIDs, func(a inventory.AppID) bool { return lower(a) == d.unit.AppID })
	})
	if i < 0 || d.identity == nil {
		return nil, nil
	}
	rule := p.cfg.Targets[i]
	name := strings.ReplaceAll(rule.Name, "{app}", slug(d.identity.DisplayName, 60))
	t := &target{rule: rule, Target: Target{Kind: rule.Kind, Name: name, Location: rule.Location, From: d.identity.ServicePrincipalID,
		Resource: "/subscriptions/" + strings.ToLower(string(rule.Subscription)) + "/resourceGroups/" + rule.ResourceGroup + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + name}}
	for j := range p.inv.ManagedIdentities {
		if m := &p.inv.ManagedIdentities[j]; strings.EqualFold(m.Resource, t.Resource) {
			t.found = m
			t.Resource, t.Location, t.ClientID, t.PrincipalID = m.Resource, m.Location, lower(m.ClientID), m.PrincipalID
		}
	}
	t.Create = t.found == nil
	return t, p.targetProblem(d, t)
}

// target is a Target on its way into a unit.
type target struct {
	Target

	rule  TargetRule
	found *inventory.ManagedIdentity
}

// targetProblem tells why a unit cannot be moved to another identity.
func (p *planner) targetProblem(d *draft, t *target) *Reason {
	problem := func(code, message string, next ...string) *Reason {
		return &Reason{Code: code, Object: d.unit.Title, Message: message, Next: next}
	}
	id := d.identity
	tenant := p.tenantOf(t)
	switch {
	case t.found == nil && t.rule.Location == "":
		return problem("target-missing", fmt.Sprintf("managed identity %s is not in the inventory, and plan.targets[].location does not say where to create it", t.Name),
			"scan with this configuration, so that it is read", "or give location, so that it is created")
	case tenant == "":
		return problem("target-subscription", fmt.Sprintf("subscription %s of managed identity %s was not read, so that its tenant is not known", t.rule.Subscription, t.Name),
			"let the scan read the subscription (Reader), then scan with this configuration and plan again")
	case !strings.EqualFold(string(tenant), string(id.TenantID)):
		return problem("target-other-tenant", fmt.Sprintf("managed identity %s is in tenant %s, and the application in %s: roles do not go across tenants", t.Name, tenant, id.TenantID),
			"choose a subscription of the application's tenant")
	case id.SeveralTenants():
		return problem("target-multi-tenant", "the application signs in to other tenants, too ("+id.SignInAudience+"), and a managed identity cannot",
			"keep the application for this unit: take it out of plan.targets")
	case id.ServicePrincipalID == "" || !id.RolesKnown:
		return problem("target-roles", "which Azure roles the application has could not be read, so that they cannot be copied", "let the scan read role assignments (Reader), then scan and plan again")
	case slices.ContainsFunc(id.Roles, func(r inventory.RoleAssignment) bool { return r.Definition == "" }):
		return problem("target-roles", "the inventory was made by an older version: it has no role definitions", "scan again")
	}
	return p.otherGrants(d, t, problem)
}

func (p *planner) tenantOf(t *target) inventory.TenantID {
	if t.found != nil {
		return t.found.TenantID
	}
	for _, s := range p.inv.Subscriptions {
		if strings.EqualFold(string(s.ID), string(t.rule.Subscription)) {
			return s.TenantID
		}
	}
	return ""
}

// otherGrants holds units whose application has what does not follow to another identity, until a person says that it is seen to.
func (p *planner) otherGrants(d *draft, t *target, problem func(code, message string, next ...string) *Reason) *Reason {
	g := d.identity.Grants
	accept := "when that is seen to, set acceptOtherGrants: true in the rule of plan.targets and plan again"
	switch {
	case t.rule.AcceptOtherGrants:
		return nil
	case g == nil || !g.Known:
		why := "the scan did not read it"
		if g != nil {
			why = g.Reason
		}
		return problem("target-grants-unknown", "what the application has besides Azure roles is not known (application permissions, groups, Entra roles, owned objects, access policies of key vaults): "+why,
			"scan with this configuration (Application.Read.All, and Reader for key vaults), or look it up by hand", accept)
	case len(g.List()) > 0:
		next := []string{}
		for _, x := range g.List() {
			next = append(next, "give managed identity "+t.Name+" what it needs in the place of: "+x)
		}
		return problem("target-grants", fmt.Sprintf("the application has %s besides its Azure roles, which do not follow to a managed identity by themselves", count(len(g.List()), "grant")), append(next, accept)...)
	}
	return nil
}

// shareTargets blocks units that would end up with one identity: each would get the other's roles.
func (p *planner) shareTargets() {
	users := map[string][]*draft{}
	for _, d := range p.sorted() {
		if d.target != nil {
			key := strings.ToLower(d.target.Resource)
			users[key] = append(users[key], d)
		}
	}
	for _, drafts := range users {
		for _, d := range drafts {
			if len(drafts) > 1 && d.targetProblem == nil {
				d.targetProblem = &Reason{Code: "target-shared", Object: d.unit.Title,
					Message: fmt.Sprintf("%s would sign in as managed identity %s, so that each would get the roles of the others", count(len(drafts), "application"), d.target.Name),
					Next:    []string{"write {app} into its name in plan.targets, or give each application a rule of its own"}}
			}
		}
	}
}

// holdTargetLogin holds a login that names its application itself: a rewrite leaves what it says, and it would go on signing in as that.
func (p *planner) holdTargetLogin(m *member) *Reason {
	for _, app := range m.apps() {
		d := p.drafts[app]
		if d.target == nil || m.login.Identity.ClientID == "" {
			continue
		}
		return &Reason{Code: "target-named-in-text", Object: string(m.login.ID),
			Message: fmt.Sprintf("%s names its application itself (%s), and unit %s moves to managed identity %s", m.login.ID, m.login.Identity.ClientID, d.unit.ID, d.target.Name),
			Next:    []string{"put the identity's client id in its place by hand, when the identity has the roles", "or keep the application: take the unit out of plan.targets"}}
	}
	return nil
}

// holdTargetConnection leaves a connection to a person where the configuration does not say that a new one is made in its place: the conversion of Azure DevOps keeps the
// application, and that a connection takes another client id afterwards is not documented.
func (p *planner) holdTargetConnection(d *draft, c *connection, hold func(code, message string, next ...string) *Reason) *Reason {
	if d.target == nil || c.recreated {
		return nil
	}
	t := d.target
	client := string(t.ClientID)
	if client == "" {
		client = "of managed identity " + t.Name + " (apply makes it, and az identity show --ids " + t.Resource + " shows it)"
	}
	how := "Azure Resource Manager, identity type app registration or managed identity (manual), subscription " + string(c.SubscriptionID)
	if c.isRegistry() {
		how = registryByHand(c)
	}
	next := p.replaceByHand(c, how, client, d.identity.TenantID, func(s subject.Subject) string {
		return fmt.Sprintf("let managed identity %s trust it: az identity federated-credential create --identity-name %s --resource-group %s --subscription %s --name %s --issuer %s --subject %s --audiences %s",
			t.Name, t.Name, t.rule.ResourceGroup, t.rule.Subscription, newConnectionID, s.Issuer, s.Value, s.Audience)
	})
	return hold("target-connection", fmt.Sprintf("its unit moves to managed identity %s, and a conversion keeps the application: no documented call gives a connection another identity", t.Name),
		append(append([]string{"set connections.identity: recreate and plan again: a new connection is made in its place, with its permissions, checks and roles, and pull requests let the pipelines name it; or do by hand:"}, next...),
			"or keep the application: take the unit out of plan.targets")...)
}

// clientIDMark stands for the client id of a managed identity that is not there yet, followed by its resource id.
const clientIDMark = "client id of "

// clientID is what the logins of an application present when they are migrated.
func (p *planner) clientID(app inventory.AppID) string {
	d := p.drafts[app]
	switch {
	case d == nil || d.target == nil:
		return string(app)
	case d.target.ClientID != "":
		return string(d.target.ClientID)
	}
	return clientIDMark + d.target.Resource
}

// trusting are the federated credentials that exist on what the unit will sign in as.
func (d *draft) trusting() []inventory.FederatedCredential {
	switch {
	case d.target == nil:
		return d.identity.FederatedCredentials
	case d.target.found != nil:
		return d.target.found.FederatedCredentials
	}
	return nil
}

// extraRoles are what an existing target has beyond the application: its pipelines will be able to do more.
func (d *draft) extraRoles() []inventory.RoleAssignment {
	if d.target == nil || d.target.found == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.target.found.Roles), func(r inventory.RoleAssignment) bool {
		return slices.ContainsFunc(d.identity.Roles, func(o inventory.RoleAssignment) bool { return inventory.SameRole(r, o) })
	})
}

// staysFederated are the connections that sign in as a unit's application by federation already: they are no part of the unit.
func (p *planner) staysFederated(d *draft) []string {
	var out []string
	for i := range p.inv.Connections {
		if c := (&connection{Connection: &p.inv.Connections[i]}); c.AppID == d.unit.AppID && c.already() {
			out = append(out, "connection "+c.OriginName()+" ("+c.place()+")")
		}
	}
	return out
}

// targetNotes tell a reviewer what a move to another identity brings.
func (p *planner) targetNotes(d *draft) []Reason {
	var out []Reason
	for _, r := range d.extraRoles() {
		out = append(out, Reason{Code: "target-more-roles", Object: d.unit.Title,
			Message: fmt.Sprintf("managed identity %s is %s of %s, which the application is not: its pipelines will be able to do more than before", d.target.Name, r.Role, r.Scope)})
	}
	if n := p.staysFederated(d); d.target != nil && len(n) > 0 {
		out = append(out, Reason{Code: "target-application-stays", Object: d.unit.Title,
			Message: fmt.Sprintf("the application has to stay, with its roles: without a secret already, and not moved, %s signs in as it", strings.Join(n, ", "))})
	}
	if d.target != nil && d.target.rule.AcceptOtherGrants && d.identity.Grants != nil && len(d.identity.Grants.List()) > 0 {
		out = append(out, Reason{Code: "target-grants", Object: d.unit.Title,
			Message: "acceptOtherGrants says that these are seen to: " + strings.Join(d.identity.Grants.List(), ", ")})
	}
	return out
}

// RoleStepName is a role's part of a step id.
func roleStepName(r inventory.RoleAssignment) string {
	return strings.Trim(strings.ToLower(r.Scope), "/") + "/" + strings.ToLower(path.Base(r.Definition))
}
