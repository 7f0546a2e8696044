package lab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/simulate"
)

// withControl puts the control API under /_lab/ of a server. It is neither counted nor hit by faults, and protected by
// nothing but loopback.
func (l *Lab) withControl(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	for pattern, op := range map[string]func(*http.Request) (any, error){
		"GET /_lab/{$}":          l.controlSummary,
		"GET /_lab/counts":       func(*http.Request) (any, error) { return l.Counts(), nil },
		"DELETE /_lab/counts":    func(*http.Request) (any, error) { l.ResetCounts(); return l.Counts(), nil },
		"POST /_lab/clock":       l.controlClock,
		"POST /_lab/merge":       l.controlMerge,
		"POST /_lab/event":       l.controlEvent,
		"POST /_lab/pipeline":    l.controlPipeline,
		"POST /_lab/trigger-all": func(*http.Request) (any, error) { return l.controlTriggerAll() },
		"POST /_lab/faults":      l.controlFaults,
		"DELETE /_lab/faults":    func(*http.Request) (any, error) { l.Faults.Clear(); return struct{}{}, nil },
		"POST /_lab/knobs":       l.controlKnobs,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, err := op(r)
			if err != nil {
				writeJSON(w, http.StatusBadRequest, map[string]any{"error": err.Error(), "result": body})
				return
			}
			writeJSON(w, http.StatusOK, body)
		})
	}
	return mux
}

// decode reads a request of the control API; an unknown field is an error, since it is a misspelt one.
func decode(r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read the request's JSON: %w", err)
	}
	return nil
}

// Summary is what a lab holds, in numbers and names.
type Summary struct {
	Now           time.Time      `json:"now"`
	Endpoints     any            `json:"endpoints"`
	Tenants       []string       `json:"tenants"`
	Organizations []string       `json:"organizations"` // Azure DevOps
	Accounts      []string       `json:"accounts"`      // GitHub
	Applications  int            `json:"applications"`
	Credentials   map[string]int `json:"credentials"` // password, certificate, federated
	Connections   map[string]int `json:"connections"` // by scheme
	Repositories  int            `json:"repositories"`
	PullRequests  map[string]int `json:"pullRequests"` // open, closed, merged
	SignIns       map[string]int `json:"signIns"`      // by credential type, and failed
}

// Summary counts what the lab holds.
func (l *Lab) Summary() Summary {
	w := l.World
	w.Lock()
	defer w.Unlock()
	s := Summary{
		Now: w.Clock.Now(), Endpoints: w.Endpoints, Tenants: sortedKeys(w.Tenants), Repositories: len(w.GitHub.Repos),
		Credentials: map[string]int{}, Connections: map[string]int{}, PullRequests: map[string]int{}, SignIns: map[string]int{},
	}
	for _, t := range w.Tenants {
		s.Applications += len(t.Apps)
		for _, app := range t.Apps {
			s.Credentials["password"] += len(app.Passwords)
			s.Credentials["certificate"] += len(app.Keys)
			s.Credentials["federated"] += len(app.FICs)
		}
	}
	for _, name := range sortedKeys(w.DevOps) {
		s.Organizations = append(s.Organizations, w.DevOps[name].Name)
		for _, c := range w.DevOps[name].Connections {
			s.Connections[c.Scheme]++
		}
	}
	for _, name := range sortedKeys(w.GitHub.Accounts) {
		s.Accounts = append(s.Accounts, w.GitHub.Accounts[name].Login)
	}
	for _, r := range w.GitHub.Repos {
		for _, p := range r.Pulls {
			if p.Merged {
				s.PullRequests["merged"]++
				continue
			}
			s.PullRequests[p.State]++
		}
	}
	for _, e := range w.SignIns {
		s.SignIns[e.CredentialType]++
		if e.ErrorCode != 0 {
			s.SignIns["failed"]++
		}
	}
	return s
}

func (l *Lab) controlSummary(*http.Request) (any, error) { return l.Summary(), nil }

func (l *Lab) controlClock(r *http.Request) (any, error) {
	var q struct {
		Move   string     `json:"move"`
		Freeze *time.Time `json:"freeze"`
	}
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	if q.Freeze != nil {
		l.World.Clock.Freeze(*q.Freeze)
	}
	if q.Move != "" {
		d, err := time.ParseDuration(q.Move)
		if err != nil {
			return nil, fmt.Errorf("move %q is not a duration such as 168h: %w", q.Move, err)
		}
		l.World.Clock.Move(d)
	}
	return map[string]any{"now": l.World.Clock.Now()}, nil
}

