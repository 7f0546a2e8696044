package workflow

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// askCode asks the repository's Terraform code about a login that would give the provider OIDC by the environment. What the code sets goes
// before the environment, so code that contradicts leaves the login to a person, and so does, at level safe, code that is not certain.
func (a *analysis) askCode(f *finding) {
	if f.convert == nil || !f.usesProvider() {
		return
	}
	if line, _ := a.backendArgument(f); line > 0 {
		f.manual(fmt.Sprintf("line %d gives the backend use_oidc=false, which goes before ARM_USE_OIDC", line),
			fmt.Sprintf("Take -backend-config=use_oidc=false out of line %d, then convert the login.", line))
		return
	}
	if a.tree.Terraform == nil {
		a.wantsCode = true
		return
	}
	if a.code == nil {
		a.code = terraform.Parse(a.tree.Terraform())
		a.codeGaps()
	}
	if a.code.Empty() {
		return
	}
	answer := a.code.Judge(terraform.Question{Directories: a.directories(f), Sets: f.setsVariable})
	if len(answer.Against) > 0 {
		var steps []string
		for _, r := range slices.Concat(answer.Against, answer.Doubts) {
			steps = append(steps, r.Change+".")
		}
		if more := len(steps) - maxChanges; more > 0 {
			steps = append(steps[:maxChanges], fmt.Sprintf("Do the same in %d more places, which are told once these are done.", more))
		}
		f.manual(andMore(answer.Against), append(steps, "Merge that before or together with ARM_USE_OIDC: \"true\" in the place of ARM_CLIENT_SECRET, and give the job id-token: write.")...)
		return
	}
	f.doubts, f.asked = answer.Doubts, true
}

// tellCode says in a login's reason what the Terraform code says, once the reason is settled otherwise.
func tellCode(f *finding) {
	switch {
	case f.convert == nil:
	case len(f.doubts) > 0:
		f.review(andMore(f.doubts))
	case f.asked:
		f.Reason += "; the Terraform code that it runs says nothing against it"
	}
}

// andMore is the first remark, and how many follow.
func andMore(list []terraform.Remark) string {
	if len(list) == 1 {
		return list[0].Message
	}
	return fmt.Sprintf("%s (and %d more)", list[0].Message, len(list)-1)
}

// maxChanges bounds how many changes of the code are told for one login.
const maxChanges = 25

// codeGaps lists what of the code could not be read. Something depends on it, so it is unknown, not clean.
func (a *analysis) codeGaps() {
	for _, u := range a.code.Unread {
		g := a.gap(u.Path, fmt.Errorf("the Terraform code could not be read: %s", u.Reason))
		g.Next = terraform.NextUnread
		if u.Path == "" {
			g.Object = cmp.Or(string(a.tree.Repository), "the checkout")
		}
		a.gaps = append(a.gaps, *g)
	}
}

// usesProvider tells findings that become ARM_USE_OIDC.
func (f *finding) usesProvider() bool {
	switch f.Kind {
	case inventory.KindTerraformEnv:
		return true
	case inventory.KindCredsJSONParts:
		return strings.HasPrefix(strings.ToUpper(f.variableName()), "ARM_")
	}
	return false
}

var backendOff = lazy.Regexp(`(?i)-backend-config[=\s]+["']?use_oidc\s*=\s*["']?(?:false|0)\b`)

// backendArgument finds an argument that turns OIDC off for the backend, where the finding's variable is read.
func (a *analysis) backendArgument(f *finding) (line int, text string) {
	from, to := f.extent()
	at := backendOff().FindIndex(f.file.src[from:to])
	if at == nil || f.file.commented(from+at[0]) {
		return 0, ""
	}
	line, _ = f.file.place(from + at[0])
	return line, string(f.file.src[from+at[0] : from+at[1]])
}

// setsVariable tells whether the file may give an input variable of Terraform a value: by TF_VAR_name, or by -var.
func (f *finding) setsVariable(name string) bool {
	pattern, err := regexp.Compile(`(?i)\btf_var_` + regexp.QuoteMeta(name) + `\b|\b` + regexp.QuoteMeta(name) + `\s*=|-var-file`)
	return err != nil || pattern.Match(f.file.src)
}

