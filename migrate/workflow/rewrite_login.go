package workflow

import (
	"fmt"
)

// deleteCredential takes out the entry that carries a credential nobody reads.
func deleteCredential(r *rewriter, f *finding) error {
	return r.deleteEntry(f, f.entry, "the credential is not used: the step signs in with OIDC")
}

// credsToIDs replaces the creds of azure/login by the three ids, each on a line of its own.
func credsToIDs(r *rewriter, f *finding) error {
	lines, err := r.loginInputs(f)
	if err != nil {
		return err
	}
	if err := r.replaceEntry(f, f.entry, lines, "sign in with OIDC instead of a stored credential"); err != nil {
		return err
	}
	return r.raise(f)
}

// composedToIDs does the same for a JSON that is put together in the workflow. Where that is done in a variable, which nothing else
// reads, the variable goes too.
func composedToIDs(r *rewriter, f *finding) error {
	if err := credsToIDs(r, f); err != nil {
		return err
	}
	read, ok := single(text(f.entry.value))
	if !ok || read.context != "env" {
		return nil
	}
	e, ok := scopeEntry(f, read.name())
	if !ok || f.fileFinding(r.analysis, f.file.start(e.key)) != nil || !r.readersDoneOr(f, e) {
		return nil
	}
	return r.deleteEntry(f, e, "nothing reads the credential any longer")
}

// loginInputs are the inputs of azure/login for a finding, as key and value.
func (r *rewriter) loginInputs(f *finding) ([][2]string, error) {
	return r.loginInputsOf(f, r.names(f))
}

func (r *rewriter) loginInputsOf(f *finding, n IdentityNames) ([][2]string, error) {
	flow := isFlow(f.step.with)
	lines := [][2]string{
		{"client-id", expression(n.ClientID, flow)},
		{"tenant-id", expression(n.TenantID, flow)},
	}
	switch {
	case f.noSubscription && r.options.Names == nil:
	case n.SubscriptionID != "":
		lines = append(lines, [2]string{"subscription-id", expression(n.SubscriptionID, flow)})
	case !f.step.has("allow-no-subscriptions"):
		lines = append(lines, [2]string{"allow-no-subscriptions", "true"})
	}
	if f.Identity.Cloud != "" && !f.step.has("audience") {
		audience, ok := audiences[f.Identity.Cloud]
		if !ok {
			return nil, fmt.Errorf("the audience of the cloud %s is not known", f.Identity.Cloud)
		}
		lines = append(lines, [2]string{"audience", audience})
	}
	return lines, nil
}

// audiences are the audiences of tokens for the sovereign clouds (azure/login README, "environment").
var audiences = map[string]string{
	"azureusgovernment": "api://AzureADTokenExchangeUSGov",
	"azurechinacloud":   "api://AzureADTokenExchangeChina",
}
