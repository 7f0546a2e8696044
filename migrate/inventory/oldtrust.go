package inventory

import (
	"cmp"
	"net/url"
	"path"
	"strings"
)

// OldTrust tells which federated credentials for Azure DevOps' own issuer are left of connections that have moved to Entra's, were deleted or renamed, as
// far as an inventory knows.
type OldTrust struct {
	whole     map[string]bool // organisations, by id, of which all connections were read
	presented map[string]bool // issuer and subject
	possible  map[string]bool // subjects that connections which still hold a secret may present once they are converted
}

// NewOldTrust reads an inventory. Names are compared without case, unlike by Entra, so that what is nearly presented is not taken for left over.
func NewOldTrust(inv *Inventory) OldTrust {
	t := OldTrust{whole: map[string]bool{}, presented: map[string]bool{}, possible: map[string]bool{}}
	for _, s := range inv.Sources {
		if s.Kind == SourceAzureDevOps && s.ID != "" {
			t.whole[strings.ToLower(s.ID)] = readWhole(inv, s)
		}
	}
	for _, c := range inv.Connections {
		t.presented[oldTrustKey(c.Issuer, c.Subject)] = true
		if c.Scheme == SchemeServicePrincipal {
			for _, s := range c.oldSubjects() {
				t.possible[s] = true
			}
		}
	}
	return t
}

// readWhole tells whether every connection of an organisation could be read.
func readWhole(inv *Inventory, s Source) bool {
	for _, c := range inv.Connections {
		if !c.Readable && strings.EqualFold(c.Organization, s.Name) {
			return false
		}
	}
	for _, g := range inv.Gaps { // those of a whole project
		if g.Source == s.Kind && strings.HasPrefix(g.Object, "connections of "+s.Name+"/") {
			return false
		}
	}
	return true
}

func oldTrustKey(issuer, subject string) string { return strings.ToLower(issuer + " " + subject) }

// oldSubjects are the subjects, in small letters, that a connection has with Azure DevOps' own issuer: they name the organisation, the project and the
// connection (Microsoft Learn: "Manually set a workload identity ARM service connection").
func (c Connection) oldSubjects() []string {
	out := []string{}
	for _, p := range c.Projects {
		out = append(out, strings.ToLower("sc://"+c.Organization+"/"+p.Name+"/"+cmp.Or(p.As, c.Name)))
	}
	return out
}

// Of tells whether a federated credential is for Azure DevOps' own issuer and the subject of a connection.
func (OldTrust) Of(fc FederatedCredential) bool {
	return OldDevOpsIssuer(fc.Issuer) && strings.HasPrefix(strings.ToLower(fc.Subject), "sc://")
}

// Presented tells whether a connection presents what a federated credential trusts, or may when it is converted.
func (t OldTrust) Presented(fc FederatedCredential) bool {
	return t.presented[oldTrustKey(fc.Issuer, fc.Subject)] || t.Possible(fc)
}

// Possible tells whether a connection that still holds a secret may present it once it is converted.
func (t OldTrust) Possible(fc FederatedCredential) bool {
	return t.possible[strings.ToLower(fc.Subject)]
}

// Left tells whether it is certain that nothing presents what a federated credential for Azure DevOps' own issuer trusts. Of an organisation that was not
// scanned, or not all of whose connections could be read, nothing is certain.
func (t OldTrust) Left(fc FederatedCredential) bool {
	return OldDevOpsIssuer(fc.Issuer) && t.whole[oldIssuerOrganization(fc.Issuer)] && !t.Presented(fc)
}

// oldIssuerOrganization is the id of the organisation that an issuer of Azure DevOps is of, in small letters.
func oldIssuerOrganization(issuer string) string { return strings.ToLower(path.Base(issuer)) }

// From tells whether the issuer of a federated credential is of an organisation. That of the older host names none: only its subject does.
func (OldTrust) From(fc FederatedCredential, organizationID string) bool {
	u, err := url.Parse(fc.Issuer)
	return strings.EqualFold(oldIssuerOrganization(fc.Issuer), organizationID) || err == nil && strings.EqualFold(u.Hostname(), olderIssuerHost)
}

// Names tells whether the subject of a federated credential for Azure DevOps' own issuer names a connection by what it is called now. No other connection
// has that name in its project.
func (OldTrust) Names(fc FederatedCredential, c Connection) bool {
	for _, s := range c.oldSubjects() {
		if strings.EqualFold(s, fc.Subject) {
			return true
		}
	}
	return false
}
