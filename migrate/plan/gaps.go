package plan

import (
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// suspectGaps withholds the secrets that a file or repository could read which the scan could not: what is behind a
// gap is unknown, never clean. Who knows better excludes the file or repository.
func (p *planner) suspectGaps() {
	for _, g := range p.inv.Gaps {
		repo, ok := gapRepository(g)
		if !ok || p.excludedLogin(&inventory.Login{Repository: repo, File: g.File}) != nil {
			continue
		}
		for _, d := range p.sorted() {
			for _, r := range p.secretsOf(d) {
				if p.canSee(repo, r) {
					d.suspects = append(d.suspects, gapReason(g, r))
					break
				}
			}
		}
	}
}

func gapReason(g inventory.Gap, r inventory.StoreRef) Reason {
	reason := Reason{Code: "unread", Object: gapPlace(g), Next: next(g.Next),
		Message: fmt.Sprintf("it could not be read, and it may use %s: %s", r, g.Message)}
	reason.Next = append(reason.Next, "scan and plan again, or exclude it if you know that it does not use the secret")
	return reason
}

// gapRepository tells which repository a gap hides files of. Gaps in settings hide none.
func gapRepository(g inventory.Gap) (inventory.RepositoryName, bool) {
	if g.Source != inventory.SourceGitHub {
		return "", false
	}
	name, whole := strings.CutPrefix(g.Object, "repository ")
	if g.File == "" && !whole {
		return "", false
	}
	name = strings.TrimSuffix(name, "/"+g.File)
	return inventory.RepositoryName(name), strings.Count(name, "/") == 1
}
