package inventory_test

import (
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func TestAnExpressionMeansOnlyConnectionsThatFit(t *testing.T) {
	c := inventory.Connection{ID: guidA, Organization: "contoso", Name: "azure-test", Type: "AzureRM", Readable: true,
		Projects: []inventory.ConnectionProject{{ID: "1", Name: "Shop", As: "azure-test"}, {ID: "2", Name: "Web", As: "Shop-Test-West"}}}
	hidden := c
	hidden.Type, hidden.Readable = "", false
	at := inventory.PipelinePlace{Organization: "Contoso", Project: "shop"}
	for name, tc := range map[string]struct {
		u    inventory.UnresolvedUse
		of   inventory.Connection
		want bool
	}{
		"nothing is known": {inventory.UnresolvedUse{}, c, true},
		"its type":         {inventory.UnresolvedUse{Takes: "azurerm"}, c, true},
		"another type":     {inventory.UnresolvedUse{Takes: "dockerregistry"}, c, false},
		"another type, of one that cannot be read": {inventory.UnresolvedUse{Takes: "dockerregistry"}, hidden, true},
		"how it begins":                         {inventory.UnresolvedUse{Like: []string{"Azure-", ""}}, c, true},
		"how it ends":                           {inventory.UnresolvedUse{Like: []string{"", "-test"}}, c, true},
		"how another one begins":                {inventory.UnresolvedUse{Like: []string{"aws-", ""}}, c, false},
		"begin and end that overlap":            {inventory.UnresolvedUse{Like: []string{"azure-te", "test"}}, c, false},
		"the name in another project, in parts": {inventory.UnresolvedUse{Like: []string{"shop-", "est", "est"}}, c, true},
		"the parts in another order":            {inventory.UnresolvedUse{Like: []string{"shop-", "west", "test", ""}}, c, false},
		"the whole name":                        {inventory.UnresolvedUse{Like: []string{"AZURE-TEST"}}, c, true},
		"the whole name of another one":         {inventory.UnresolvedUse{Like: []string{"azure"}}, c, false},
		"its id":                                {inventory.UnresolvedUse{Like: []string{guidA[:8], ""}}, c, true},
	} {
		t.Run(name, func(t *testing.T) {
			tc.u.PipelinePlace = at
			inv := &inventory.Inventory{Unresolved: []inventory.UnresolvedUse{tc.u}}
			if got := tc.u.Fits(tc.of); got != tc.want || len(inv.MayMean(tc.of)) == 1 != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
	elsewhere := &inventory.Inventory{Unresolved: []inventory.UnresolvedUse{{PipelinePlace: inventory.PipelinePlace{Organization: "contoso", Project: "Other"}}}}
	if len(elsewhere.MayMean(c)) != 0 {
		t.Error("an expression in a project that does not see the connection cannot mean it")
	}
}
