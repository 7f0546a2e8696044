package execute

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// earlier refuses to roll back a unit of which an earlier plan did something that this one does not know any more: a
// connection that was converted, or logins that were rewritten, count as migrated in a plan that was made afterwards. Taking
// their trust away would leave them without a way to sign in.
func (e *Executor) earlier(u plan.Unit) error {
	var what []string
	hash := ""
	units := e.units()
	look(e, func(f *fold) bool {
		for _, k := range f.order {
			p := f.steps[k]
			kind, name, _ := strings.Cut(k.step, "/")
			if k.unit != u.ID || !slices.Contains([]plan.StepKind{plan.StepConnection, plan.StepReplacement, plan.StepIdentity, plan.StepRole}, plan.StepKind(kind)) || p.done == nil && p.intent == nil {
				continue
			}
			if _, ok := u.Step(k.step); ok {
				continue
			}
			r := p.done
			if r == nil {
				r = p.intent
			}
			hash, what = r.Plan, append(what, earlierText(plan.StepKind(kind), name))
		}
		for _, q := range f.requests {
			if slices.Contains(q.units, u.ID) && e.unknown(f, units, u, q) {
				what = append(what, fmt.Sprintf("pull request #%d of %s", q.number, q.repository))
			}
		}
		return true
	})
	if len(what) == 0 {
		return nil
	}
	next := []string{"put the plan back that did it, as plan.json in the state"}
	if hash != "" {
		next[0] += fmt.Sprintf(" (its hash begins with %s)", hash[:min(12, len(hash))])
	}
	return &manualError{err: fmt.Errorf("an earlier plan did what this plan does not know any more: %s; nothing was changed, since taking back the rest would leave it without a way to sign in", strings.Join(what, ", ")),
		next: append(next, "and roll back with it; or take these back by hand, and remove what unsecret added to the application afterwards")}
}

func earlierText(kind plan.StepKind, name string) string {
	switch kind {
	case plan.StepReplacement:
		return "the connection that was made in place of " + name
	case plan.StepIdentity:
		return "the creation of managed identity " + name
	case plan.StepRole:
		return "a role of a managed identity at " + name
	}
	return "the conversion of connection " + name
}

// unknown tells whether a pull request that counts carries logins that no step of any plan that is to be had names.
func (e *Executor) unknown(f *fold, units []plan.Unit, u plan.Unit, q *request) bool {
	if q.revert || q.state == requestUndone {
		return false
	}
	if q.state != requestMerged {
		_, ok := u.Step(plan.PullRequestID(q.repository))
		return !ok
	}
	return slices.ContainsFunc(q.logins, func(l inventory.LoginID) bool {
		_, left := q.left[string(l)]
		return !left && !e.reverted(f, q, l) && !e.named(units, q, l)
	})
}

// reverted tells whether a later pull request has taken the rewrite of a login back.
func (e *Executor) reverted(f *fold, q *request, l inventory.LoginID) bool {
	all := f.of(q.repository)
	return slices.ContainsFunc(all[slices.Index(all, q):], func(r *request) bool {
		return r.revert && r.state == requestMerged && slices.Contains(r.logins, l) && e.sameScan(r, q, fileOf(l, q.repository))
	})
}

// named tells whether a step of any unit rewrites the login that a request means.
func (e *Executor) named(units []plan.Unit, q *request, l inventory.LoginID) bool {
	return slices.ContainsFunc(units, func(u plan.Unit) bool {
		return slices.ContainsFunc(u.Steps, func(s plan.Step) bool {
			return s.Kind == plan.StepPullRequest && s.PullRequest.Repository == q.repository && e.speaksOf(q, s.PullRequest, fileOf(l, q.repository)) &&
				slices.ContainsFunc(s.PullRequest.Logins, func(x plan.PlannedLogin) bool { return x.ID == l })
		})
	})
}
