package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// connectionObject names a connection for a reader.
func connectionObject(c inventory.Connection) string {
	if c.Name == "" {
		return fmt.Sprintf("connection %s in %s", c.ID, c.Organization)
	}
	return fmt.Sprintf("connection %s in %s", c.Name, c.Organization)
}

func isAzureRM(c inventory.Connection) bool { return strings.EqualFold(c.Type, "azurerm") }

func connectionEvidence(c inventory.Connection) []string {
	ev := []string{"id " + string(c.ID), "scheme " + c.Scheme}
	if c.CreationMode != "" {
		ev = append(ev, "creation mode "+c.CreationMode)
	}
	if c.AppID != "" {
		ev = append(ev, "application "+string(c.AppID))
	}
	for _, p := range c.Projects {
		ev = append(ev, "project "+p.Name)
	}
	if last, ok := c.LastUse(); ok {
		ev = append(ev, "last used "+date(last.Finished)+" by "+last.Definition)
	}
	return ev
}

func (e *evaluation) eachConnection(r Rule, broken func(inventory.Connection) (message string, ok bool)) {
	for _, c := range e.inv.Connections {
		if !c.Readable {
			continue
		}
		if m, ok := broken(c); ok {
			e.add(r, Finding{Object: connectionObject(c), Message: m, Evidence: connectionEvidence(c)}, string(c.ID))
		}
	}
}

func connectionSecret(e *evaluation, r Rule) {
	e.connectionStores(r, "a client secret", func(c inventory.Connection) bool { return !strings.EqualFold(c.AuthenticationType, "spnCertificate") })
}

func connectionCertificate(e *evaluation, r Rule) {
	e.connectionStores(r, "a certificate", func(c inventory.Connection) bool { return strings.EqualFold(c.AuthenticationType, "spnCertificate") })
}

// connectionStores finds connections that store a service principal's credential of a kind. What a revoke has left of one in whose place another was made stores
// nothing any more that could sign in.
func (e *evaluation) connectionStores(r Rule, what string, kind func(inventory.Connection) bool) {
	for _, c := range e.inv.Connections {
		if !c.Readable || !c.StoresServicePrincipal() || !kind(c) {
			continue
		}
		f := Finding{Object: connectionObject(c), Evidence: connectionEvidence(c), Message: fmt.Sprintf("%s stores %s of application %s", connectionObject(c), what, orUnknown(string(c.AppID)))}
		if by := e.retired(c); by != "" {
			f.Severity, f.Message = Low, f.Message+", which has none any more: the connection is disabled, and "+by+" was made in its place"
			f.Remedy = []string{"delete it when nobody wants it back any more: a rollback of its unit puts a new password into it"}
		}
		e.add(r, f, string(c.ID))
	}
}

// retired names the connection that was made in place of one that is disabled, and whose application has neither password nor certificate left; empty: it is not so.
func (e *evaluation) retired(c inventory.Connection) string {
	app, known := e.inv.IdentityOf(c.AppID)
	if !c.Disabled || !known || len(e.inv.Identity(app).Credentials) > 0 {
		return ""
	}
	for _, made := range e.inv.Connections {
		if made.Replaces == c.ID && strings.EqualFold(made.Organization, c.Organization) {
			return made.Name
		}
	}
	return ""
}

func connectionOldIssuer(e *evaluation, r Rule) {
	kept := e.inv.OldIssuerKept()
	for _, c := range e.inv.Connections {
		if !c.Readable || !strings.EqualFold(c.Scheme, inventory.SchemeFederation) || !inventory.OldDevOpsIssuer(c.Issuer) {
			continue
		}
		f := Finding{Object: connectionObject(c), Evidence: connectionEvidence(c), Message: fmt.Sprintf("%s federates with the issuer %s, which retires on 2027-07-01", connectionObject(c), c.Issuer)}
		if why := kept(c); why != "" {
			f.Severity, f.Message = Info, fmt.Sprintf("%s federates with the issuer %s, and is excluded from its retirement: %s", connectionObject(c), c.Issuer, why)
			f.Remedy = []string{"nothing is to be done for now; Entra's issuer cannot take its place as it is"}
		}
		e.add(r, f, string(c.ID))
	}
}

// otherCredentials are the classes of connection whose credential signs in to Azure, to a registry or to a cluster, and is no service principal's. Those of the
// other classes sign in to another service, or nothing tells to what.
var otherCredentials = []inventory.ConnectionClass{inventory.ClassPublishProfile, inventory.ClassAzureOther, inventory.ClassAzureClassic, inventory.ClassRegistryAdmin, inventory.ClassRegistryOther,
	inventory.ClassKubernetesToken, inventory.ClassKubernetesConfig, inventory.ClassKubernetesAzure}

func connectionOther(e *evaluation, r Rule) {
	for _, c := range e.inv.Connections {
		if class, _ := inventory.ClassifyConnection(c); slices.Contains(otherCredentials, class) {
			e.addStored(r, c, r.Severity, storedText(c, class))
		}
	}
}

func connectionService(e *evaluation, r Rule) {
	for _, c := range e.inv.Connections {
		class, _ := inventory.ClassifyConnection(c)
		if !c.StoresOther() || slices.Contains(otherCredentials, class) {
			continue
		}
		severity := r.Severity
		if class == inventory.ClassGeneric || strings.HasPrefix(strings.ToLower(c.Type), "azure") { // such as AzureServiceBus
			severity = Medium
		}
		e.addStored(r, c, severity, storedText(c, class))
	}
}

