package scan

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func TestASharedConnectionIsTheSameWhicheverProjectAnswersFirst(t *testing.T) {
	a, b, c, d := Project{ID: "1", Name: "Apps"}, Project{ID: "2", Name: "Base"}, Project{ID: "3", Name: "Core"}, Project{ID: "4", Name: "Data"}
	in := func(list ...Project) []inventory.ConnectionProject {
		var out []inventory.ConnectionProject
		for _, p := range list {
			out = append(out, inventory.ConnectionProject{ID: p.ID, Name: p.Name, As: "deployer-" + p.Name})
		}
		return out
	}
	type answers struct {
		from Project
		says inventory.Connection
	}
	readable := func(from Project, is inventory.Connection) answers {
		is.ID, is.Name, is.Readable, is.Type = "x", "deployer-"+from.Name, true, "azurerm"
		return answers{from, is}
	}
	hidden := func(from Project) answers { // neither data nor references
		return answers{from, inventory.Connection{ID: "x", Name: "deployer-" + from.Name, Projects: in(from)}}
	}
	for name, tc := range map[string]struct {
		answers []answers
		want    inventory.Connection
	}{
		"all may read it": {
			[]answers{readable(b, inventory.Connection{Projects: in(b, a, c), Subject: "of b"}), readable(a, inventory.Connection{Projects: in(b, a, c), Terraform: true}), readable(c, inventory.Connection{Projects: in(b, a, c)})},
			inventory.Connection{Name: "deployer-Base", Projects: in(b, a, c), Shared: true, Readable: true, Subject: "of b", Terraform: true},
		},
		"only others may read it": {
			[]answers{hidden(a), readable(c, inventory.Connection{Projects: in(b, c), Subject: "of c"}), readable(d, inventory.Connection{Projects: in(b, c), Subject: "of d", Replaces: "old", Mark: "m"})},
			inventory.Connection{Name: "deployer-Base", Projects: in(b, c, a), Shared: true, Readable: true, Subject: "of c", Replaces: "old", Mark: "m"},
		},
		"nobody may read it": {
			[]answers{hidden(c), hidden(a), hidden(d)},
			inventory.Connection{Name: "deployer-Apps", Projects: in(a, c, d), Shared: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // an order
			for range 50 {
				o := newOrganization(nil, nil, inventory.Source{}, nil)
				for _, i := range random.Perm(len(tc.answers)) {
					says := tc.answers[i].says
					says.Projects = append([]inventory.ConnectionProject(nil), says.Projects...)
					o.keep(tc.answers[i].from, says)
				}
				got := *o.found["x"]
				if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(inventory.Connection{}, "ID", "Type")); diff != "" {
					t.Fatalf("(-want +got)\n%s", diff)
				}
			}
		})
	}
}
