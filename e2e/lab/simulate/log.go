package simulate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// maxLog bounds what is kept of a job's log.
const maxLog = 200

// log writes what a step prints: a notice becomes an annotation as well. Values of secrets are masked as the runner does it:
// each whole, and each line of one that has several (github/docs, "Using secrets in GitHub Actions"); what a script or an expression makes
// of a value is not.
func (a *site) log(text string) {
	job := a.f.j.out
	for line := range strings.SplitSeq(a.masked(text), "\n") {
		if len(job.Log) < maxLog {
			job.Log = append(job.Log, line)
		}
		rest, isNotice := strings.CutPrefix(line, "::notice")
		properties, message, ok := strings.Cut(rest, "::")
		if !isNotice || !ok {
			continue
		}
		_, title, _ := strings.Cut(properties, "title=")
		title, _, _ = strings.Cut(title, ",")
		job.Notes = append(job.Notes, &world.Annotation{Level: "notice", Title: title, Message: message})
	}
}

// logEnv writes the step's variables, as the runner does in front of every script.
func (a *site) logEnv() {
	for _, k := range a.env.keys {
		a.log(fmt.Sprintf("  %s: %s", k, text(a.env.get(k))))
	}
}

func (a *site) masked(out string) string {
	secrets, _ := a.f.sc.contexts["secrets"].(*object)
	if secrets == nil {
		return out
	}
	var values []string
	for _, k := range secrets.keys {
		value := plainText(text(secrets.get(k)))
		for part := range strings.Lines(value) {
			values = append(values, strings.TrimSpace(part))
		}
		values = append(values, value)
	}
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	for _, v := range values {
		if len(v) > 2 {
			out = strings.ReplaceAll(out, v, "***")
		}
	}
	return out
}
