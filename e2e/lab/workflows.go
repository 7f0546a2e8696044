package lab

import (
	"encoding/csv"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// LoadWorkflows loads real workflow files into a world: one repository per owner/name of the index, one identity for
// each, and a value for every secret and variable that a file names. The index is tab-separated with the columns file,
// class, source, repo, path and commit; files are in the folder. A file of source hist is an old version, whose path
// another one has: it gets the name <stem>.<commit>.yml. The mapping tells which identity is behind which secret.
func LoadWorkflows(w *world.World, folder, index string) (Mapping, error) {
	rows, err := readIndex(index)
	if err != nil {
		return nil, err
	}
	files := map[string]map[string]string{} // by repository: path → text
	for _, r := range rows {
		text, err := os.ReadFile(filepath.Join(folder, filepath.Base(r.file)))
		if err != nil {
			return nil, fmt.Errorf("load workflow %s of %s: %w", r.file, r.repo, err)
		}
		if files[r.repo] == nil {
			files[r.repo] = map[string]string{}
		}
		files[r.repo][r.place(files[r.repo])] = string(text)
	}
	b := newTenant(w, "corpus")
	sub := b.subscription("corpus")
	var mapping Mapping
	for _, name := range sortedKeys(files) {
		owner, repository, ok := strings.Cut(name, "/")
		if !ok {
			return nil, fmt.Errorf("%s: repository %q is not owner/name", index, name)
		}
		repo := w.AddRepo(owner, repository, files[name])
		app := b.app("deploy " + repo.FullName())
		b.password(app, "pipeline", 200*day, 300*day)
		b.role(app, "Contributor", contributorRole, "/subscriptions/"+sub.ID)
		l := loading{builder: b, repo: repo, app: app, sub: sub}
		for _, path := range sortedKeys(files[name]) {
			l.read(files[name][path])
		}
		mapping = append(mapping, l.fill()...)
	}
	return mapping, nil
}

type indexRow struct{ file, source, repo, path, commit string }

func readIndex(name string) ([]indexRow, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("load workflows: %w", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	lines, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("load workflows: read %s: %w", name, err)
	}
	if len(lines) == 0 || !slices.Equal(lines[0], []string{"file", "class", "source", "repo", "path", "commit"}) {
		return nil, fmt.Errorf("load workflows: %s does not begin with the columns file, class, source, repo, path, commit", name)
	}
	var rows []indexRow
	for i, l := range lines[1:] {
		if len(l) != 6 {
			return nil, fmt.Errorf("load workflows: %s line %d has %d columns instead of 6", name, i+2, len(l))
		}
		rows = append(rows, indexRow{file: l[0], source: l[2], repo: l[3], path: l[4], commit: strings.TrimSuffix(l[5], "^")})
	}
	return rows, nil
}

// place is the path of a file in its repository: a free one, always directly in .github/workflows.
func (r indexRow) place(taken map[string]string) string {
	base := path.Base(r.path)
	ext := path.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	at := ".github/workflows/" + base
	if r.source == "hist" {
		at = ".github/workflows/" + stem + "." + r.commit + ".yml"
	}
	for n := 2; ; n++ {
		if _, ok := taken[at]; !ok {
			return at
		}
		at = fmt.Sprintf(".github/workflows/%s.%d%s", stem, n, ext)
	}
}

// loading gathers the names that the files of one repository read, and what they read them as.
type loading struct {
	*builder
	repo    *world.Repo
	app     *world.App
	sub     *world.Subscription
	secrets map[string]string // upper case → as what: creds, clientsecret, clientid, tenantid, subscriptionid, or empty
	vars    map[string]bool
}

var (
	mentioned  = lazy.Regexp(`\b(secrets|vars)\s*(?:\.\s*([A-Za-z_][\w-]*)|\[\s*['"]([\w-]+)['"]\s*\])`)
	formatted  = lazy.Regexp(`\bsecrets\s*\[\s*format\(\s*'([^']*)'`)
	wholeCreds = lazy.Regexp(`(?i)(?:creds|azure[-_]credentials)["']?\s*:\s*["']?\$\{\{\s*secrets\s*(?:\.\s*([\w-]+)|\[\s*['"]([\w-]+)['"]\s*\])\s*\}\}`)
	decoded    = lazy.Regexp(`(?i)fromJSON\(\s*secrets\s*(?:\.\s*([\w-]+)|\[\s*['"]([\w-]+)['"]\s*\])`)
	sunk       = lazy.Regexp(`(?i)(client[_-]?secret|client[_-]?id|tenant[_-]?id|subscription[_-]?id)["']?\s*[:=]\s*["']?\$\{\{\s*secrets\s*(?:\.\s*([\w-]+)|\[\s*['"]([\w-]+)['"]\s*\])\s*\}\}`)
	option     = lazy.Regexp(`(?m)^\s*-\s*["']?([\w-]+)["']?\s*$`)
)

func (l *loading) read(text string) {
	if l.secrets == nil {
		l.secrets, l.vars = map[string]string{}, map[string]bool{}
	}
	for _, m := range mentioned().FindAllStringSubmatch(text, -1) {
		name := strings.ToUpper(m[2] + m[3])
		if m[1] == "vars" {
			l.vars[name] = true
		} else if _, ok := l.secrets[name]; !ok {
			l.secrets[name] = ""
		}
	}
	for _, m := range sunk().FindAllStringSubmatch(text, -1) {
		name := strings.ToUpper(m[2] + m[3])
		if l.secrets[name] == "" && !notAzure().MatchString(name) {
			l.secrets[name] = strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(m[1]))
		}
	}
	for _, pattern := range []*regexp.Regexp{wholeCreds(), decoded()} {
		for _, m := range pattern.FindAllStringSubmatch(text, -1) {
			l.secrets[strings.ToUpper(m[1]+m[2])] = "creds"
		}
	}
	for _, m := range formatted().FindAllStringSubmatch(text, -1) {
		l.expand(m[1], text)
	}
}

