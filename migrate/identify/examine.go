package identify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// examiner weighs evidence; it holds what all questions share.
type examiner struct {
	in    Input
	repos map[string]*inventory.Repository // by name, lower case
	apps  map[inventory.AppID]*Application
	names *nameIndex
}

func newExaminer(in Input) *examiner {
	e := &examiner{in: in, repos: map[string]*inventory.Repository{}, apps: map[inventory.AppID]*Application{}, names: newNameIndex(in.Applications)}
	for i := range in.Applications {
		e.apps[in.Applications[i].AppID] = &in.Applications[i]
	}
	for i := range in.Inventory.Repositories {
		r := &in.Inventory.Repositories[i]
		e.repos[strings.ToLower(string(r.Name))] = r
	}
	return e
}

// question is what is known of one secret and of all that read it.
type question struct {
	e            *examiner
	open         plan.OpenSecret
	repositories []inventory.RepositoryName
	environments []string // that it is read in; the secret's own, if it has one
	workflows    []Workflow
	literals     map[inventory.AppID]string // client ids that stand in the logins' text → where
	visible      map[inventory.AppID]clientVariable
	subs         map[inventory.SubscriptionID]string // that logins name → where
	terms        []term                              // names to look for
}

// clientVariable is a readable variable that holds a client id.
type clientVariable struct {
	ref  inventory.StoreRef
	near bool // it is in the secret's own place
}

func (e *examiner) question(o plan.OpenSecret) *question {
	q := &question{e: e, open: o, literals: map[inventory.AppID]string{}, visible: map[inventory.AppID]clientVariable{}, subs: map[inventory.SubscriptionID]string{}}
	if o.Store.Environment != "" {
		q.environments = []string{o.Store.Environment}
	}
	for _, u := range o.Uses {
		q.addUse(u)
	}
	q.workflows = WorkflowsOf(o)
	for _, v := range e.in.Inventory.Variables {
		q.addVariable(v)
	}
	q.terms = e.names.terms(q)
	return q
}

func (q *question) addUse(u plan.SecretRead) {
	q.repositories = appendNew(q.repositories, u.Repository)
	for _, env := range u.Environments {
		if env != "" && q.open.Store.Environment == "" {
			q.environments = appendNew(q.environments, env)
		}
	}
	hint := u.Login.Identity
	if inventory.IsGUID(hint.ClientID) {
		q.literals[lower(inventory.AppID(hint.ClientID))] = string(u.Login.ID)
	}
	if inventory.IsGUID(hint.SubscriptionID) {
		q.subs[inventory.SubscriptionID(strings.ToLower(hint.SubscriptionID))] = "the login " + string(u.Login.ID) + " names"
	}
}

// addVariable takes variables that a reader of the secret can see and that hold a GUID. Whether it is a client id shows when an
// application has it.
func (q *question) addVariable(v inventory.Variable) {
	value := strings.ToLower(strings.TrimSpace(v.Value))
	if !inventory.IsGUID(value) || !q.sees(v) {
		return
	}
	ref := v.Ref()
	if strings.Contains(strings.ToUpper(v.Name), "SUBSCRIPTION") {
		q.subs[inventory.SubscriptionID(value)] = "variable " + ref.String() + " is"
		return
	}
	here := ref
	here.Name = q.open.Store.Name
	near := here.Same(q.open.Store)
	if old, ok := q.visible[inventory.AppID(value)]; !ok || near && !old.near {
		q.visible[inventory.AppID(value)] = clientVariable{ref, near}
	}
}

func (q *question) sees(v inventory.Variable) bool {
	return slices.ContainsFunc(q.repositories, func(r inventory.RepositoryName) bool {
		if v.Level == inventory.LevelOrganization {
			return strings.EqualFold(r.Owner(), v.Owner)
		}
		return strings.EqualFold(string(v.Repository), string(r))
	})
}

// WorkflowsOf lists the workflow files whose runs read a secret.
func WorkflowsOf(o plan.OpenSecret) []Workflow {
	var out []Workflow
	for _, u := range o.Uses {
		for _, j := range u.Login.Subjects {
			repo := j.Repository
			if repo == "" {
				repo = u.Login.Repository
			}
			if repo == u.Repository && strings.HasPrefix(j.File, ".github/workflows/") {
				out = appendNew(out, Workflow{repo, j.File})
			}
		}
		if len(u.Login.Subjects) == 0 && strings.HasPrefix(u.Login.File, ".github/workflows/") {
			out = appendNew(out, Workflow{u.Login.Repository, u.Login.File})
		}
	}
	slices.SortFunc(out, func(a, b Workflow) int {
		return strings.Compare(string(a.Repository)+"/"+a.File, string(b.Repository)+"/"+b.File)
	})
	return out
}

