package subject_test

import (
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// needed is what a job with the environment live of contoso/site presents.
func needed() subject.Subject {
	return subject.Subject{Issuer: subject.GitHubIssuer, Audience: subject.Audience, Value: "repo:contoso/site:environment:live",
		Repository: "contoso/site", Context: "environment:live"}
}

var almost = []inventory.FederatedCredential{
	{Name: "site-live", Issuer: subject.GitHubIssuer, Audience: subject.Audience, Subject: "repo:contoso/site:environment:Live"},
}

func ExampleCover() {
	c := subject.Cover([]subject.Subject{needed()}, almost)
	for _, m := range c.Missing {
		fmt.Printf("nothing trusts %s; %s comes nearest\n", m.Subject.Value, m.Nearest.Name)
	}
	for _, u := range c.Unneeded {
		fmt.Printf("nobody needs %s\n", u.Credential.Subject)
	}
	// Output:
	// nothing trusts repo:contoso/site:environment:live; site-live comes nearest
	// nobody needs repo:contoso/site:environment:Live
}

func ExampleExplain() {
	e := subject.Explain(needed(), almost)
	fmt.Println(e.Text)
	for _, d := range e.Differences {
		fmt.Printf("%s: presented %q, trusted %q\n", d.Field, d.Presented, d.Trusted)
	}
	// Output:
	// No federated credential trusts it. The nearest, "site-live", differs in the case of the subject's letters.
	// subject: presented "repo:contoso/site:environment:live", trusted "repo:contoso/site:environment:Live"
}

func ExampleChoose() {
	for _, f := range subject.Choose([]subject.Subject{needed()}, subject.ChooseOptions{Existing: almost}).Add {
		fmt.Println(f.Issuer, f.Subject, f.Audience)
	}
	// Output:
	// https://token.actions.githubusercontent.com repo:contoso/site:environment:live api://AzureADTokenExchange
}
