package workflow

import (
	"errors"
	"fmt"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/terraform"
	"github.com/unsecret-dev/unsecret/migrate/workflow/script"
	"github.com/unsecret-dev/unsecret/migrate/workflow/yaml"
)

// Scan finds the logins of one repository or folder. It never fails: what it cannot read is a gap.
func Scan(t Tree, o Options) Result {
	a := analyse(t, o)
	defer a.memories.release(true) // results share no memory with values
	if o.Subjects {
		a.subjects()
	}
	return a.result()
}

// finding is a login with what a rewrite needs to know of it.
type finding struct {
	inventory.Login
	file           *file
	job            *job  // nil at workflow level and in actions
	step           *step // nil for env of a workflow or job
	entry          entry // the key that carries the credential, where it is a key
	start, end     int
	level          Level // the lowest level at which it may be rewritten
	convert        func(*rewriter, *finding) error
	script         *runScript
	command        *script.Command
	assignment     *script.Assignment
	argument       script.Word // of command, where only one word carries the credential
	idRole         string      // of what is taken out of a credentials JSON, where that is an id
	option         string      // of Terraform: var or backend-config
	variable       string      // the environment variable that a script sets
	tests          bool        // by a script that only asks whether it is set
	stray          bool        // read by something that is not known
	all            bool        // every secret at once
	held           bool        // in a variable that something reads which is not known, or nothing does
	beside         string      // the argument or variable with the tenant that stands beside a client secret
	secretName     string      // the argument or variable with that client secret
	toFile         bool        // to a file or a container rather than to $GITHUB_ENV
	written        bool        // to $GITHUB_ENV
	asked          bool        // the repository's Terraform code
	doubts         []terraform.Remark
	exact          bool // the range in the script is exact
	federated      bool // the command signs in without a stored credential
	noSubscription bool // creds names no subscription, and allow-no-subscriptions says that none is needed
	registryUser   script.Word
	unsure         bool                            // whether the registry is one of Azure
	image          bool                            // with which GitHub pulls the image of a container or service
	own            func(*rewriter, *finding) error // converts what uses a credential that comes from callers
	channels       []*channel                      // through which the credential comes from callers
	into           []*channel                      // that the credential is handed to
	also           [][2]int                        // ranges of the file, outside of its own, that its conversion takes away too
	inherited      map[string]string               // of secrets: inherit: the secrets of the called file by name, with their roles
	needsToken     []*job                          // jobs of the same file that must be able to request a token after the rewrite
}

// analysis is one tree while it is read.
type analysis struct {
	tree     Tree
	options  Options
	files    []*file // parsed, in the order of the tree; nil where a file is no candidate or does not parse
	byPath   map[string]*file
	callers  map[string][]caller // of local actions and reusable workflows, by path
	findings []*finding
	mentions []inventory.Mention
	gaps     []inventory.Gap
	byFile   map[*file][]*finding
	// what the logins tell of the names that credentials have
	jsonSecrets   map[string]bool // secrets that hold a credentials JSON, upper case
	clientSecrets map[string]bool // secrets that hold a client secret, upper case
	others        others
	memories      memories
	unreadable    map[string]bool // paths of files that are gaps
	channels      map[string]*channel
	code          *terraform.Code // once it was needed
	wantsCode     bool
	isFolder      int // 1 where the tree is a folder of files, -1 where it is a repository, 0 where that is not known yet

	inputRoles map[string]string // path NUL input or secret (lower case) of a called file → role
}

func analyse(t Tree, o Options) *analysis {
	a := &analysis{tree: t, options: o, byPath: make(map[string]*file, len(t.Files)), unreadable: make(map[string]bool)}
	a.parse()
	a.link()
	a.find()
	a.weighAll()
	return a
}

// stopped tells that nobody waits for the result any more.
func (a *analysis) stopped() bool { return a.tree.Stopped != nil && a.tree.Stopped() }

// parallel runs a function for each index, as long as somebody waits for the result.
func (a *analysis) parallel(n int, do func(i int)) {
	parallel(n, func(i int) {
		if !a.stopped() {
			do(i)
		}
	})
}

