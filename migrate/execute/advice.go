package execute

import (
	"errors"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// again is how every advice ends: nothing that is done is done twice.
const again = "then run the same command again: it goes on where it stopped"

// replan is the command that plans a unit again by itself, from what is there now. What is said of a unit has its id in the place of thisUnit.
const (
	thisUnit = "{unit}"
	replan   = "unsecret plan --unit " + thisUnit
)

// forUnit puts a unit's id into what is said of it.
func forUnit(id string, said []string) []string {
	out := slices.Clone(said)
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], thisUnit, id)
	}
	return out
}

// nextAfterError is what a person does about an error: what the error itself knows, or what fits its kind and the permission that the change needs.
func nextAfterError(err error, need string) []string {
	var manual *manualError
	var unsigned *SignInError
	switch {
	case errors.As(err, &unsigned):
		return []string{unsigned.Next + "; " + again}
	case errors.Is(err, ErrUnauthenticated):
		return []string{"sign in again: " + signIn(err) + "; " + again}
	case errors.As(err, &manual) && errors.Is(err, ErrForbidden):
		return slices.Concat(manual.next, grants(need))
	case errors.As(err, &manual):
		return manual.next
	case errors.Is(err, ErrForbidden):
		return grants(need)
	case errors.Is(err, ErrNotFound):
		return []string{"see whether it was deleted or renamed, or whether the caller may not see it (unsecret doctor): restore it or let the caller see it, " + again,
			"if it is gone for good: " + replan + " plans this unit again from what is there now, and leaves the others as they are"}
	case errors.Is(err, ErrConflict):
		return []string{"somebody or something else is changing it: wait a minute, " + again,
			"if it stays so, see what has changed (unsecret apply --dry-run), then " + replan}
	case errors.Is(err, ErrThrottled):
		return throttled(err)
	case errors.Is(err, ErrLimit):
		return []string{"make room for it, as the message says, " + again}
	case errors.Is(err, ErrPolicy):
		return []string{"ask those who set the rule for an exception, or do this change by hand as they allow it, " + again}
	case errors.Is(err, ErrRefused):
		return []string{"the service changed nothing: correct what its message names, " + again,
			"if the object has changed since the scan, " + replan + " first"}
	case errors.Is(err, ErrUnknownOutcome):
		return []string{"run the same command again: it looks at what became of it before it does anything"}
	}
	return []string{"see whether the service and the network work (unsecret doctor), " + again}
}

// throttled is what a person does where a service has had enough of an identity's requests. Azure DevOps blocks one (TF400733) that has used 200 units in five
// minutes, whatever program used them (Microsoft Learn: Rate and usage limits).
func throttled(err error) []string {
	out := []string{"the service refused the request without doing anything, since the signed-in identity has sent too many: wait ten minutes, " + again}
	if systemOf(err) == permissions.AzureDevOps {
		out = append(out, "if it stays so, see what else works as this identity (organisation settings, Usage), let it wait, or give the identity the access level Basic + Test Plans, which has higher limits")
	}
	return out
}

// fail says of a step what went wrong, and what a person does about it.
func (r *StepResult) fail(unit string, err error, need string) {
	r.State, r.Reason, r.Next = StepFailed, err.Error(), forUnit(unit, nextAfterError(err, need))
}

// fail says of a unit what went wrong, and what a person does about it.
func (r *UnitResult) fail(err error) {
	r.State, r.Reason, r.Next = UnitFailed, err.Error(), forUnit(r.Unit, nextAfterError(err, needIn(err)))
}

// unwritten is the error of a record that could not be written, with what a person does about it.
func unwritten(err error) error {
	if errors.Is(err, ErrLockLost) {
		return &manualError{err: err, next: []string{"see who works with the state (unsecret status), wait until he is done, " + again}}
	}
	return &manualError{err: err, next: []string{"free the disk, or mend the permissions of the state; unsecret journal verify says whether it is whole; " + again}}
}

func signIn(err error) string {
	switch systemOf(err) {
	case permissions.GitHub:
		return "gh auth login, or a new GITHUB_TOKEN; for a GitHub App see that it is still installed"
	case permissions.Graph, permissions.Azure, permissions.AzureDevOps:
		return "az login, in the tenant of the configuration"
	}
	return "az login for Microsoft's services, gh auth login or GITHUB_TOKEN for GitHub"
}

// grants says which permission is missing and what grants it.
func grants(need string) []string {
	p, ok := permissions.Named(need)
	if !ok {
		return []string{"unsecret doctor says which permission is missing and what grants it; " + again}
	}
	name := p.Name
	if p.Scope != "" {
		name += " (" + p.Scope + ")"
	}
	out := []string{"the caller needs " + name + " in " + p.System.Title()}
	if p.Person != "" {
		out[0] += "; a person " + p.Person
	}
	out = append(out, p.Grant...)
	return append(out, "unsecret doctor says what else is missing; "+again)
}

// needOf is the permission that a step needs of the system that refused it.
func needOf(s plan.Step, err error) string {
	switch s.Kind {
	case plan.StepReplacement, plan.StepAccess:
		if need := needIn(err); need != permissions.DevOpsConnectionAdmin {
			return need
		}
		return permissions.DevOpsConnectionMaker
	case plan.StepDisable:
		return permissions.DevOpsConnectionOff
	case plan.StepVariable:
		if s.Variable != nil {
			return needOfStore(s.Variable.Store, s.Variable.AsSecret)
		}
	case plan.StepSecret:
		if s.Secret != nil {
			return needOfStore(s.Secret.Store, true)
		}
	case plan.StepRole:
		return permissions.AzureRoles
	case plan.StepRoles:
		return permissions.AzureReader
	case plan.StepPolicy:
		return permissions.GraphPolicyWrite
	}
	return needIn(err)
}

// needIn is the permission that an operation takes whose error this is: what its provider says, else what most changes in the system take.
func needIn(err error) string {
	var needed *neededError
	if errors.As(err, &needed) {
		return needed.permission
	}
	return map[permissions.System]string{
		permissions.Graph: permissions.GraphOwnedBy, permissions.Azure: permissions.AzureIdentity,
		permissions.AzureDevOps: permissions.DevOpsConnectionAdmin, permissions.GitHub: permissions.GitHubWrite,
	}[systemOf(err)]
}

// needOfStore is the permission to write into a store of GitHub.
func needOfStore(at StoreRef, secret bool) string {
	switch {
	case at.Level == inventory.LevelOrganization:
		return permissions.GitHubOrganizationSet
	case secret:
		return permissions.GitHubSecrets
	}
	return permissions.GitHubVariables
}

// keepNext and keptNext put what a person can do into a record of a failure and take it out again, so that status says it too.
func keepNext(next []string) State {
	if len(next) == 0 {
		return nil
	}
	return State{"next": writeJSON(slices.Clone(next))}
}

func keptNext(r *Record) []string { return readList[string](r.After["next"]) }
