package main

import (
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// people are what people do in a lab while the program is at work.
var people = map[string]func(*world.World){
	"forbids-passwords": func(w *world.World) { w.Knobs.NewPasswordPolicy = true },
	"allows-passwords":  func(w *world.World) { w.Knobs.NewPasswordPolicy = false },
	"refuses-federation": func(w *world.World) {
		w.Knobs.RefuseCreate = "No connection with workload identity federation is made here."
	},
	"archives":   func(w *world.World) { everyRepo(w, func(r *world.Repo) { r.Archived = true }) },
	"unarchives": func(w *world.World) { everyRepo(w, func(r *world.Repo) { r.Archived = false }) },
	"deletes-applications": func(w *world.World) {
		for _, t := range w.Tenants {
			t.Apps = nil
		}
	},
	"deletes-connections": func(w *world.World) {
		for _, o := range w.DevOps {
			o.Connections = nil
		}
	},
	"edits-workflows": func(w *world.World) {
		everyRepo(w, func(r *world.Repo) {
			files := map[string][]byte{}
			for path, content := range r.Files(r.Head(r.DefaultBranch)) {
				if strings.HasPrefix(path, ".github/workflows/") {
					files[path] = append([]byte("# edited\n"), content...)
				}
			}
			w.CommitFiles(r, r.DefaultBranch, "edit", files)
		})
	},
	"adds-passwords": func(w *world.World) {
		for _, t := range w.Tenants {
			for _, a := range t.Apps {
				if len(a.Passwords) > 0 {
					p := *a.Passwords[0]
					p.KeyID, p.Value = w.NewID(), w.NewSecret()
					a.Passwords = append(a.Passwords, &p)
				}
			}
		}
	},
	"closes-pull-requests": func(w *world.World) {
		everyRepo(w, func(r *world.Repo) {
			for _, p := range r.Pulls {
				if p.State == "open" {
					p.State = "closed"
				}
			}
		})
	},
	"updates-issuers": func(w *world.World) {
		for _, o := range w.DevOps {
			for _, c := range o.Connections {
				if strings.Contains(c.Params["workloadIdentityFederationIssuer"], "vstoken") {
					_ = w.UpdateIssuer(o, c) // one whose application does not trust it stays as it is
				}
			}
		}
	},
	"deletes-trust": func(w *world.World) {
		for _, t := range w.Tenants {
			for _, a := range t.Apps {
				a.FICs = nil
			}
		}
	},
}

func everyRepo(w *world.World, do func(*world.Repo)) {
	for _, r := range w.GitHub.Repos {
		do(r)
	}
}

func cmdPerson(ts *testscript.TestScript, _ bool, args []string) {
	do := people[args[0]]
	if do == nil {
		names := make([]string, 0, len(people))
		for name := range people {
			names = append(names, name)
		}
		slices.Sort(names)
		ts.Fatalf("people do one of %v", names)
	}
	w := state(ts).need(ts).World
	w.Lock()
	defer w.Unlock()
	do(w)
}
