package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// OtherSecret tells whether a login of this kind uses a stored credential that is not one of a service principal.
func OtherSecret(k inventory.Kind) bool {
	switch k {
	case inventory.KindDockerACRAdmin, inventory.KindPublishProfile, inventory.KindStaticWebAppsToken,
		inventory.KindSQLConnectionString, inventory.KindStorageKey, inventory.KindK8sSetContext:
		return true
	}
	return false
}

// UsesSecret tells whether a login uses a stored credential at all.
func UsesSecret(l inventory.Login) bool {
	return l.Kind != inventory.KindAzureLoginOIDC && l.Conversion != inventory.ConversionNone
}

func loginSecret(e *evaluation, r Rule) {
	for _, l := range e.inv.Logins {
		if UsesSecret(l) && !OtherSecret(l.Kind) {
			e.addLogin(r, l, "signs in to Azure with a stored secret")
		}
	}
}

func loginOther(e *evaluation, r Rule) {
	for _, l := range e.inv.Logins {
		if UsesSecret(l) && OtherSecret(l.Kind) {
			e.addLogin(r, l, "uses a stored Azure credential")
		}
	}
}

func loginNotTrusted(e *evaluation, r Rule) {
	for _, f := range plan.FederatedLogins(e.inv) {
		if len(f.Missing) < len(f.Needed) {
			continue // some of its runs sign in: which ones should is for people to say
		}
		l := *f.Login
		var subjects []string
		for _, s := range f.Missing {
			subjects = append(subjects, s.Value)
		}
		e.add(r, Finding{Object: string(l.ID), Repository: l.Repository, File: l.File, Line: l.Line, Column: l.Column, EndLine: l.EndLine, EndColumn: l.EndColumn,
			Message:  fmt.Sprintf("%s signs in as %s, which does not trust %s", loginPlace(l), identityObject(*f.Identity), strings.Join(subjects, ", ")),
			Evidence: []string{"issuer: " + f.Missing[0].Issuer}}, string(l.Repository), l.File, l.Job, l.Step, string(f.Identity.AppID))
	}
}

func (e *evaluation) addLogin(r Rule, l inventory.Login, does string) {
	names := secretNames(l)
	message := fmt.Sprintf("%s %s (%s)", loginPlace(l), does, l.Kind)
	if len(names) > 0 {
		message += ": " + strings.Join(names, ", ")
	}
	f := Finding{
		Object: string(l.ID), Repository: l.Repository, File: l.File,
		Line: l.Line, Column: l.Column, EndLine: l.EndLine, EndColumn: l.EndColumn,
		Message: message, Evidence: []string{"conversion: " + string(l.Conversion)},
	}
	if l.Reason != "" {
		f.Evidence = append(f.Evidence, l.Reason)
	}
	if len(l.Manual) > 0 {
		f.Remedy = l.Manual
	}
	key := append([]string{string(l.Repository), l.File, l.Job, l.Step, string(l.Kind)}, names...)
	e.add(r, f, key...)
}

func loginPlace(l inventory.Login) string {
	switch {
	case l.Job != "" && l.Step != "":
		return fmt.Sprintf("step %s of job %s", l.Step, l.Job)
	case l.Job != "":
		return "job " + l.Job
	case l.Step != "":
		return "step " + l.Step
	default:
		return "the workflow"
	}
}

func secretNames(l inventory.Login) []string {
	var names []string
	for _, s := range l.Secrets {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

// secretShared looks for organisation secrets that logins read in more than one repository, or that all repositories see.
func secretShared(e *evaluation, r Rule) {
	for _, s := range e.inv.Secrets {
		if s.Level != inventory.LevelOrganization {
			continue
		}
		users := map[inventory.RepositoryName]bool{}
		for _, l := range e.inv.Logins {
			if UsesSecret(l) && strings.EqualFold(l.Repository.Owner(), s.Owner) && readsSecret(l, s.Name) {
				users[l.Repository] = true
			}
		}
		if len(users) < 2 {
			continue
		}
		ev := []string{"visibility " + s.Visibility}
		for u := range users {
			ev = append(ev, "used by "+string(u))
		}
		slices.Sort(ev)
		e.add(r, Finding{Object: "secret " + s.Ref().String(), Message: fmt.Sprintf("the organisation secret %s is used by %d repositories to sign in to Azure", s.Name, len(users)), Evidence: ev}, s.Owner, s.Name)
	}
}

func readsSecret(l inventory.Login, name string) bool {
	return slices.ContainsFunc(l.Secrets, func(u inventory.SecretUse) bool { return strings.EqualFold(u.Name, name) })
}

func notReadable(e *evaluation, r Rule) {
	for _, g := range e.inv.Gaps {
		f := Finding{Object: g.Object, File: g.File, Line: g.Line, Column: g.Column, Message: g.Object + ": " + g.Message}
		if g.Source == inventory.SourceGitHub && g.File != "" {
			f.Repository = inventory.RepositoryName(strings.TrimPrefix(g.Object, "repository "))
		}
		if g.Next != "" {
			f.Remedy = []string{g.Next}
		}
		e.add(r, f, string(g.Source), g.Object, g.File)
	}
}
