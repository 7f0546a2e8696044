package workflow

import (
	"bytes"
	"path"
	"strings"
)

// IsWorkflowPath tells whether a path is one that GitHub reads as a workflow: a YAML file directly in .github/workflows.
func IsWorkflowPath(p string) bool {
	return path.Dir(p) == ".github/workflows" && isYAML(p)
}

// IsActionPath tells whether a path is an action's metadata: action.yml or action.yaml in any folder.
func IsActionPath(p string) bool {
	base := path.Base(p)
	return base == "action.yml" || base == "action.yaml"
}

func isYAML(p string) bool { return strings.HasSuffix(p, ".yml") || strings.HasSuffix(p, ".yaml") }

// marks are byte strings without one of which no Azure login can be in a file, in lower case. Each is searched
// without regard to case by way of its rarest letter pair.
var marks = [][]byte{
	[]byte("azure"), []byte("arm_"), []byte("az login"), []byte("azd "), []byte("azaccount"), []byte("azurecr"), []byte("publish-profile"),
	[]byte("azcopy"), []byte("kubelogin"), []byte("client_secret"), []byte("clientsecret"), []byte("client-secret"),
}

// IsCandidate is the fast prefilter: where it is false, no login can be in the file.
func IsCandidate(content []byte) bool {
	for i := 0; i < len(content); i++ {
		switch content[i] | 0x20 {
		case 'a', 'p', 'k', 'c':
			for _, m := range marks {
				if m[0] == content[i]|0x20 && hasFold(content[i:], m) {
					return true
				}
			}
		}
	}
	return false
}

func hasFold(content, lower []byte) bool {
	return len(content) >= len(lower) && bytes.EqualFold(content[:len(lower)], lower)
}
