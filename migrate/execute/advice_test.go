package execute

import (
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
		if got := needIn(systemOf(err), err); got != want[1] {
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