// manyFiles is from how many files on a tree is read with all processors. Small trees come in numbers, and are scanned side by side.
const manyFiles = 32

// parallel runs a function for each index, on as many processors as there are where that is worth it.
func parallel(n int, do func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	if workers <= 1 || n < manyFiles {
		for i := range n {
			do(i)
		}
		return
	}
	var wg sync.WaitGroup
	var next atomic.Int64
	for range workers {
		wg.Go(func() {
			defer crash.Report()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// parse reads the candidates of the tree. A file that only hands something on to another matters where that other file is
// read too: it is an action or a reusable workflow of this tree, or of another one.
func (a *analysis) parse() {
	a.files = make([]*file, len(a.tree.Files))
	a.parseWhere(TouchesAzure)
	called := a.options.Others != nil
	for _, f := range a.byPath {
		called = called || f.action || f.has("workflow_call")
	}
	if called {
		a.parseWhere(usesOwn)
	}
}

func (a *analysis) parseWhere(wanted func([]byte) bool) {
	gaps := make([]*inventory.Gap, len(a.tree.Files))
	a.parallel(len(a.tree.Files), func(i int) {
		in := a.tree.Files[i]
		if a.files[i] != nil || a.unreadable[in.Path] || !wanted(in.Content) {
			return
		}
		a.memories.with(func(m *memory) {
			d, err := m.parse(in.Path, in.Content)
			if err == nil {
				err = d.shape()
			}
			if err != nil {
				gaps[i] = a.gap(in.Path, err)
				return
			}
			a.files[i] = m.read(d, a.tree.Repository)
		})
	})
	for i, f := range a.files {
		if f != nil {
			a.byPath[f.path] = f
		}
		if gaps[i] != nil {
			a.unreadable[a.tree.Files[i].Path] = true
			a.gaps = append(a.gaps, *gaps[i])
		}
	}
}

func (a *analysis) gap(path string, err error) *inventory.Gap {
	g := &inventory.Gap{Source: inventory.SourceGitHub, Object: path, File: path, Line: 1, Message: err.Error(),
		Next: "Correct the file, or look for Azure logins in it by hand."}
	if a.tree.Repository == "" {
		g.Source = inventory.SourceLocal
	} else {
		g.Object = fmt.Sprintf("%s/%s", a.tree.Repository, path)
	}
	var pe *parseError
	if errors.As(err, &pe) {
		g.Line, g.Column, g.Message = pe.line, pe.column, "not readable as YAML: "+pe.message
	}
	return g
}

func (a *analysis) result() Result {
	r := Result{Mentions: a.mentions, Gaps: a.gaps, Terraform: a.wantsCode}
	if a.code != nil {
		r.Resources = Resources(a.tree.Repository, a.code)
	}
	if len(a.findings) > 0 {
		r.Logins = make([]inventory.Login, 0, len(a.findings))
	}
	for _, f := range a.findings {
		l := f.Login
		l.With = a.together(f)
		r.Logins = append(r.Logins, l)
	}
	sort.SliceStable(r.Logins, func(i, j int) bool { return before(r.Logins[i], r.Logins[j]) })
	if a.options.Strings == nil {
		a.options.Strings = NewStrings()
	}
	a.options.Strings.detach(&r)
	return r
}

func before(a, b inventory.Login) bool {
	switch {
	case a.File != b.File:
		return a.File < b.File
	case a.Line != b.Line:
		return a.Line < b.Line
	}
	return a.Column < b.Column
}

// finder looks for the logins of one file.
type finder struct {
	*analysis
	memory      *memory // lent for as long as it looks
	file        *file
	findings    []*finding
	mentions    []inventory.Mention
	gaps        []inventory.Gap
	seen        map[int]*finding // by place: what an anchor shares is one login
	ownMentions int              // how many mentions do not depend on what is learned of other files
}

func (f *finder) run() {
	f.seen = make(map[int]*finding)
	f.envLogins(f.file.env, nil, nil)
	for _, j := range f.file.jobs {
		if j.never {
			f.disabled(j.node, "job is disabled by if: false")
			continue
		}
		f.envLogins(j.env, j, nil)
		f.imageLogins(j)
		for _, s := range j.steps {
			f.stepLogins(s)
		}
	}
	for _, s := range f.file.steps {
		f.stepLogins(s)
	}
	f.comments()
	f.ownMentions = len(f.mentions)
}

func (f *finder) stepLogins(s *step) {
	if s.never {
		f.disabled(s.node, "step is disabled by if: false")
		return
	}
	f.envLogins(s.env, s.job, s)
	if s.action != "" {
		f.actionLogins(s)
	}
	f.scriptLogins(s)
}

// atKey makes a finding at a key and its value.
func (f *finder) atKey(kind inventory.Kind, e entry, j *job, s *step) *finding {
	start, end := f.file.start(e.key), f.file.end(e.raw)
	return f.atRange(kind, e, max(end, f.file.end(e.key)), start, j, s)
}

func (f *finder) atRange(kind inventory.Kind, e entry, end, start int, j *job, s *step) *finding {
	if have := f.seen[start]; have != nil {
		f.share(have, j)
		return nil
	}
	if f.full() {
		return nil
	}
	line, column := f.file.place(start)
	endLine, endColumn := f.file.place(end)
	n := f.memory.findings.One()
	*n = finding{file: f.file, job: j, step: s, entry: e, start: start, end: end, Login: inventory.Login{
		ID:         inventory.NewLoginID(f.tree.Repository, f.file.path, line, column),
		Repository: f.tree.Repository, File: f.file.path,
		Line: line, Column: column, EndLine: endLine, EndColumn: endColumn, Kind: kind, Step: s.label(),
		Secrets: []inventory.SecretUse{},
	}}
	if j != nil {
		n.Job, n.Jobs, n.needsToken = j.id, []string{j.id}, []*job{j}
	} else if !f.file.action {
		for _, j := range f.file.jobs {
			n.Jobs = append(n.Jobs, j.id)
		}
	}
	f.seen[start] = n
	f.findings = append(f.findings, n)
	return n
}

// maxLogins is how many logins of one file are listed. No real file comes near it, and what compares the logins of a file with each
// other would take too long.
const maxLogins = 500

// full tells whether no more logins of a file are listed, and notes it once: the file is not changed, and the rest is a gap.
func (f *finder) full() bool {
	if len(f.findings) < maxLogins || f.file.overfull {
		return f.file.overfull
	}
	f.file.overfull = true
	f.gaps = append(f.gaps, *f.gap(f.file.path, fmt.Errorf("the file has more than %d places with credentials; the others are not listed", maxLogins)))
	return true
}

// share notes that another job uses a login through an anchor.
func (f *finder) share(n *finding, j *job) {
	if j == nil {
		return
	}
	for _, have := range n.needsToken {
		if have == j {
			return
		}
	}
	n.Jobs = append(n.Jobs, j.id)
	n.needsToken = append(n.needsToken, j)
}

// neverRuns recognises `if: false`, with or without ${{ }}.
func neverRuns(condition string) bool {
	if condition == "" {
		return false
	}
	value, _ := constant(condition)
	return value == alwaysFalse
}

func (f *finder) disabled(n *yaml.Node, why string) {
	walkScalars(n, func(s *yaml.Node) {
		for _, r := range refsOf(s.Value) {
			if r.context != "secrets" || r.name() == "" || r.name() == "GITHUB_TOKEN" {
				continue
			}
			line, column := f.file.place(f.file.start(s))
			f.mentions = append(f.mentions, inventory.Mention{Repository: f.tree.Repository, File: f.file.path,
				Line: line, Column: column, Secret: r.name(), Text: why})
		}
	})
}

// walkScalars visits the scalars below a node; aliases are not followed, since what they name is visited at its anchor.
func walkScalars(n *yaml.Node, visit func(*yaml.Node)) {
	if n == nil {
		return
	}
	if n.Kind == yaml.ScalarNode {
		visit(n)
		return
	}
	for _, c := range n.Content {
		walkScalars(c, visit)
	}
}