func appendNew[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

func lower(id inventory.AppID) inventory.AppID { return inventory.AppID(strings.ToLower(string(id))) }

// candidate gathers what speaks for one application, and what against it.
func (q *question) candidate(a Application) Candidate {
	c := Candidate{AppID: a.AppID, TenantID: a.TenantID, Name: a.DisplayName, Evidence: []Evidence{}}
	for _, find := range []func(Application) []Evidence{q.proof, q.printed, q.readable, q.federated, q.signIns, q.dates, q.named, q.role} {
		c.Evidence = append(c.Evidence, find(a)...)
	}
	slices.SortStableFunc(c.Evidence, func(a, b Evidence) int { return b.Weight - a.Weight })
	c.Score = Score(c.Evidence)
	c.Against = q.against(a)
	return c
}

func (q *question) proof(a Application) []Evidence {
	p, ok := q.e.in.Proofs[q.open.Store.Key()]
	if !ok || p.AppID == "" || lower(p.AppID) != lower(a.AppID) {
		return nil
	}
	return []Evidence{{KindProbe, proven, fmt.Sprintf("a probe printed the salted digest of its client id at %s", p.Time.UTC().Format(stamp)),
		"the digest was made on a runner, of the value that the secret holds"}}
}

const stamp = "2006-01-02T15:04:05Z"

// printed weighs client ids in job logs. A log can also name an application that the job only manages.
func (q *question) printed(a Application) []Evidence {
	n, where := 0, ""
	for _, w := range q.workflows {
		for _, p := range q.e.in.Prints[w] {
			if lower(p.AppID) == lower(a.AppID) {
				n, where = n+1, fmt.Sprintf("the log of run %d of %s in %s", p.Run, w.File, w.Repository)
			}
		}
	}
	if n == 0 {
		return nil
	}
	return []Evidence{{KindLog, 60, where + " shows its client id", "a job that reads the secret printed it; jobs also print ids of what they manage"}}
}

func (q *question) readable(a Application) []Evidence {
	var out []Evidence
	if where, ok := q.literals[lower(a.AppID)]; ok {
		out = append(out, Evidence{KindReadable, 55, "its client id stands in the text of " + where, "the login itself names it"})
	}
	if v, ok := q.visible[lower(a.AppID)]; ok {
		if v.near {
			out = append(out, Evidence{KindReadable, 45, fmt.Sprintf("variable %s beside the secret is its client id", v.ref), "who stores a secret puts the ids into the same place"})
		} else {
			out = append(out, Evidence{KindReadable, 20, fmt.Sprintf("variable %s, which the repository can read, is its client id", v.ref), "it is in reach, but not in the secret's own place"})
		}
	}
	return out
}

// federated weighs federated credentials that name a repository that reads the secret.
func (q *question) federated(a Application) []Evidence {
	var out []Evidence
	for _, name := range q.repositories {
		repo := q.e.repos[strings.ToLower(string(name))]
		if repo == nil {
			continue
		}
		for _, f := range a.FederatedCredentials {
			context, ok := subject.Names(*repo, f)
			if !ok {
				continue
			}
			env, isEnv := strings.CutPrefix(context, "environment:")
			here := isEnv && slices.ContainsFunc(q.environments, func(e string) bool { return strings.EqualFold(e, env) })
			switch {
			case here:
				out = append(out, Evidence{KindFederated, 50, fmt.Sprintf("its federated credential %s names %s and environment %s", f.Name, name, env), "somebody already trusts the very jobs that read the secret"})
			default:
				out = append(out, Evidence{KindFederated, 40, fmt.Sprintf("its federated credential %s names %s", f.Name, name), "somebody already trusts this repository"})
			}
		}
	}
	return out
}

// role weighs roles in a subscription that a reader of the secret names.
func (q *question) role(a Application) []Evidence {
	for _, r := range a.Roles {
		sub := subscriptionOf(r.Scope)
		if where, ok := q.subs[sub]; ok && sub != "" {
			return []Evidence{{KindRole, 15, fmt.Sprintf("it is %s in subscription %s, which %s", r.Role, sub, strings.TrimSuffix(where, " is")), "many applications have roles in a subscription"}}
		}
	}
	return nil
}

func subscriptionOf(scope string) inventory.SubscriptionID {
	parts := strings.Split(strings.ToLower(scope), "/")
	if len(parts) > 2 && parts[1] == "subscriptions" {
		return inventory.SubscriptionID(parts[2])
	}
	return ""
}

// unknown says what could not be weighed for a secret.
func (q *question) unknown(list []Candidate) []Unknown {
	var out []Unknown
	for _, w := range q.workflows {
		if h := q.e.in.Runs[w]; h.Reason != "" {
			out = append(out, Unknown{What: fmt.Sprintf("the runs of %s in %s", w.File, w.Repository), Why: h.Reason})
		}
	}
	if q.open.Store.Level == inventory.LevelDependabot {
		out = append(out, Unknown{What: "a mapping for it", Why: "only Dependabot's runs read it, and a mapping cannot name it", Next: "give its identity by a mapping of the secret of the same name that other runs read"})
	}
	return append(out, q.unknownSignIns(list)...)
}