// directories are those in which the steps that can read a finding's variable run Terraform. Nil: that is not certain.
func (a *analysis) directories(f *finding) []string {
	var found []string
	certain := !f.file.action
	runs(f, func(s *step) bool {
		dirs, ok := s.directories()
		certain = certain && ok
		found = append(found, dirs...)
		return !certain
	})
	if !certain || len(found) == 0 || slices.ContainsFunc(f.file.jobs, checksOutElsewhere) {
		return nil
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// checksOutElsewhere tells whether a job's files are not simply those of the repository.
func checksOutElsewhere(j *job) bool {
	return slices.ContainsFunc(j.steps, func(s *step) bool {
		_, p := s.param("path")
		_, r := s.param("repository")
		return s.action == "actions/checkout" && (p || r)
	})
}

// setUps are actions that install programs and run none of them on the code.
var setUps = []string{"hashicorp/setup-terraform", "opentofu/setup-opentofu", "terraform-linters/setup-tflint"}

// directories are those in which a step runs Terraform. It is not certain where the step runs something that is not known.
func (s *step) directories() (dirs []string, certain bool) {
	switch {
	case s.never:
		return nil, true
	case s.action != "":
		return nil, hasPrefix(s.action, harmlessActions) || hasPrefix(s.action, setUps)
	}
	dir := s.workingDirectory()
	script := strings.ReplaceAll(strings.ReplaceAll(text(s.run.value), "\\\r\n", " "), "\\\n", " ")
	for _, command := range separators().Split(script, -1) {
		switch word := firstWord(command); {
		case word == "terraform" || word == "tofu":
			at := dir
			if m := changeDirectory().FindStringSubmatch(command); m != nil {
				if !literalPath(m[1]) {
					return nil, false
				}
				at = path.Join(dir, m[1])
			}
			if at = path.Clean(at); !literalPath(at) {
				return nil, false
			}
			dirs = append(dirs, at)
		case word == "cd":
			fields := strings.Fields(command)
			if len(fields) != 2 || !literalPath(strings.Trim(fields[1], `"'`)) {
				return nil, false
			}
			dir = path.Join(dir, strings.Trim(fields[1], `"'`))
		case word != "" && (!harmlessCommands[word] || strings.Contains(command, "terraform ") || strings.Contains(command, "tofu ")):
			return nil, false
		}
	}
	return dirs, true
}

var (
	separators      = lazy.Regexp(`\r?\n|&&|\|\|?|;`)
	changeDirectory = lazy.Regexp(`\s-chdir=["']?([^\s"']+)`)
)

// literalPath tells paths inside of the repository that nothing computes.
func literalPath(p string) bool {
	return !strings.ContainsAny(p, "$*?~`{\\") && !path.IsAbs(p) && p != ".." && p != "-" && !strings.HasPrefix(p, "../")
}

// workingDirectory is where the step's script begins; it may hold expressions.
func (s *step) workingDirectory() string {
	if d := text(get(s.node, "working-directory")); d != "" {
		return d
	}
	for _, n := range []*yaml.Node{s.jobNode(), s.file.root} {
		if d := text(get(get(get(n, "defaults"), "run"), "working-directory")); d != "" {
			return d
		}
	}
	return "."
}

func (s *step) jobNode() *yaml.Node {
	if s.job == nil {
		return nil
	}
	return s.job.node
}

// Resources are those of a repository's Terraform code that a migration has to do with.
func Resources(repository inventory.RepositoryName, code *terraform.Code) []inventory.TerraformResource {
	var out []inventory.TerraformResource
	for _, r := range code.Resources() {
		out = append(out, inventory.TerraformResource{Repository: repository, File: r.File, Line: r.Line, Type: r.Type, Name: r.Name, Object: r.Object, Of: r.Of, Environment: r.Environment})
	}
	return out
}
