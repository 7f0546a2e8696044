package workflow

import (
	"bytes"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// What a scan calls automatic is what a rewrite does: no such login may be left, no file with one may be refused, and none may
// be there after. This holds for every real file by itself, and in its repository, whichever way the ids are given.
func TestAutomaticIsRewritten(t *testing.T) {
	trees := append(corpus(t, "workflows"), repositories(t)...)
	for _, folder := range []string{"actions", "migrations"} {
		trees = append(trees, corpus(t, folder)...)
	}
	logins := 0
	ways := []RewriteOptions{
		{Level: LevelNeedsReview},
		{Level: LevelNeedsReview, Permissions: PermissionsPreserve, LoginVersion: "v3", IDs: "secrets"},
		{Level: LevelNeedsReview, Names: func(inventory.Login) IdentityNames {
			return IdentityNames{ClientID: "vars.A", TenantID: "vars.B", SubscriptionID: "vars.C"}
		}},
	}
	if testing.Short() {
		ways = ways[:1]
	}
	for _, o := range ways {
		for _, tree := range trees {
			logins += checkAutomatic(t, tree, o)
		}
	}
	t.Logf("%d automatic logins were rewritten", logins)
}

// checkAutomatic holds the law on one tree, and gives the number of its automatic logins.
func checkAutomatic(t *testing.T, tree Tree, o RewriteOptions) int {
	t.Helper()
	found := make(map[inventory.LoginID]string)
	for _, l := range Scan(tree, Options{}).Logins {
		if l.Conversion == inventory.ConversionAutomatic {
			found[l.ID] = l.File
		}
	}
	r := Rewrite(tree, o)
	for _, l := range r.Left {
		if found[l.Login] != "" {
			t.Errorf("%s is called automatic and is left: %s", l.Login, l.Reason)
		}
	}
	changed := make(map[string]bool)
	for _, f := range r.Files {
		changed[f.Path] = !bytes.Equal(f.Before, f.After)
		for id, file := range found {
			if f.Refused != "" && file == f.Path {
				t.Errorf("%s is called automatic and its file is refused: %s", id, f.Refused)
			}
		}
	}
	for id, file := range found {
		if !changed[file] {
			t.Errorf("%s is called automatic and nothing of its file changes", id)
		}
	}
	for _, l := range Scan(applied(tree, r), Options{}).Logins {
		if l.Conversion == inventory.ConversionAutomatic {
			t.Errorf("%s is automatic after the rewrite: %s", l.ID, l.Reason)
		}
	}
	return len(found)
}