func (l *Lab) controlMerge(r *http.Request) (any, error) {
	var q struct {
		Repository string `json:"repository"`
		Number     int    `json:"number"`
		All        bool   `json:"all"`
	}
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	if q.All {
		n, err := l.MergeAll()
		return map[string]any{"merged": n}, err
	}
	if err := l.Merge(q.Repository, q.Number); err != nil {
		return map[string]any{"merged": 0}, err
	}
	return map[string]any{"merged": 1}, nil
}

func (l *Lab) controlEvent(r *http.Request) (any, error) {
	var q struct {
		Repository string            `json:"repository"`
		Event      string            `json:"event"`
		Ref        string            `json:"ref"`
		Base       string            `json:"base"`
		Type       string            `json:"type"`
		Workflow   string            `json:"workflow"`
		Inputs     map[string]string `json:"inputs"`
	}
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	outcomes, err := l.Fire(q.Repository, simulate.Event{
		Name: q.Event, Ref: q.Ref, Base: q.Base, Type: q.Type, Workflow: q.Workflow, Inputs: q.Inputs,
	})
	return map[string]any{"outcomes": orEmpty(outcomes)}, err
}

func (l *Lab) controlPipeline(r *http.Request) (any, error) {
	var q struct {
		Organization string `json:"organization"`
		Connection   string `json:"connection"`
	}
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	o, err := l.UseConnection(r.Context(), q.Organization, q.Connection)
	return map[string]any{"outcomes": []Outcome{o}}, err
}

func (l *Lab) controlTriggerAll() (any, error) {
	outcomes, err := l.TriggerAll()
	return map[string]any{"outcomes": orEmpty(outcomes)}, err
}

func orEmpty(o []Outcome) []Outcome {
	if o == nil {
		return []Outcome{}
	}
	return o
}

func (l *Lab) controlFaults(r *http.Request) (any, error) {
	var f Fault
	if err := decode(r, &f); err != nil {
		return nil, err
	}
	return f, l.Faults.SetFault(f)
}

// controlKnobs takes any of the knobs by the names of world.Knobs; durations are texts such as 10m.
func (l *Lab) controlKnobs(r *http.Request) (any, error) {
	var q struct {
		ConvertAsync, CreateAsync, RevertWindow, FICPropagation, SignInLogLatency                                         *string
		ACRNoTest, IgnoreDisable, SaveRenews, ChecksGrow, AskPermission                                                   *bool
		ConvertOldIssuer, NewPasswordPolicy, ACRConvert, AutoMergeable, EnvironmentAsCreated, NoGitBatches, ReviewersHold *bool
		SignInLogForbid, Expand, KeyWriteBack, RefuseCreate, OrganizationRoles                                            *string
		GraphQLMaxRepos                                                                                                   *int
	}
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	l.World.Lock()
	defer l.World.Unlock()
	k := l.World.Knobs
	for text, to := range map[*string]*time.Duration{
		q.ConvertAsync: &k.ConvertAsync, q.CreateAsync: &k.CreateAsync, q.RevertWindow: &k.RevertWindow, q.FICPropagation: &k.FICPropagation, q.SignInLogLatency: &k.SignInLogLatency,
	} {
		if text == nil {
			continue
		}
		d, err := time.ParseDuration(*text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a duration such as 10m: %w", *text, err)
		}
		*to = d
	}
	set(&k.ConvertOldIssuer, q.ConvertOldIssuer)
	set(&k.NewPasswordPolicy, q.NewPasswordPolicy)
	set(&k.ACRConvert, q.ACRConvert)
	set(&k.ACRNoTest, q.ACRNoTest)
	set(&k.IgnoreDisable, q.IgnoreDisable)
	set(&k.SaveRenews, q.SaveRenews)
	set(&k.ChecksGrow, q.ChecksGrow)
	set(&k.AskPermission, q.AskPermission)
	set(&k.RefuseCreate, q.RefuseCreate)
	set(&k.AutoMergeable, q.AutoMergeable)
	set(&k.EnvironmentAsCreated, q.EnvironmentAsCreated)
	set(&k.ReviewersHold, q.ReviewersHold)
	set(&k.SignInLogForbid, q.SignInLogForbid)
	set(&k.Expand, q.Expand)
	set(&k.KeyWriteBack, q.KeyWriteBack)
	set(&k.OrganizationRoles, q.OrganizationRoles)
	set(&k.NoGitBatches, q.NoGitBatches)
	set(&k.GraphQLMaxRepos, q.GraphQLMaxRepos)
	l.World.Knobs = k
	return k, nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}
