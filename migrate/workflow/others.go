package workflow

import (
	"strings"
	"sync"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// others remembers what was read of files in other repositories of the same scan.
type others struct {
	mu    sync.Mutex
	roles map[string]map[string]string // by owner/name/path, lower case owner and name: input or secret → role; nil: not in the scan
}

// remoteRoles tells which inputs and secrets of a file in another repository take a credential. It is false where that
// file is not part of the scan.
func (a *analysis) remoteRoles(uses string) (map[string]string, bool) {
	if a.options.Others == nil {
		return nil, false
	}
	repository, path, ok := splitRemote(uses)
	if !ok {
		return nil, false
	}
	key := strings.ToLower(string(repository)) + "/" + path
	a.others.mu.Lock()
	defer a.others.mu.Unlock()
	if roles, seen := a.others.roles[key]; seen {
		return roles, roles != nil
	}
	roles := a.readRemote(repository, path)
	if a.others.roles == nil {
		a.others.roles = make(map[string]map[string]string)
	}
	a.others.roles[key] = roles
	return roles, roles != nil
}

// splitRemote divides owner/name/path@ref; an action's path is that of its folder.
func splitRemote(uses string) (repository inventory.RepositoryName, path string, ok bool) {
	uses, _, _ = strings.Cut(strings.TrimSpace(uses), "@")
	parts := strings.SplitN(uses, "/", 3)
	if len(parts) < 2 || strings.HasPrefix(uses, ".") || strings.HasPrefix(uses, "docker:") {
		return "", "", false
	}
	if len(parts) == 3 {
		path = parts[2]
	}
	return inventory.RepositoryName(parts[0] + "/" + parts[1]), path, true
}

// readRemote reads one file of another repository with the actions beside it, as it is on that repository's default branch.
func (a *analysis) readRemote(repository inventory.RepositoryName, path string) map[string]string {
	tree, ok := a.options.Others(repository)
	if !ok {
		return nil
	}
	part, target := Tree{Repository: tree.Repository}, ""
	for _, f := range tree.Files {
		if f.Path == path || path == strings.TrimSuffix(strings.TrimSuffix(f.Path, "action.yml"), "/") || f.Path == strings.TrimPrefix(path+"/action.yaml", "/") {
			target = f.Path
			part.Files = append(part.Files, f)
		} else if IsActionPath(f.Path) {
			part.Files = append(part.Files, f)
		}
	}
	if target == "" {
		return nil
	}
	roles := make(map[string]string)
	for key, role := range analyse(part, Options{}).inputRoles {
		if name, ok := strings.CutPrefix(key, target+"\x00"); ok {
			roles[name] = role
		}
	}
	return roles
}
