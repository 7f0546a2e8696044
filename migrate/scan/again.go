package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Again reads the objects of a part of an inventory again, and gives a copy of the inventory that has them as they are now. All else in it is as it was,
// down to its order, and so is the time of the scan: nothing in the result is older.
//
// Where something that a scan could read cannot be read now, there is an error and no inventory: what is half known must not take the place of what was
// known. An object that is not there any more is no failure: the copy does not have it.
func Again(ctx context.Context, sources Sources, o Options, inv *inventory.Inventory, part inventory.Part) (*inventory.Inventory, error) {
	o.Parts, o.AllApplications = nil, false
	a := &again{scanner: newScanner(sources, o), old: inv, part: part, names: map[string]bool{}, ids: map[int64]bool{}, applications: part.Applications}
	if err := a.connected(sources); err != nil {
		return nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, org := range sources.AzureDevOps {
		g.Go(func() error {
			defer crash.Report()
			return a.devOpsPart(gctx, org)
		})
	}
	for _, scope := range sources.GitHub {
		g.Go(func() error {
			defer crash.Report()
			return a.gitHubPart(gctx, scope)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if sources.Entra != nil {
		if err := a.entraPart(ctx, sources.Entra, sources.Azure); err != nil {
			return nil, err
		}
	}
	if err := a.lost(); err != nil {
		return nil, err
	}
	return a.splice(), nil
}

// again is one call of Again. What its scanner's inventory has was read now.
type again struct {
	*scanner
	old  *inventory.Inventory
	part inventory.Part

	mu           sync.Mutex
	applications []inventory.AppID // that were read
	names        map[string]bool   // repositories that were read, by their old and new names in lower case
	ids          map[int64]bool
	owners       []string // whose organisation's secrets and variables were read
	projects     []readProject
	connections  []inventory.ConnectionID // that were looked for
	missed       []error                  // what was read besides, and could not be
}

// connected checks that there is a source for everything that is to be read.
func (a *again) connected(sources Sources) error {
	missing := ""
	switch {
	case len(a.part.Connections) > 0 && len(sources.AzureDevOps) == 0:
		missing = "Azure DevOps"
	case len(a.part.Repositories) > 0 && len(sources.GitHub) == 0:
		missing = "GitHub"
	case len(a.part.Applications) > 0 && sources.Entra == nil:
		missing = "Microsoft Entra"
	}
	if missing != "" {
		return fmt.Errorf("a part of it is in %s, which is not connected: configure it as it was for the scan", missing)
	}
	return nil
}

// entraPart reads the applications of the part, and those that something names now which nothing named at the scan.
func (a *again) entraPart(ctx context.Context, tenant Entra, azure Azure) error {
	before := named(a.old, a.o.Applications...)
	for _, id := range named(&a.inv) {
		if !slices.Contains(before, id) && !a.part.HasApplication(id) && !slices.ContainsFunc(a.old.Identities, func(x inventory.Identity) bool { return strings.EqualFold(string(x.AppID), string(id)) }) {
			a.applications = append(a.applications, id)
		}
	}
	if len(a.applications) == 0 {
		return nil
	}
	list, gaps, err := tenant.Applications(ctx, a.applications)
	if err != nil {
		return fmt.Errorf("read applications again: %w", err)
	}
	a.gaps(gaps)
	return a.identities(ctx, tenant, azure, list)
}

// lost tells what could not be read and could be at the scan. A gap that the scan had, too, changes nothing.
func (a *again) lost() error {
	errs := slices.Clone(a.missed)
	for _, id := range a.inv.Identities {
		for _, was := range a.old.Identities {
			if was.AppID == id.AppID {
				errs = append(errs, unknown(was, id)...)
			}
		}
	}
	for _, g := range a.inv.Gaps {
		if (g.Passing || g.Permission != "") && !slices.ContainsFunc(a.old.Gaps, func(x inventory.Gap) bool { return samePlace(x, g) }) {
			text := g.Object + ": " + g.Message
			if g.Next != "" {
				text += " (" + g.Next + ")"
			}
			errs = append(errs, errors.New(text))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("not everything of it could be read, so that nothing is planned from it: %w", errors.Join(errs...))
}

// unknown tells what is not known of an application any more.
func unknown(was, is inventory.Identity) []error {
	var out []error
	for _, x := range []struct {
		what     string
		had, has bool
		reason   string
	}{
		{"its sign-ins", was.SignIns.Known, is.SignIns.Known, is.SignIns.Reason},
		{"whether it may get a new password", was.NewPasswords.Known, is.NewPasswords.Known, is.NewPasswords.Reason},
		{"what it has besides Azure roles", grantsOf(was).Known, is.Grants == nil || is.Grants.Known, grantsOf(is).Reason},
	} {
		if x.had && !x.has {
			out = append(out, fmt.Errorf("application %s: %s could not be read: %s", is.DisplayName, x.what, x.reason))
		}
	}
	return out
}

func grantsOf(id inventory.Identity) inventory.Grants {
	if id.Grants == nil {
		return inventory.Grants{}
	}
	return *id.Grants
}

func samePlace(a, b inventory.Gap) bool {
	return a.Source == b.Source && a.Object == b.Object && a.File == b.File
}

// splice puts what was read into a copy of the inventory, in the place of what it had of the same objects.
func (a *again) splice() *inventory.Inventory {
	out := *a.old
	a.spliceIdentities(&out)
	a.spliceRepositories(&out)
	a.splicePipelines(&out)
	out.Gaps = slices.DeleteFunc(slices.Clone(a.old.Gaps), a.about)
	for _, g := range a.inv.Gaps {
		if !slices.ContainsFunc(out.Gaps, func(x inventory.Gap) bool { return samePlace(x, g) && x.Line == g.Line }) {
			out.Gaps = append(out.Gaps, g)
		}
	}
	Sort(&out)
	sortPipelines(&out)
	return &out
}

// about tells whether a gap of the scan is about something that was read again.
func (a *again) about(g inventory.Gap) bool {
	switch g.Source {
	case inventory.SourceGitHub:
		for name := range a.names {
			object := strings.ToLower(g.Object)
			if object == name || strings.HasSuffix(object, " "+name) || strings.HasPrefix(strings.TrimPrefix(object, "repository "), name+"/") {
				return true
			}
		}
	case inventory.SourceAzureDevOps:
		return slices.ContainsFunc(a.projects, func(p readProject) bool { return p.hides(g) })
	case inventory.SourceEntra:
		return slices.ContainsFunc(a.applications, func(id inventory.AppID) bool { return strings.Contains(g.Object, string(id)) })
	}
	return false
}

func (a *again) spliceIdentities(out *inventory.Inventory) {
	names := map[inventory.AppID]string{}
	read := func(id inventory.Identity) bool {
		return slices.ContainsFunc(a.applications, func(x inventory.AppID) bool { return strings.EqualFold(string(x), string(id.AppID)) })
	}
	for _, id := range a.old.Identities {
		names[id.AppID] = id.DisplayName
	}
	out.Identities = slices.DeleteFunc(slices.Clone(a.old.Identities), read)
	for _, id := range a.inv.Identities {
		// Units are called by the names of their applications. One that is under way must not get another name.
		if name, ok := names[id.AppID]; ok {
			id.DisplayName = name
		}
		out.Identities = append(out.Identities, id)
	}
	if len(a.inv.ManagedIdentities)+len(a.inv.Subscriptions) > 0 {
		out.ManagedIdentities, out.Subscriptions = a.inv.ManagedIdentities, a.inv.Subscriptions
	}
}
