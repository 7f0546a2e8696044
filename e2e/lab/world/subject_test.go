package world

import "testing"

// The expected value is a published federated credential.
func TestEntraSubjectIsWhatAzureDevOpsPublishes(t *testing.T) {
	got, err := EntraSubject("7f4f3591-5f6c-4f7b-a1bd-0a2dd8831218",
		"e08e523c-54da-4401-8fb6-e1439b52cc97", "5d6e9559-895b-4b42-a5d7-024245c8079c")
	if err != nil {
		t.Fatal(err)
	}
	const want = "/eid1/c/pub/t/kTVPf2xfe0-hvQot2IMSGA/a/rISbSSETf0KqFyZ8ppdXmA/sc/" +
		"e08e523c-54da-4401-8fb6-e1439b52cc97/5d6e9559-895b-4b42-a5d7-024245c8079c"
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestEntraSubjectRefusesATenantThatIsNoGUID(t *testing.T) {
	if got, err := EntraSubject("contoso", "o", "e"); err == nil {
		t.Errorf("got %q, want an error", got)
	}
}

func TestDevOpsSubjectKeepsCase(t *testing.T) {
	if got := DevOpsSubject("Contoso", "Web Shop", "Prod"); got != "sc://Contoso/Web Shop/Prod" {
		t.Errorf("got %s", got)
	}
}
