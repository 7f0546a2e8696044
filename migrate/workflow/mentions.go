package workflow

import (
	"bytes"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// commentMarks are the byte strings without one of which nothing in a comment is mentioned.
var commentMarks = newSearch("secrets", "azure/login", "Azure/login", "az login")

// comments lists the secrets and logins that stand in comments: never a login, but not to be mistaken when a secret is deleted.
func (f *finder) comments() {
	src := f.file.src
	for at := 0; at < len(src); {
		i := bytes.IndexByte(src[at:], '#')
		if i < 0 {
			return
		}
		hash := at + i
		end := f.file.lineEnd(hash)
		at = hash + 1
		if hash > 0 && !isBlank(src[hash-1]) && !isBreak(src[hash-1]) || !in(commentMarks, src[hash:end]) {
			continue
		}
		if !f.file.commented(hash + 1) {
			continue
		}
		f.comment(hash, string(src[hash:end]))
		at = end
	}
}

func (f *finder) comment(start int, line string) {
	found := false
	for rest, at := line, 0; ; {
		i := strings.Index(rest, "secrets.")
		if i < 0 {
			break
		}
		from := at + i + len("secrets.")
		to := from
		for to < len(line) && isWord(line[to]) {
			to++
		}
		if name := line[from:to]; name != "" && !strings.EqualFold(name, "GITHUB_TOKEN") && (at+i == 0 || !isWord(line[at+i-1])) {
			f.mention(start+at+i, name, "comment")
			found = true
		}
		rest, at = line[to:], to
	}
	lower := strings.ToLower(line)
	if !found && (strings.Contains(lower, "azure/login@") || strings.Contains(lower, "az login --service-principal")) {
		f.mention(start, "", "comment: a login that is commented out")
	}
}

func (f *finder) mention(offset int, secret, why string) {
	line, column := f.file.place(offset)
	f.mentions = append(f.mentions, inventory.Mention{Repository: f.tree.Repository, File: f.file.path, Line: line, Column: column, Secret: secret, Text: why})
}
