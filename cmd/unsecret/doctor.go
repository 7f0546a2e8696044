package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/internal/crash"
	"github.com/unsecret-dev/unsecret/migrate/doctor"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/providers"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

func newDoctor(a *app) *cobra.Command {
	var phase, output string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check network, credentials and permissions of every source",
		Long: `Asks every configured source for a little of all that unsecret reads, and says what works, which
permission is missing for which feature, and what grants it. It only reads: what only a change
would show is listed as not tested. Ends with 0 if all is fine, with 5 if some features are
missing, and with 1 if a source cannot be reached or signed in to.`,
		Example: "  unsecret doctor --for scan",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), phase, output) },
	}
	cmd.Flags().StringVar(&phase, "for", "", "only what this `phase` needs: scan, apply, revoke, probe")
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

func (a *app) doctor(ctx context.Context, name, output string) error {
	phase, err := permissions.ParsePhase(name)
	if err != nil {
		return usageErrorf("invalid argument for --for: %w", err)
	}
	if err := checkOutput(output, "table", "json"); err != nil {
		return err
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	if !c.hasSources() {
		return usageErrorf("there is nothing to check: name sources in %s (azureDevOps.organizations, github.organizations, entra.tenant)", defaultConfigFile)
	}
	r := doctor.Diagnose(a.probe(ctx, c), phase)
	if err := ctx.Err(); err != nil {
		return err
	}
	if output == "json" {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		printDoctor(a.std.out, r)
	}
	switch r.State {
	case doctor.Unreachable:
		return exitWith(exitFailed)
	case doctor.Missing:
		return exitWith(exitPartly)
	}
	return nil
}

func (c *config) hasSources() bool {
	return len(c.AzureDevOps.Organizations)+len(c.GitHub.Organizations)+len(c.GitHub.Repositories) > 0 || c.Entra.Tenant != ""
}

// probe connects each part by itself, so that one that cannot be signed in to says so and the others are checked all the
// same, and probes all of them at once.
func (a *app) probe(ctx context.Context, c *config) []doctor.Source {
	var sources []func() doctor.Source
	var sets []*connection
	for _, part := range c.parts() {
		conn, err := a.connect(ctx, &part.config, true)
		if err != nil && part.fallback != nil {
			conn, err = a.connect(ctx, part.fallback, true)
		}
		if err != nil {
			for _, s := range part.sources {
				sources = append(sources, func() doctor.Source { return notConnected(s, err) })
			}
			continue
		}
		sets = append(sets, conn)
		for _, p := range part.probers(conn.Set) {
			sources = append(sources, func() doctor.Source { return p.Probe(ctx) })
		}
	}
	out := make([]doctor.Source, len(sources))
	var wg sync.WaitGroup
	for i, probe := range sources {
		wg.Go(func() {
			defer crash.Report()
			out[i] = probe()
		})
	}
	wg.Wait()
	for _, s := range sets {
		s.report(a)
		s.Close()
	}
	return out
}

// notConnected is the answer of a source that no client could be made for: without a token, or because finding out the tenant
// found no answer.
func notConnected(s doctor.Source, err error) doctor.Source {
	check := doctor.CheckSignIn
	var lost *transport.Error
	if errors.As(err, &lost) && lost.Status == 0 {
		check = doctor.CheckApplications
	}
	s.Answers = []doctor.Answer{doctor.Lost(check, s.Name, err)}
	return s
}

// doctorPart is a part of the configuration that is connected by itself.
type doctorPart struct {
	config   config
	fallback *config         // where the first cannot be connected
	sources  []doctor.Source // without answers
	probers  func(*providers.Set) []doctor.Prober
}

// parts divides a configuration. Azure is signed in to with what Entra's part says, so it comes with it.
func (c *config) parts() []doctorPart {
	base := *c
	base.AzureDevOps.Organizations, base.GitHub.Organizations, base.GitHub.Repositories, base.Entra.Tenant = nil, nil, nil, ""
	var out []doctorPart
	if len(c.AzureDevOps.Organizations) > 0 {
		out = append(out, c.devOpsPart(base))
	}
	if len(c.GitHub.Organizations)+len(c.GitHub.Repositories) > 0 {
		out = append(out, c.githubPart(base))
	}
	if c.Entra.Tenant != "" {
		out = append(out, c.entraPart(base), c.azurePart(base))
	}
	return out
}

func (c *config) devOpsPart(base config) doctorPart {
	base.AzureDevOps = c.AzureDevOps
	alone := base
	// The sign-in is in Entra's tenant, where one is named; whether Graph can be had is another question.
	base.Entra, base.Azure.Skip = c.Entra, true
	p := doctorPart{config: base, fallback: &alone, probers: func(s *providers.Set) []doctor.Prober {
		var list []doctor.Prober
		for _, name := range c.AzureDevOps.Organizations {
			list = append(list, s.AzureDevOps[name])
		}
		return list
	}}
	for _, name := range c.AzureDevOps.Organizations {
		p.sources = append(p.sources, doctor.Source{Kind: inventory.SourceAzureDevOps, Name: name})
	}
	return p
}

func (c *config) githubPart(base config) doctorPart {
	base.GitHub = c.GitHub
	p := doctorPart{config: base, probers: func(s *providers.Set) []doctor.Prober {
		var list []doctor.Prober
		for _, owner := range c.GitHub.Organizations {
			list = append(list, s.GitHub.OwnerProber(owner))
		}
		for _, repo := range c.GitHub.Repositories {
			list = append(list, s.GitHub.RepositoryProber(repo))
		}
		return list
	}}
	for _, owner := range c.GitHub.Organizations {
		p.sources = append(p.sources, doctor.Source{Kind: inventory.SourceGitHub, Name: owner})
	}
	for _, repo := range c.GitHub.Repositories {
		p.sources = append(p.sources, doctor.Source{Kind: inventory.SourceGitHub, Name: string(repo)})
	}
	return p
}

func (c *config) entraPart(base config) doctorPart {
	base.Entra, base.Azure = c.Entra, c.Azure
	base.Azure.Skip = true
	return doctorPart{config: base, sources: []doctor.Source{{Kind: inventory.SourceEntra, Name: c.Entra.Tenant}},
		probers: func(s *providers.Set) []doctor.Prober { return []doctor.Prober{s.Entra} }}
}

func (c *config) azurePart(base config) doctorPart {
	base.Entra, base.Azure = c.Entra, c.Azure
	p := doctorPart{config: base, probers: func(s *providers.Set) []doctor.Prober {
		if s.Azure == nil {
			return nil
		}
		return []doctor.Prober{s.Azure}
	}}
	if !c.Azure.Skip {
		p.sources = []doctor.Source{{Kind: inventory.SourceAzure, Name: "Azure Resource Manager"}}
	}
	return p
}

// sourceTitles are the names of the kinds of sources, for a reader.
var sourceTitles = map[inventory.SourceKind]string{
	inventory.SourceAzureDevOps: "Azure DevOps", inventory.SourceGitHub: "GitHub", inventory.SourceEntra: "Microsoft Graph, tenant", inventory.SourceAzure: "Azure",
}

var doctorMarks = map[doctor.State]string{doctor.Fine: "  ✓ ", doctor.Missing: "  ✗ ", doctor.Unreachable: "  ✗ ", doctor.Unknown: "  ? ", doctor.Untested: "  · "}

func printDoctor(w io.Writer, r doctor.Report) {
	for _, s := range r.Sources {
		title := sourceTitles[s.Kind]
		if s.Kind != inventory.SourceAzure {
			title += " " + s.Name
		}
		if s.Caller != "" {
			title += ", as " + s.Caller
		}
		paragraph(w, "", title)
		for _, n := range s.Notes {
			bullet(w, "  i ", n)
		}
		for _, x := range s.Results {
			printAccess(w, x)
		}
		fmt.Fprintln(w)
	}
	switch r.State {
	case doctor.Unreachable:
		fmt.Fprintln(w, "A source cannot be reached or signed in to.")
	case doctor.Missing:
		fmt.Fprintln(w, "Some features are missing; what grants them is said above.")
	default:
		fmt.Fprintln(w, "All that could be tested is fine.")
	}
}

func printAccess(w io.Writer, x doctor.Result) {
	text := x.Name
	switch {
	case x.State == doctor.Untested:
		text += ": not tested, since " + x.Text
	case x.Text != "":
		text += ": " + x.Text
	}
	if x.State == doctor.Missing && x.Object != "" {
		text += " (" + x.Object + ")"
	}
	bullet(w, doctorMarks[x.State], text)
	if x.Without != "" && x.State != doctor.Untested {
		bullet(w, "      missing without it: ", x.Without)
	}
	if x.State == doctor.Missing || x.State == doctor.Unreachable {
		printNext(w, "      ", x.Grant)
	}
}
