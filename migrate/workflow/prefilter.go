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

// azMarks are what may follow the letter before a z in what signs in to Azure: azure/login, az login, azd, azcopy, Connect-AzAccount,
// azurecr.io, and variables and hosts that name Azure.
var azMarks = [][]byte{[]byte("ure"), []byte(" "), []byte("\t"), []byte("d "), []byte("copy"), []byte("account"), []byte(".cmd"), []byte(".exe"), []byte("_"), []byte("cr")}

// underscored are the marks of Terraform's variables and of registries' variables: what may follow the letter a, in one case, up to an underscore.
var underscored = [][]byte{[]byte("ARM_"), []byte("arm_"), []byte("ACR_"), []byte("acr_")}

// marks are the byte strings of the other logins that do not name Azure: client secrets, profiles, and storage and database
// hosts, in the spellings in which they work.
var marks = newSearch(append([]string{"publish-profile", "kubelogin", "rincipal", "RINCIPAL",
	"windows.net", "ccountKey", "aks-set-context", "k8s-set-context"}, clientSecretSpellings...)...)

// IsCandidate is the fast prefilter: where it is false, no login can be in the file. It is true where one of the marks is in
// the file, in comments too, or where the file uses an action of its repository or a reusable workflow: it may hand something on, and its
// triggers and permissions are those of the login there.
func IsCandidate(content []byte) bool {
	return TouchesAzure(content) || usesOwn(content)
}

// TouchesAzure is the prefilter of a file that can call no other: it tells whether one of the marks is in the file. In UTF-16 no mark
// would be found, so such a file is one too, to be refused when it is parsed.
func TouchesAzure(content []byte) bool {
	if IsUTF16(content) {
		return true
	}
	if hasAz(content, 'z') || hasAz(content, 'Z') {
		return true
	}
	return hasUnderscored(content) || in(marks, content)
}

// IsUTF16 tells whether a text begins with the byte order mark of UTF-16, or with an ASCII character in UTF-16 without one.
func IsUTF16(content []byte) bool {
	if len(content) < 2 {
		return false
	}
	a, b := content[0], content[1]
	return a == 0xff && b == 0xfe || a == 0xfe && b == 0xff || (a == 0) != (b == 0)
}

// hasUnderscored searches by the underscore, which is rarer than the letters before it.
func hasUnderscored(content []byte) bool {
	for at := 0; ; {
		i := bytes.IndexByte(content[at:], '_')
		if i < 0 {
			return false
		}
		at += i + 1
		if at < len("ARM_") {
			continue
		}
		before := content[at-len("ARM_") : at]
		for _, m := range underscored {
			if before[0] == m[0] && bytes.Equal(before, m) {
				return true
			}
		}
	}
}

// hasAz searches by the letter z, which is rare, so that a file is passed over at the speed of memory.
func hasAz(content []byte, z byte) bool {
	for at := 1; at < len(content); {
		i := bytes.IndexByte(content[at:], z)
		if i < 0 {
			return false
		}
		at += i + 1
		if content[at-2]|0x20 != 'a' {
			continue
		}
		for _, m := range azMarks {
			if hasFold(content[at:], m) {
				return true
			}
		}
	}
	return false
}

// usesOwn tells whether the file uses a local action or a reusable workflow. It searches by the slash, which is rarer than the
// letters of uses, and looks at no byte of a line more than a few times, however long the line is.
func usesOwn(content []byte) bool {
	line, known := 0, 0 // where the line begins, and up to where no uses is in it
	for at := 0; ; {
		i := bytes.IndexByte(content[at:], '/')
		if i < 0 {
			return false
		}
		slash := at + i
		if n := bytes.LastIndexByte(content[at:slash], '\n'); n >= 0 {
			line = at + n + 1
			known = line
		}
		at = slash + 1
		if slash > line && content[slash-1] == '.' && bytes.HasSuffix(bytes.TrimRight(content[line:slash-1], "\"' :\t"), []byte("uses")) {
			return true
		}
		if bytes.HasPrefix(content[slash:], []byte("/.github/workflows/")) {
			if bytes.Contains(content[known:slash], []byte("uses")) {
				return true
			}
			known = max(line, slash-len("uses")+1)
		}
	}
}

func hasFold(content, lower []byte) bool {
	return len(content) >= len(lower) && bytes.EqualFold(content[:len(lower)], lower)
}
