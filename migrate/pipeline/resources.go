package pipeline

import (
	"strings"
)

// resources reads resources: the repositories that templates come from, and the connections that resources are fetched with.
func (w *walker) resources(n *node, c context) {
	for _, p := range n.get("resources") {
		r := p.with(c.vars).object()
		if r.kind != mapNode {
			continue
		}
		for _, section := range r.pairs {
			for _, it := range section.with(c.vars).list() {
				w.resource(strings.ToLower(section.key), it, c)
			}
		}
	}
}

// resource reads one resource. The keys of connections are those of the YAML schema reference (Microsoft Learn: resources).
func (w *walker) resource(section string, it item, c context) {
	n, c := it.value.object(), c.perhaps(it.maybe)
	if n.kind != mapNode {
		return
	}
	switch section {
	case "repositories":
		w.repositories[strings.ToLower(n.word("repository"))] = repositoryResource{name: n.word("name"), ref: n.word("ref")}
		w.resourceUse(n, "endpoint", repositoryKind(n.word("type")), repositoryType(n.word("type")), c)
	case "containers":
		w.containers[strings.ToLower(n.word("container"))] = n.has("endpoint", "azureSubscription")
		w.resourceUse(n, "endpoint", KindDockerRegistry, "dockerregistry", c)
		w.resourceUse(n, "azureSubscription", KindAzureRM, "azurerm", c)
	case "builds":
		w.resourceUse(n, "connection", KindOther, "", c)
	case "packages":
		w.resourceUse(n, "connection", KindGitHub, "", c)
	case "webhooks":
		w.resourceUse(n, "connection", KindOther, "", c)
	}
}

func repositoryKind(t string) Kind {
	if strings.HasPrefix(strings.ToLower(t), "github") {
		return KindGitHub
	}
	return KindOther
}

// repositoryType is the type of the connections that a repository of a type is read with, where it is certain (Microsoft Learn: resources.repositories).
func repositoryType(t string) string {
	switch t = strings.ToLower(t); t {
	case "github", "githubenterprise", "bitbucket":
		return t
	}
	return ""
}

func (w *walker) resourceUse(n *node, key string, kind Kind, takes string, c context) {
	for _, p := range n.get(key) {
		w.connection(p, Use{Input: key, Kind: kind, Takes: takes}, c.perhaps(p.maybe))
	}
}

// connection records the use of a connection that a key names.
func (w *walker) connection(p *pair, u Use, c context) *Use {
	v := p.with(c.vars)
	if v.kind != scalarNode {
		return nil
	}
	l := w.runtime(v.leaf, c.vars)
	u.Resolved, u.Open, u.Expression = l.strings(), l.open, l.expr
	if len(u.Resolved) == 0 && !u.Open {
		return nil
	}
	if u.Open && strings.Contains(u.Expression, "$(") {
		u.Groups = unique(c.vars.unknownGroups())
	}
	if u.Open {
		u.Like = like(v)
	}
	u.Connection, u.Maybe, u.Condition = v.raw(), c.maybe, or(u.Condition, c.condition)
	u.Disabled = u.Disabled || c.disabled
	step := u.Step
	u.Place = w.place(p.at, c)
	u.Step = step
	if w.options.Connections != nil && len(u.Resolved) > 0 {
		if k, ok := w.options.Connections(u.Resolved[0]); ok {
			u.Kind = k
		}
	}
	if renamable(u.Kind) {
		u.Texts = w.nameTexts(v, l)
	}
	return w.out.use(u)
}

// poolInfo is what the text tells of the agents that run a job.
type poolInfo struct {
	name    string
	windows bool
	self    bool // self-hosted
}

func (w *walker) poolOf(c context) poolInfo {
	if c.pool == nil {
		return poolInfo{}
	}
	if c.pool.kind == scalarNode {
		l := w.runtime(c.pool.leaf, c.vars)
		return namedPool(strings.Join(l.strings(), " "), "")
	}
	return namedPool(c.pool.word("name"), c.pool.word("vmImage"))
}

// namedPool judges a pool. Azure Pipelines is the pool of Microsoft-hosted agents; a pool with a vmImage is hosted, too.
func namedPool(name, image string) poolInfo {
	p := poolInfo{name: name, windows: strings.Contains(strings.ToLower(name+image), "windows")}
	p.self = name != "" && image == "" && !strings.EqualFold(name, "Azure Pipelines") && !strings.HasPrefix(strings.ToLower(name), "hosted") && !strings.EqualFold(name, "server")
	return p
}

// recordPool lists a pool by name.
func (w *walker) recordPool(c context) {
	if c.pool == nil {
		return
	}
	if c.pool.kind == scalarNode && c.pool.at.n != nil {
		p := &pair{at: c.pool.at, value: c.pool}
		w.out.pools = append(w.out.pools, w.named(p, w.runtime(c.pool.leaf, c.vars), c))
		return
	}
	for _, p := range c.pool.get("name") {
		if v := p.node(); v.kind == scalarNode {
			w.out.pools = append(w.out.pools, w.named(p, w.runtime(v.leaf, c.vars), c))
		}
	}
}

// environment lists the environment that a deployment job runs in.
func (w *walker) environment(n *node, c context) {
	w.recordPool(c)
	for _, p := range n.get("environment") {
		v := p.with(c.vars)
		if v.kind == scalarNode {
			w.out.environments = append(w.out.environments, w.named(&pair{at: p.at, value: v}, w.runtime(v.leaf, c.vars), c))
			continue
		}
		for _, name := range v.get("name") {
			if nv := name.node(); nv.kind == scalarNode {
				w.out.environments = append(w.out.environments, w.named(name, w.runtime(nv.leaf, c.vars), c))
			}
		}
	}
}

// container reads the container that a job runs in, which is pulled with a connection of its own.
func (w *walker) container(n *node, c context) {
	for _, p := range n.get("container") {
		v := p.with(c.vars).object()
		if c.job != nil && w.pulled(v) {
			c.job.container = or(v.word("image"), v.raw())
		}
		if v.kind == mapNode {
			w.resourceUse(v, "endpoint", KindDockerRegistry, "dockerregistry", c)
			w.resourceUse(v, "azureSubscription", KindAzureRM, "azurerm", c)
		}
	}
}

// pulled tells whether a job's container is pulled with a connection.
func (w *walker) pulled(v *node) bool {
	if v.kind == mapNode {
		return v.has("endpoint", "azureSubscription")
	}
	name, _ := v.asLeaf().only()
	return w.containers[strings.ToLower(name)]
}
