package policy

import (
	"fmt"
	"path"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// flexibleSubject finds what a flexible federated credential asks of the subject
// (Microsoft Learn: "Flexible federated identity credentials", the language's operators eq and matches).
var flexibleSubject = lazy.Regexp(`claims\['sub'\]\s+(?:eq|matches)\s+'([^']*)'`)

// trustedSubject gives the subject that a federated credential trusts, as a pattern with * where it is flexible.
func trustedSubject(fc inventory.FederatedCredential) string {
	if fc.Subject != "" {
		return fc.Subject
	}
	if m := flexibleSubject().FindStringSubmatch(fc.Expression); m != nil {
		return m[1]
	}
	return ""
}

// splitSubject divides a subject of GitHub's default form into the repository's name and the rest.
func splitSubject(subject string) (repository, context string, ok bool) {
	rest, ok := strings.CutPrefix(subject, "repo:")
	if !ok {
		return "", "", false
	}
	repository, context, found := strings.Cut(rest, ":")
	if !found && strings.HasSuffix(repository, "*") {
		context = "*" // the pattern's end stands for any context as well
	}
	return repository, context, true
}

// trustsPullRequests tells whether a run for a pull request presents a subject that the credential trusts.
func trustsPullRequests(fc inventory.FederatedCredential) bool {
	_, context, ok := splitSubject(trustedSubject(fc))
	if !ok {
		return strings.HasSuffix(trustedSubject(fc), ":pull_request")
	}
	if fc.Subject != "" {
		return strings.HasSuffix(":"+context, ":pull_request")
	}
	matched, err := path.Match(context, "pull_request")
	return err == nil && matched
}

// trustsName tells whether a credential trusts a repository by its name, which can pass to someone else.
func trustsName(fc inventory.FederatedCredential) bool {
	repository, _, ok := splitSubject(trustedSubject(fc))
	byID := strings.Contains(repository, "@") || strings.Contains(fc.Expression, "claims['repository_id']") || strings.Contains(fc.Expression, "claims['repository_owner_id']")
	return ok && !byID
}

func (e *evaluation) eachTrust(broken func(inventory.FederatedCredential) bool, add func(inventory.Identity, inventory.FederatedCredential)) {
	for _, id := range e.inv.Identities {
		for _, fc := range id.FederatedCredentials {
			if broken(fc) {
				add(id, fc)
			}
		}
	}
}

func trustPullRequest(e *evaluation, r Rule) {
	e.eachTrust(trustsPullRequests, func(id inventory.Identity, fc inventory.FederatedCredential) {
		roles := privileged(id)
		f := Finding{Object: identityObject(id), Message: fmt.Sprintf("%s trusts %s", identityObject(id), trustedSubject(fc)), Evidence: append([]string{"federated credential " + fc.Name}, roles...)}
		if len(roles) == 0 {
			f.Severity = Medium
			if id.RolesKnown {
				f.Severity = Low
			}
		}
		e.add(r, f, trustKey(id, fc)...)
	})
}

func trustMutable(e *evaluation, r Rule) {
	e.eachTrust(trustsName, func(id inventory.Identity, fc inventory.FederatedCredential) {
		e.add(r, Finding{Object: identityObject(id), Message: fmt.Sprintf("%s trusts %s by its name", identityObject(id), trustedSubject(fc)), Evidence: []string{"federated credential " + fc.Name}}, trustKey(id, fc)...)
	})
}

func trustKey(id inventory.Identity, fc inventory.FederatedCredential) []string {
	return []string{string(id.AppID), fc.Issuer, fc.Subject, fc.Expression}
}

// trustOldIssuer finds what is left of connections that have moved to Entra's issuer. It says nothing of organisations that were not scanned, or not
// all of whose connections could be read.
func trustOldIssuer(e *evaluation, r Rule) {
	e.eachTrust(inventory.NewOldTrust(e.inv).Left, func(id inventory.Identity, fc inventory.FederatedCredential) {
		e.add(r, Finding{Object: identityObject(id), Message: fmt.Sprintf("%s trusts the subject %s of the issuer %s, which stops on 2027-07-01, and nothing presents it", identityObject(id), fc.Subject, fc.Issuer),
			Evidence: []string{"federated credential " + fc.Name, "issuer " + fc.Issuer, "subject " + fc.Subject}}, trustKey(id, fc)...)
	})
}
