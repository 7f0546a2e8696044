package policy

import (
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func TestFailsIsWhetherAnyFindingFails(t *testing.T) {
	invs := []*inventory.Inventory{
		{}, login(func(*inventory.Login) {}),
		login(func(l *inventory.Login) {
			l.Kind, l.Conversion = inventory.KindAzureLoginCreds, inventory.ConversionAutomatic
		}),
		login(func(l *inventory.Login) {
			l.Kind, l.Conversion = inventory.KindPublishProfile, inventory.ConversionManual
		}),
		{Gaps: []inventory.Gap{{Source: inventory.SourceLocal, Object: "a.yml", Message: "no"}}},
	}
	configs := []Config{{}, {Exceptions: []Exception{{Rule: "login-secret"}}}, {Exceptions: []Exception{{Object: "nothing"}}}}
	for _, threshold := range []Severity{"critical", "high", "medium", "low"} {
		configs = append(configs, Config{Threshold: threshold})
	}
	for i, inv := range invs {
		for j, c := range configs {
			if want, got := len(Failing(Evaluate(inv, c), c)) > 0, Fails(inv, c); got != want {
				t.Errorf("inventory %d, configuration %d: got %t, want %t", i, j, got, want)
			}
		}
	}
}
