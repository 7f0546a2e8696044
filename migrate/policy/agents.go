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
// DevOps tells that only of the pools that it keeps in a scale set itself, and Azure of Managed DevOps Pools.
func connectionAgents(e *evaluation, r Rule) {
	for _, c := range e.inv.Connections {
		if !c.Readable || !isAzureRM(c) || !c.StoresServicePrincipal() {
			continue
		}
		inside, all := []agentUse{}, 0
		for _, u := range c.PipelineUses {
			if u.Disabled || u.Source == inventory.UseAgentPool {
				continue
			}
			all++
			if h := e.agentHost(c, u.Pool); u.Pool != "" && !u.Maybe && h.resource != "" {
				inside = append(inside, agentUse{u, h})
			}
		}
		if len(inside) > 0 {
			e.addAgents(r, c, inside, all)
		}
	}
}

// agentUse is a use of a connection on agents in Azure.
type agentUse struct {
	use  inventory.PipelineUse
	host agentHost
}

// agentHost is what the agents of a pool run in.
type agentHost struct {
	resource string // its ARM id; empty: nobody knows
	managed  *inventory.ManagedPool
}

func (h agentHost) name() string {
	if h.managed != nil {
		return "Managed DevOps Pool " + h.managed.Name
	}
	return "scale set " + path.Base(h.resource)
}

// agentHost is what a pool's agents run in, as far as is known.
func (e *evaluation) agentHost(c inventory.Connection, pool string) agentHost {
	i := slices.IndexFunc(e.inv.Pools, func(p inventory.AgentPool) bool {
		return strings.EqualFold(p.Organization, c.Organization) && strings.EqualFold(p.Name, pool)
	})
	if i < 0 {
		return agentHost{}
	}
	if m := e.inv.ManagedPoolOf(e.inv.Pools[i]); m != nil {
		return agentHost{m.Resource, m}
	}
	return agentHost{resource: e.inv.Pools[i].ScaleSet}
}

// give says how the agents get the identity that stands in for a connection's. Their tasks ask for the identity of the machine without saying which, so that it must have one only
// (microsoft/azure-pipelines-agent#4656).
func (h agentHost) give(app string) string {
	switch roles := "the roles of application " + app; {
	case h.managed == nil:
		return fmt.Sprintf("give the scale set an identity, and that %s: az vmss identity assign --ids %s", roles, h.resource)
	case len(h.managed.Identities) == 0:
		return fmt.Sprintf("give the Managed DevOps Pool %s one user-assigned identity (Azure portal, %s, Settings, Identity, Add), and that identity %s", h.managed.Name, h.resource, roles)
	case len(h.managed.Identities) == 1:
		return fmt.Sprintf("give the identity that Managed DevOps Pool %s has, %s, %s", h.managed.Name, h.managed.Identities[0], roles)
	default:
		return fmt.Sprintf("mind that Managed DevOps Pool %s has %d identities: a connection by managed identity works where the agents have one only; leave it that one, and give it %s", h.managed.Name, len(h.managed.Identities), roles)
	}
}

func (e *evaluation) addAgents(r Rule, c inventory.Connection, inside []agentUse, all int) {
	var hosts []agentHost
	var evidence []string
	for _, u := range inside {
		if !slices.Contains(hosts, u.host) {
			hosts = append(hosts, u.host)
		}
		evidence = append(evidence, fmt.Sprintf("%s runs in pool %s, whose agents are in %s", u.use.Text(), u.use.Pool, u.host.resource))
	}
	slices.SortFunc(hosts, func(a, b agentHost) int { return strings.Compare(a.resource, b.resource) })
	share := fmt.Sprintf("%d of the %d places that use it run", len(inside), all)
	rest := "leave this connection to the other places, and convert it: unsecret plan"
	switch {
	case len(inside) < all:
	case c.PipelinesKnown:
		share, rest = "everything that uses it runs", "delete this connection when nothing names it any more"
	default:
		share, rest = "everything that is known to use it runs", "delete this connection when nothing names it any more: not every definition could be read"
	}
	var remedy, names []string
	for _, h := range hosts {
		remedy, names = append(remedy, h.give(orUnknown(string(c.AppID)))), append(names, h.name())
	}
	remedy = append(remedy, "make a connection of type Azure Resource Manager, identity type Managed identity (agent-assigned), and let these places name it", rest,
		"mind that every pipeline of the pool can use the identity of its agents; where that is too many, convert the connection to workload identity federation instead")
	e.add(r, Finding{Object: connectionObject(c), Message: fmt.Sprintf("%s stores a credential, and %s on agents in Azure (%s), which %s", connectionObject(c), share, strings.Join(names, ", "), haveIdentity(hosts)),
		Evidence: slices.Concat(connectionEvidence(c), evidence), Remedy: remedy}, string(c.ID))
}

// haveIdentity says that the agents can sign in as themselves, and only where that is known that they do.
func haveIdentity(hosts []agentHost) string {
	if slices.ContainsFunc(hosts, func(h agentHost) bool { return h.managed != nil && len(h.managed.Identities) == 0 }) {
		return "can have an identity of their own"
	}
	return "have an identity of their own"
}