// expand gives secrets[format('X_{0}', …)] a secret for each plain list item of the file, which are its options.
func (l *loading) expand(template, text string) {
	if !strings.Contains(template, "{0}") {
		l.secrets[strings.ToUpper(template)] = "creds"
		return
	}
	for _, m := range option().FindAllStringSubmatch(text, -1) {
		name := strings.ToUpper(strings.ReplaceAll(template, "{0}", m[1]))
		if !strings.ContainsAny(name, "{}-") {
			l.secrets[name] = "creds"
		}
	}
}

// Names by which people tell what a secret is. The first that fits decides.
var (
	notAzure   = lazy.Regexp(`AUTH0|WIZ|DELINEA|CDSE|MOCK|SQL|POSTGRES|MYSQL|DATABASE|(?:^|_)DB_|DOCKER|REGISTRY|(?:^|_)ACR|NPM|SMTP|ADMIN|GITHUB|SLACK|AWS|GOOGLE|GCP|OAUTH|JWT`)
	likeCreds  = lazy.Regexp(`^(?:[A-Z0-9]+_)*(?:AZURE|AML|AZ)_?(?:[A-Z0-9]+_)*(?:CREDENTIALS?|CREDS)(?:_[A-Z0-9]+)*$|^(?:.*_)?SERVICE_?PRINCIPAL$`)
	likeSecret = lazy.Regexp(`CLIENT[_-]?SECRET|CLIENTSECRET|(?:SP|SPN|PRINCIPAL|APP|LOGIN|AZURE|ARM)[A-Z0-9]*[_-](?:[A-Z0-9]+_)*(?:PASSWORD|PASS|PWD|SECRET)$`)
	likeClient = lazy.Regexp(`CLIENT[_-]?ID|CLIENTID|APP(?:LICATION)?[_-]?ID$|LOGIN_USER|SP_ID|SPN_ID|PRINCIPAL_ID`)
	likeTenant = lazy.Regexp(`TENANT`)
	likeSub    = lazy.Regexp(`SUBSCRIPTION|SUB_?ID$`)
)

// value decides what a secret or variable holds: by where its value goes, or else by its name.
func (l *loading) value(name, as string) (text string, credential bool) {
	p := l.app.Passwords[0]
	switch {
	case as == "creds":
		return l.creds(l.app, p, l.sub), true
	case as == "clientsecret":
		return p.Value, true
	case as == "tenantid" || likeTenant().MatchString(name):
		return l.tenant.ID, false
	case as == "subscriptionid" || likeSub().MatchString(name):
		return l.sub.ID, false
	case as == "clientid":
		return l.app.AppID, false
	case notAzure().MatchString(name):
	case likeClient().MatchString(name):
		return l.app.AppID, false
	case likeCreds().MatchString(name):
		return l.creds(l.app, p, l.sub), true
	case likeSecret().MatchString(name):
		return p.Value, true
	case strings.Contains(name, "PUBLISH"):
		return publishProfile(l.w, strings.ToLower(l.repo.Name)), false
	}
	return l.w.NewSecret(), false
}

// fill stores a value under every name. Variables hold ids or a word, never a secret.
func (l *loading) fill() Mapping {
	var mapping Mapping
	for _, name := range sortedKeys(l.secrets) {
		if name == "GITHUB_TOKEN" {
			continue // the platform's own
		}
		text, credential := l.value(name, l.secrets[name])
		l.w.SetSecret(&l.repo.Secrets, name, text)
		if credential {
			mapping = append(mapping, Held{Repository: l.repo.FullName(), Name: name, AppID: l.app.AppID, KeyID: l.app.Passwords[0].KeyID})
		}
	}
	for _, name := range sortedKeys(l.vars) {
		text, credential := l.value(name, "")
		if credential || strings.Contains(text, world.Canary) {
			text = "lab-" + strings.ToLower(name)
		}
		l.w.SetVariable(&l.repo.Variables, name, text)
	}
	return mapping
}