// addStored adds a finding about a credential that no step takes away, with what a person does about one of its kind.
func (e *evaluation) addStored(r Rule, c inventory.Connection, severity Severity, stored string) {
	e.add(r, Finding{Object: connectionObject(c), Severity: severity, Message: fmt.Sprintf("%s (type %s) %s", connectionObject(c), c.Type, stored),
		Evidence: connectionEvidence(c), Remedy: c.Steps()}, string(c.ID))
}

// storedText says what a connection stores, as far as its type and scheme tell.
func storedText(c inventory.Connection, class inventory.ConnectionClass) string {
	switch class {
	case inventory.ClassGitHubToken:
		return "stores a personal access token of GitHub"
	case inventory.ClassGitHubApp:
		return "stores a person's authorization for GitHub"
	case inventory.ClassGeneric:
		return "stores a user and password, which can be a service principal's"
	case inventory.ClassOtherUnknownScheme, inventory.ClassAzureOther:
		return fmt.Sprintf("may store a credential: nothing is known of its scheme %s", orUnknown(c.Scheme))
	}
	return "stores a credential with the scheme " + c.Scheme
}

func connectionDisabled(e *evaluation, r Rule) {
	e.eachConnection(r, func(c inventory.Connection) (string, bool) {
		return connectionObject(c) + " is disabled", c.Disabled
	})
}

func connectionNotReady(e *evaluation, r Rule) {
	e.eachConnection(r, func(c inventory.Connection) (string, bool) {
		m := connectionObject(c) + " is not ready"
		if said := c.StateText(); said != "" {
			m += ": " + said
		}
		return m, !c.Ready
	})
}

func connectionOutdated(e *evaluation, r Rule) {
	e.eachConnection(r, func(c inventory.Connection) (string, bool) {
		return connectionObject(c) + " is marked as outdated", c.Outdated
	})
}

func connectionNamed(e *evaluation, r Rule) {
	e.eachConnection(r, func(c inventory.Connection) (string, bool) {
		return fmt.Sprintf("%s presents the subject %s, which renaming the project or the connection changes", connectionObject(c), c.Subject),
			strings.EqualFold(c.Scheme, inventory.SchemeFederation) && strings.HasPrefix(c.Subject, "sc://")
	})
}

func connectionTerraform(e *evaluation, r Rule) {
	for _, c := range e.inv.Connections {
		made := e.inv.TerraformOfConnection(c)
		next := inventory.TerraformChange(c, made...)
		if !c.Readable || !c.Terraform && len(made) == 0 || next == nil || !c.StoresServicePrincipal() {
			continue
		}
		e.add(r, Finding{Object: connectionObject(c), Message: connectionObject(c) + " is managed by Terraform, which would replace it after a conversion",
			Evidence: append(connectionEvidence(c), next...)}, string(c.ID))
	}
}

func connectionUnused(e *evaluation, r Rule) {
	limit := time.Duration(e.c.UnusedDays) * 24 * time.Hour
	for _, c := range e.inv.Connections {
		if !c.Readable || !c.UsesKnown || !isAzureRM(c) {
			continue
		}
		last, finished := c.LastUse()
		idle := connectionObject(c) + " has no entry in its execution history"
		switch age := e.now.Sub(last.Finished); {
		case len(c.Uses) == 0:
		case !finished, age <= limit: // without an end: in use right now, for the first time
			continue
		default:
			idle = fmt.Sprintf("%s was last used %d days ago", connectionObject(c), days(age))
		}
		f := Finding{Object: connectionObject(c), Message: idle, Evidence: connectionEvidence(c)}
		e.keepNamed(c, &f)
		e.add(r, f, string(c.ID))
	}
}

// keepNamed takes the advice to delete an idle connection back where a definition names it, or may name it: what runs once in a year would fail then.
func (e *evaluation) keepNamed(c inventory.Connection, f *Finding) {
	pipelines := c.NamedBy()
	switch {
	case len(pipelines) > 0:
		f.Message = fmt.Sprintf("%s is named by %s but not run in %d days: %s", connectionObject(c), namedText(pipelines), e.c.UnusedDays, idleSince(c))
		for _, p := range pipelines {
			f.Evidence = append(f.Evidence, "named by "+p)
		}
		f.Remedy = []string{
			"do not delete it while it is named: ask the owners of " + namedText(pipelines) + " whether that is still needed",
			"if it is, migrate the connection with the rest; if it is not, remove what names it first, then scan again",
		}
	case !c.PipelinesKnown:
		f.Message += ", and not every definition that may name it could be read"
		f.Remedy = []string{"do not delete it yet: let the scan read what unsecret list gaps names, and name connections in pipelines without expressions, then scan again"}
	}
}

func idleSince(c inventory.Connection) string {
	last, finished := c.LastUse()
	if !finished {
		return "its execution history has no entry"
	}
	return "it last ran on " + date(last.Finished)
}

// namedText names one pipeline, and counts the others.
func namedText(pipelines []string) string {
	if len(pipelines) == 1 {
		return pipelines[0]
	}
	return fmt.Sprintf("%s and %d more", pipelines[0], len(pipelines)-1)
}

func orUnknown(s string) string {
	if s == "" {
		return "(not known)"
	}
	return s
}
