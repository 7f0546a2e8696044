package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/unsecret-dev/unsecret/migrate/identify"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// shownWhole is how many candidates are shown with their evidence.
const shownWhole = 3

func printIdentities(w io.Writer, r identify.Report, o identifyOptions) {
	proposed := 0
	for _, s := range r.Secrets {
		printIdentity(w, s)
		if s.Proposal != nil {
			proposed++
		}
	}
	for _, u := range r.Unknown {
		printUnknown(w, "", u)
	}
	if len(r.Unknown) > 0 {
		fmt.Fprintln(w)
	}
	paragraph(w, "", fmt.Sprintf("%s whose identity is not known; %s compared; %s.", plural(len(r.Secrets), "secret"), plural(r.Applications, "application"), plural(proposed, "proposal")))
	if proposed > 0 && o.writeMapping == "" {
		paragraph(w, "", "Next: unsecret identify --write-mapping mapping.yaml, then confirm what is right.")
	}
	if proposed < len(r.Secrets) && !o.probe {
		paragraph(w, "", "Where the evidence is not enough: unsecret identify --probe, or write the mapping by hand.")
	}
}

func printIdentity(w io.Writer, s identify.Secret) {
	paragraph(w, "", s.Store.String())
	written := ""
	if !s.UpdatedAt.IsZero() {
		written = "written " + s.UpdatedAt.UTC().Format("2006-01-02 15:04") + ", "
	}
	paragraph(w, "  ", written+"read by "+plural(len(s.Logins), "login"))
	mark := "? "
	if s.Proposal != nil {
		mark = "→ "
	}
	bullet(w, "  "+mark, verdictText(s))
	if s.Proof != nil && s.Proof.Problem != "" {
		bullet(w, "  ✗ ", "the probe gave no answer: "+s.Proof.Problem)
	}
	for i, c := range s.Candidates {
		bullet(w, fmt.Sprintf("  %d. ", i+1), fmt.Sprintf("%s (%s), score %d", c.Name, c.AppID, c.Score))
		if i >= shownWhole {
			continue
		}
		for _, e := range c.Evidence {
			bullet(w, fmt.Sprintf("     +%d ", e.Weight), e.Text+": "+e.Reason)
		}
		for _, text := range c.Against {
			bullet(w, "     but ", text)
		}
	}
	for _, u := range s.Unknown {
		printUnknown(w, "  ", u)
	}
	fmt.Fprintln(w)
}

func verdictText(s identify.Secret) string {
	if s.Proposal == nil {
		return "no proposal: " + s.Verdict
	}
	return fmt.Sprintf("proposed: %s (%s); %s", s.Candidates[0].Name, s.Proposal.AppID, s.Verdict)
}

func printUnknown(w io.Writer, indent string, u identify.Unknown) {
	bullet(w, indent+"not known: ", u.What+": "+u.Why)
	if u.Next != "" {
		bullet(w, indent+"    → ", u.Next)
	}
}

func printTargets(w io.Writer, targets []identify.Target, skipped []identify.Skipped) {
	for i, t := range targets {
		if i == 0 || targets[i-1].Repository != t.Repository {
			paragraph(w, "", fmt.Sprintf("%s: a branch unsecret-probe/… with one workflow, and one run; both are deleted afterwards", t.Repository))
		}
		text := t.Store.String()
		if !strings.EqualFold(t.Secret, t.Store.Name) {
			text += ", by the client id in " + t.Secret
		}
		if t.Environment != "" {
			text += "; its job enters environment " + t.Environment + ", which leaves a deployment there"
		}
		bullet(w, "  + ", text)
	}
	for _, s := range skipped {
		bullet(w, "  · ", "not probed: "+s.Store.String()+": "+s.Why)
	}
}

const mappingHeader = `# Which application is behind which GitHub secret. Entries with confirmed: false are proposals of unsecret identify, and
# nothing uses them: look at the evidence, correct what is wrong, and set confirmed: true.
mapping:
`

// writeMapping adds the proposals to a mapping file, and leaves what is there as it is.
func (a *app) writeMapping(name string, r identify.Report, c *config) error {
	have, text, err := loadMapping(name)
	if err != nil {
		return err
	}
	if len(have.Mapping) == 0 {
		if len(bytes.TrimSpace(text)) > 0 {
			return usageErrorf("%s has no mapping: name a file that identify wrote, or a new one", name)
		}
		text = []byte(mappingHeader)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	added, kept := 0, 0
	for _, s := range r.Secrets {
		switch {
		case s.Proposal == nil:
		case slices.ContainsFunc(have.Mapping, func(m plan.Mapping) bool { return m.Ref().Same(s.Proposal.Ref()) }):
			kept++
		default:
			text = append(text, mappingEntry(s)...)
			added++
		}
	}
	if added == 0 {
		a.progress().say("%s: nothing to add; %s there already", name, plural(kept, "proposal"))
		return nil
	}
	var now mappingFile
	if err := yaml.Unmarshal(text, &now); err != nil || len(now.Mapping) != len(have.Mapping)+added {
		return usageErrorf("%s was changed so that entries cannot be added at its end: nothing was written; name another file", name)
	}
	if err := writeFile(name, text); err != nil {
		return fmt.Errorf("write the mapping: %w", err)
	}
	a.progress().say("%s: %s added, none of which counts until it is confirmed", name, plural(added, "proposal"))
	if !sameFile(name, c.mappingPath) {
		a.progress().say("name the file in the configuration: plan.mappingFile: %s", name)
	}
	return nil
}

func sameFile(a, b string) bool {
	x, errX := filepath.Abs(a)
	y, errY := filepath.Abs(b)
	if b == "" || errX != nil || errY != nil {
		return false
	}
	one, errOne := os.Stat(x)
	other, errOther := os.Stat(y)
	return x == y || errOne == nil && errOther == nil && os.SameFile(one, other)
}

// mappingEntry is a proposal as text: the evidence as comments, so that a reviewer of the file sees it.
func mappingEntry(s identify.Secret) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  # %s: %s\n", clean(s.Candidates[0].Name), clean(s.Verdict))
	for _, e := range s.Candidates[0].Evidence {
		fmt.Fprintf(&b, "  #   +%d %s: %s\n", e.Weight, clean(e.Text), clean(e.Reason))
	}
	lead := "  - "
	for _, f := range []struct{ key, value string }{
		{"organization", s.Proposal.Organization}, {"repository", string(s.Proposal.Repository)}, {"environment", s.Proposal.Environment},
		{"secret", s.Proposal.Secret}, {"appId", string(s.Proposal.AppID)}, {"tenantId", string(s.Proposal.TenantID)}, {"subscriptionId", string(s.Proposal.SubscriptionID)},
	} {
		if f.value != "" {
			fmt.Fprintf(&b, "%s%s: %s\n", lead, f.key, quoted(f.value))
			lead = "    "
		}
	}
	b.WriteString("    confirmed: false\n")
	return b.String()
}

// quoted is a text as YAML, with quotes where it needs them.
func quoted(s string) string {
	b, err := yaml.Marshal(s)
	if err != nil || bytes.Count(b, []byte("\n")) != 1 {
		return fmt.Sprintf("%q", s)
	}
	return strings.TrimSpace(string(b))
}
