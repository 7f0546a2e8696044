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
// hosts, in the spellings in which they work. None is shorter than shortestMark.
var marks = newSearch(append([]string{"publish-profile", "kubelogin", "rincipal", "RINCIPAL",
	"windows.net", "ccountKey", "aks-set-context", "k8s-set-context"}, clientSecretSpellings...)...)

const shortestMark = len("rincipal")

// search finds whether one of several strings is in a text by looking at two bytes of about each seventh
// place (S. Wu, U. Manber: A Fast Algorithm for Multi-Pattern Searching, 1994).
type search struct {
	shift [1 << 12]uint8 // by a hash of two bytes: how far the end of the next possible place is
	ends  map[int][][]byte
}

func newSearch(marks ...string) *search {
	s := &search{ends: make(map[int][][]byte)}
	for i := range s.shift {
		s.shift[i] = uint8(shortestMark - 1)
	}
	for _, m := range marks {
		for i := 1; i < shortestMark; i++ {
			h := pair(m[i-1], m[i])
			s.shift[h] = min(s.shift[h], uint8(shortestMark-1-i))
			if i == shortestMark-1 {
				s.ends[h] = append(s.ends[h], []byte(m))
			}
		}
	}
	return s
}

func pair(a, b byte) int { return (int(a)<<5 ^ int(b)) & (1<<12 - 1) }

// in tells whether one of the strings is in the text.
func (s *search) in(text []byte) bool {
	for i := shortestMark - 1; i < len(text); {
		h := pair(text[i-1], text[i])
		if shift := s.shift[h]; shift > 0 {
			i += int(shift)
			continue
		}
		for _, m := range s.ends[h] {
			if bytes.HasPrefix(text[i-shortestMark+1:], m) {
				return true
			}
		}
		i++
	}
	return false
}

// IsCandidate is the fast prefilter: where it is false, no login can be in the file. It is true where one of the marks is in
// the file, in comments too, or where the file hands secrets or inputs to an action of its repository or to a reusable workflow.
func IsCandidate(content []byte) bool {
	return touchesAzure(content) || passesOn(content)
}

// touchesAzure tells whether one of the marks is in the file.
func touchesAzure(content []byte) bool {
	if hasAz(content, 'z') || hasAz(content, 'Z') {
		return true
	}
	return hasUnderscored(content) || marks.in(content)
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

// passesOn tells whether the file uses a local action or a reusable workflow and reads something that it can pass to it.
func passesOn(content []byte) bool {
	if !usesOwn(content) {
		return false
	}
	return bytes.Contains(content, []byte("secrets")) || bytes.Contains(content, []byte("inputs"))
}

// usesOwn tells whether the file uses a local action or a reusable workflow.
func usesOwn(content []byte) bool {
	for rest := content; ; {
		i := bytes.Index(rest, []byte("uses"))
		if i < 0 {
			return false
		}
		rest = rest[i+len("uses"):]
		line := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			line = rest[:end]
		}
		value := bytes.TrimLeft(line, "\"' :\t")
		if bytes.HasPrefix(value, []byte("./")) || bytes.Contains(value, []byte("/.github/workflows/")) {
			return true
		}
	}
}

func hasFold(content, lower []byte) bool {
	return len(content) >= len(lower) && bytes.EqualFold(content[:len(lower)], lower)
}
