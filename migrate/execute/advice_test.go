package execute

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// TestAdviceFollowsTheSystemThatAnErrorIsOfNotItsWords: names from outside stand in errors, and a repository can be called entra.
func TestAdviceFollowsTheSystemThatAnErrorIsOfNotItsWords(t *testing.T) {
	refused := func(system permissions.System, err error) error {
		return fmt.Errorf("open a pull request in entra: azure: github: %w", From(system, fmt.Errorf("azure devops says: %w", err)))
	}
	for system, want := range map[permissions.System][2]string{
		permissions.GitHub:      {"gh auth login", permissions.GitHubWrite},
		permissions.Graph:       {"az login", permissions.GraphOwnedBy},
		permissions.Azure:       {"az login", permissions.AzureIdentity},
		permissions.AzureDevOps: {"az login", permissions.DevOpsConnectionAdmin},
	} {
		if next := nextAfterError(refused(system, ErrUnauthenticated), ""); !strings.Contains(next[0], want[0]) {
			t.Errorf("%s: %v, want %s", system, next, want[0])
		}
		err := refused(system, ErrForbidden)
		if got := needIn(err); got != want[1] {
			t.Errorf("%s: it needs %q, want %q", system, got, want[1])
		}
	}
	if system := systemOf(fmt.Errorf("github: %w", ErrForbidden)); system != "" {
		t.Errorf("an error that says no system is taken for one of %s", system)
	}
	if From(permissions.GitHub, nil) != nil {
		t.Error("nothing becomes an error")
	}
}

// TestThePermissionIsThatOfTheOperationNotOfItsWords: names from outside stand in errors here, too. What was said last is of the whole operation.
func TestThePermissionIsThatOfTheOperationNotOfItsWords(t *testing.T) {
	const misleading = "github: reading secret sign-in log of organisation management policy, azure: reading azure repos : testing service connection"
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"no system":                  {fmt.Errorf(misleading+": %w", ErrForbidden), ""},
		"a change":                   {From(permissions.Graph, fmt.Errorf(misleading+": %w", ErrForbidden)), permissions.GraphOwnedBy},
		"what its provider says":     {Needing(permissions.GraphAuditLog, From(permissions.Graph, fmt.Errorf(misleading+": %w", ErrForbidden))), permissions.GraphAuditLog},
		"said within":                {From(permissions.GitHub, fmt.Errorf("write: %w", Needing(permissions.GitHubStores, ErrForbidden))), permissions.GitHubStores},
		"said of a part and a whole": {fmt.Errorf("test: %w", Needing(permissions.DevOpsConnectionUser, fmt.Errorf("read: %w", Needing(permissions.DevOpsConnectionRead, ErrForbidden)))), permissions.DevOpsConnectionUser},
		"one of several":             {errors.Join(From(permissions.GitHub, ErrNotFound), Needing(permissions.GitHubActions, ErrForbidden)), permissions.GitHubActions},
	} {
		if got := needIn(tc.err); got != tc.want {
			t.Errorf("%s: it needs %q, want %q", name, got, tc.want)
		}
	}
	if Needing(permissions.GitHubActions, nil) != nil {
		t.Error("nothing becomes an error")
	}
	if err := Needing(permissions.GitHubActions, ErrForbidden); !errors.Is(err, ErrForbidden) || err.Error() != ErrForbidden.Error() {
		t.Errorf("it says %v", err)
	}
}
