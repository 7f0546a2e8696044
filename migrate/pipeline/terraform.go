package pipeline

import (
	"path"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
)

// TerraformUse is a step in which Terraform signs in with what a connection gives it. Whether it still does after a conversion depends on
// Terraform code, which is not among the files of a pipeline.
type TerraformUse struct {
	Place
	Task        string
	Connections []string // those that it signs in with, as far as they are known
	Directory   string   // inside the repository; empty where it is not known
	Disabled    bool
}

// terraformUse notes a step that runs Terraform by a connection: one of its own tasks, or a script that hands on the connection's key.
func (w *walker) terraformUse(s *step) {
	own := s.task.family() == "terraformtask" || s.task.is("TerraformCLI")
	if !own && !(s.key && s.runsTerraform()) || len(s.names(KindAzureRM)) == 0 && !s.opensAzure() {
		return
	}
	u := TerraformUse{Place: w.stepPlace(s, s.at), Connections: s.names(KindAzureRM), Disabled: s.context.disabled}
	if s.isTask {
		u.Task = s.task.label()
	}
	if own {
		u.Directory = directoryInside(s.input("workingDirectory"))
	}
	w.out.terraform = append(w.out.terraform, u)
}

func (s *step) runsTerraform() bool {
	for _, t := range s.scripts {
		if terraformCommand().MatchString(code(t)) {
			return true
		}
	}
	return false
}

var (
	terraformCommand = lazy.Regexp(`(?i)\b(terraform|tofu|terragrunt)\b`)
	sourcesDirectory = lazy.Regexp(`(?i)^\$\((?:System\.DefaultWorkingDirectory|Build\.SourcesDirectory|Build\.Repository\.LocalPath)\)/*`)
)

// directoryInside is a working directory inside of the repository that the pipeline checks out (Microsoft Learn: Use predefined variables); empty
// where it is computed, or outside.
func directoryInside(input string) string {
	d := strings.ReplaceAll(strings.TrimSpace(input), `\`, "/")
	if d == "" {
		return "."
	}
	d = sourcesDirectory().ReplaceAllString(d, "./")
	if strings.Contains(d, "$") || path.IsAbs(d) || strings.HasPrefix(path.Clean(d), "..") {
		return ""
	}
	return path.Clean(d)
}

// TerraformChecks tells what Terraform code says against a conversion of the connections of a use.
func TerraformChecks(u TerraformUse, a terraform.Answer) []Check {
	var out []Check
	add := func(s Severity, list []terraform.Remark) {
		for _, r := range list {
			out = append(out, Check{Place: u.Place, Severity: s, Rule: RuleTerraformCode, Task: u.Task, Message: r.Message, Remedy: r.Change, Source: sourceTerraformCode,
				Connections: u.Connections, Disabled: u.Disabled})
		}
	}
	add(Blocker, a.Against)
	add(Warning, a.Doubts)
	return out
}
