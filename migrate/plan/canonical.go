package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// canonical copies an inventory and sorts everything in it whose order means nothing, so that planning cannot depend
// on the order in which the outside world answered. The time of the scan is left out: the same world gives the same plan.
func canonical(inv *inventory.Inventory) (*inventory.Inventory, error) {
	raw, err := json.Marshal(inv)
	if err != nil {
		return nil, fmt.Errorf("copy inventory: %w", err)
	}
	var c inventory.Inventory
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("copy inventory: %w", err)
	}
	c.ScannedAt, c.Tool = time.Time{}, ""
	by(c.Sources, func(s inventory.Source) string { return string(s.Kind) + "|" + s.Name })
	by(c.Repositories, func(r inventory.Repository) string { return strings.ToLower(r.Host + "|" + string(r.Name)) })
	by(c.Secrets, func(s inventory.Secret) string { return s.Ref().Key() })
	by(c.Variables, func(v inventory.Variable) string { return v.Ref().Key() })
	by(c.Mentions, func(m inventory.Mention) string {
		return fmt.Sprintf("%s|%s|%09d|%09d|%s", m.Repository, m.File, m.Line, m.Column, m.Secret)
	})
	by(c.Gaps, func(g inventory.Gap) string {
		return fmt.Sprintf("%s|%s|%s|%09d|%s", g.Source, g.Object, g.File, g.Line, g.Message)
	})
	canonicalIdentities(c.Identities)
	canonicalConnections(c.Connections)
	for i := range c.Repositories {
		slices.Sort(c.Repositories[i].Environments)
		by(c.Repositories[i].Files, func(f inventory.File) string { return f.Path })
	}
	for i := range c.Secrets {
		slices.Sort(c.Secrets[i].SelectedRepositories)
	}
	by(c.PipelineRepositories, func(r inventory.PipelineRepository) string { return string(r.Name) + "|" + r.Organization })
	canonicalLogins(c.Logins)
	return &c, nil
}

func canonicalIdentities(ids []inventory.Identity) {
	for i := range ids {
		id := &ids[i]
		id.AppID = lower(id.AppID)
		by(id.Credentials, func(c inventory.Credential) string { return string(c.KeyID) + "|" + c.On + "|" + string(c.Type) })
		by(id.FederatedCredentials, func(f inventory.FederatedCredential) string { return f.Name + "|" + string(f.ID) })
		slices.Sort(id.Owners)
		by(id.SignIns.SignIns, func(s inventory.SignIn) string { return s.Time.Format(time.RFC3339Nano) + s.ID })
		by(id.Roles, func(r inventory.RoleAssignment) string { return r.Scope + "|" + r.Role + "|" + r.ID })
	}
	by(ids, func(i inventory.Identity) string { return string(i.AppID) + "|" + string(i.TenantID) })
}

// canonicalConnections keeps the order of a connection's projects: the first is its origin.
func canonicalConnections(cs []inventory.Connection) {
	for i := range cs {
		cs[i].AppID = lower(cs[i].AppID)
		by(cs[i].Uses, func(e inventory.Execution) string {
			return fmt.Sprintf("%s|%s|%09d|%s|%s", e.Project, e.PlanType, e.DefinitionID, e.Finished.Format(time.RFC3339Nano), e.Result)
		})
	}
	by(cs, func(c inventory.Connection) string { return strings.ToLower(c.Organization + "|" + string(c.ID)) })
}

func canonicalLogins(ls []inventory.Login) {
	for i := range ls {
		slices.Sort(ls[i].Jobs)
		by(ls[i].Secrets, func(s inventory.SecretUse) string { return s.Name + "|" + s.Expression + "|" + s.Role })
		by(ls[i].Subjects, func(s inventory.JobSubjects) string { return s.File + "|" + s.Job + "|" + s.Environment })
	}
	slices.SortStableFunc(ls, func(a, b inventory.Login) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.ID, b.ID))
	})
}

func by[T any](s []T, key func(T) string) {
	slices.SortStableFunc(s, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

// lower brings an application id into the form that Microsoft Graph answers with; people also type it in capitals.
func lower(id inventory.AppID) inventory.AppID {
	return inventory.AppID(strings.ToLower(strings.TrimSpace(string(id))))
}
