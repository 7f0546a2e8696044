package simulate

import (
	"fmt"
	"strings"
)

// permissions are the scopes of a GITHUB_TOKEN: read or write; a missing one is none.
type permissions map[string]string

// scopes is every scope of github/docs github-token-scope-descriptions.md, in the order of GitHub's own check
// (actions/runner Permissions.cs), which is the order of its error message.
var scopes = []string{
	"actions", "artifact-metadata", "attestations", "checks", "contents", "deployments", "discussions", "issues",
	"packages", "pages", "pull-requests", "repository-projects", "statuses", "security-events", "id-token", "models",
	"vulnerability-alerts",
}

var levels = map[string]int{"": 0, "none": 0, "read": 1, "write": 2}

// readPermissions reads a permissions key: a map, read-all or write-all. It is nil when the key is missing.
func (wf *workflow) readPermissions(n *node) (permissions, error) {
	if n == nil {
		return nil, nil
	}
	if n.kind == scalarNode {
		switch n.text {
		case "read-all":
			return allPermissions("read"), nil
		case "write-all":
			return allPermissions("write"), nil
		}
		if n.isNull() {
			return permissions{}, nil
		}
		return nil, wf.fail(n.line, n.col, "Unexpected value '%s'", n.text)
	}
	out := permissions{}
	for _, p := range n.pairs {
		if !isScope(p.key) {
			return nil, wf.fail(p.line, p.col, "Unexpected value '%s'", p.key)
		}
		level, ok := levels[p.value.str()]
		if !ok || p.value.str() == "" || p.key == "id-token" && level == 1 || p.key == "models" && level == 2 {
			return nil, wf.fail(p.value.line, p.value.col, "Unexpected value '%s'", p.value.str())
		}
		if level > 0 {
			out[p.key] = p.value.str()
		}
	}
	return out, nil
}

func isScope(name string) bool {
	for _, s := range scopes {
		if s == name {
			return true
		}
	}
	return false
}

// allPermissions is read-all or write-all. models cannot be written; id-token cannot be read.
func allPermissions(level string) permissions {
	out := permissions{}
	for _, s := range scopes {
		out[s] = level
	}
	out["models"] = "read"
	if level == "read" {
		delete(out, "id-token")
	}
	return out
}

// defaultPermissions is what a token gets when no file says anything, by the repository's setting
// (github/docs, GITHUB_TOKEN reference). id-token is in neither.
func defaultPermissions(setting string) permissions {
	if setting != "write" {
		return permissions{"contents": "read", "packages": "read"}
	}
	out := permissions{"models": "read"}
	for _, s := range []string{
		"actions", "attestations", "checks", "contents", "deployments", "discussions", "issues",
		"packages", "pages", "pull-requests", "security-events", "statuses",
	} {
		out[s] = "write"
	}
	return out
}

// ceiling is what a called workflow may ask for when no caller says anything: with the permissive setting and a
// workflow of the same owner that includes id-token (actions/runner PermissionsHelper.CreatePermissionsFromPolicy).
func ceiling(setting string, trusted bool) permissions {
	if setting != "write" {
		return permissions{"contents": "read", "packages": "read"}
	}
	out := allPermissions("write")
	if !trusted {
		delete(out, "id-token")
	}
	return out
}

// exceeding lists what is asked for beyond a ceiling, in GitHub's words.
func (p permissions) exceeding(max permissions) (requested, allowed string) {
	var req, allow []string
	for _, s := range scopes {
		if levels[p[s]] > levels[max[s]] {
			req = append(req, s+": "+p[s])
			allow = append(allow, s+": "+orNone(max[s]))
		}
	}
	return strings.Join(req, ", "), strings.Join(allow, ", ")
}

func orNone(level string) string {
	if level == "" {
		return "none"
	}
	return level
}

// capFork is the most that a run for a pull request from a fork gets: everything read, no id-token.
func (p permissions) capFork() permissions {
	out := permissions{}
	for s := range p {
		if s != "id-token" {
			out[s] = "read"
		}
	}
	return out
}

// shown is the map that a run records; metadata is always readable.
func (p permissions) shown() map[string]string {
	out := map[string]string{"metadata": "read"}
	for s, level := range p {
		out[s] = level
	}
	return out
}

func (p permissions) String() string {
	var out []string
	for _, s := range sortedKeys(p) {
		out = append(out, fmt.Sprintf("%s: %s", s, p[s]))
	}
	return strings.Join(out, ", ")
}
