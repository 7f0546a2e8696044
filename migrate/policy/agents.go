package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// RuleAgentsInAzure is the rule that advises a connection by managed identity where the agents run in Azure.
const RuleAgentsInAzure = "connection-agents-in-azure"

// connectionAgents finds connections with a stored credential whose pipelines run on agents in Azure, where a machine has an identity of its own. Azure
// DevOps tells that only of the pools that it keeps in a scale set itself.
func connectionAgents(e *evaluation, r Rule) {
	for _, c := range e.inv.Connections {
		if !c.Readable || !isAzureRM(c) || !c.StoresServicePrincipal() {
			continue
		}
		inside, all := []inventory.PipelineUse{}, 0
		for _, u := range c.PipelineUses {
			if u.Disabled || u.Source == inventory.UseAgentPool {
				continue
			}
			all++
			if u.Pool != "" && !u.Maybe && e.scaleSet(c, u.Pool) != "" {
				inside = append(inside, u)
			}
		}
		if len(inside) > 0 {
			e.addAgents(r, c, inside, all)
		}
	}
}

// scaleSet is the scale set that a pool's agents run in; empty: none, as far as is known.
func (e *evaluation) scaleSet(c inventory.Connection, pool string) string {
	i := slices.IndexFunc(e.inv.Pools, func(p inventory.AgentPool) bool {
		return strings.EqualFold(p.Organization, c.Organization) && strings.EqualFold(p.Name, pool)
	})
	if i < 0 {
		return ""
	}
	return e.inv.Pools[i].ScaleSet
}

func (e *evaluation) addAgents(r Rule, c inventory.Connection, inside []inventory.PipelineUse, all int) {
	var sets, evidence []string
	for _, u := range inside {
		set := e.scaleSet(c, u.Pool)
		sets = append(sets, set)
		evidence = append(evidence, fmt.Sprintf("%s runs in pool %s, whose agents are in %s", u.Text(), u.Pool, set))
	}
	slices.Sort(sets)
	sets = slices.Compact(sets)
	share := fmt.Sprintf("%d of the %d places that use it run", len(inside), all)
	rest := "leave this connection to the other places, and convert it: unsecret plan"
	switch {
	case len(inside) < all:
	case c.PipelinesKnown:
		share, rest = "everything that uses it runs", "delete this connection when nothing names it any more"
	default:
		share, rest = "everything that is known to use it runs", "delete this connection when nothing names it any more: not every definition could be read"
	}
	remedy := []string{}
	for _, s := range sets {
		remedy = append(remedy, fmt.Sprintf("give the scale set an identity: az vmss identity assign --ids %s, and that identity the roles of application %s", s, orUnknown(string(c.AppID))))
	}
	remedy = append(remedy, "make a connection of type Azure Resource Manager, identity type Managed identity (agent-assigned), and let these places name it", rest,
		"mind that every pipeline of the pool can use the identity of its agents; where that is too many, convert the connection to workload identity federation instead")
	e.add(r, Finding{Object: connectionObject(c), Message: fmt.Sprintf("%s stores a credential, and %s on agents in Azure (%s), which have an identity of their own", connectionObject(c), share, setNames(sets)),
		Evidence: slices.Concat(connectionEvidence(c), evidence), Remedy: remedy}, string(c.ID))
}

func setNames(sets []string) string {
	names := make([]string, 0, len(sets))
	for _, s := range sets {
		names = append(names, "scale set "+path.Base(s))
	}
	return strings.Join(names, ", ")
}
