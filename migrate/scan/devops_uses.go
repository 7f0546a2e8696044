package scan

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/pipeline"
)

// found says whose result is taken.
type found struct {
	source string
	name   string // of the definition, group or task group
	id     int
	vars   map[string]pipeline.ClassicVariable // its own, for the client id beside a secret
	// rewrites are the steps that a pull request can put right.
	rewrites []pipeline.StepRewrite
}

// clientIDName are variables that hold an application's client id beside its secret.
var clientIDName = lazy.Regexp(`(?i)(client_?id|service_?principal_?id|sp_?n?_?id|app_?id|application_?id)$`)

// clientID gives the client id that stands beside a secret, if exactly one does.
func (f found) clientID() inventory.AppID {
	var ids []string
	for name, v := range f.vars {
		if id, err := uuid.Parse(v.Value); err == nil && !v.IsSecret && clientIDName().MatchString(name) && !slices.Contains(ids, id.String()) {
			ids = append(ids, id.String())
		}
	}
	if len(ids) != 1 {
		return ""
	}
	return inventory.AppID(ids[0])
}

// take puts what a definition does into the inventory, and tells how many connections it names.
func (r *projectReader) take(f found, result pipeline.Result) int {
	named := map[inventory.ConnectionID]bool{}
	for _, u := range result.Uses {
		r.takeUse(f, u, result, named)
	}
	for _, c := range result.Checks {
		r.takeCheck(f, c, result)
	}
	for _, s := range result.Secrets {
		if !fromConnection(s, result.Secrets) {
			r.takeSecret(f, s)
		}
	}
	r.takeUnresolved(f, result.Unresolved)
	for _, g := range result.Gaps {
		r.takeGap(f, g)
	}
	return len(named)
}

// at is a place of a result as the inventory has it.
func (r *projectReader) at(f found, p pipeline.Place) inventory.PipelinePlace {
	out := r.place(f.name)
	out.DefinitionID = f.id
	out.Repository, out.File, out.Line, out.Column, out.Stage, out.Job, out.Step = r.fullName(p.Repository), p.File, p.Line, p.Column, p.Stage, p.Job, p.Step
	return out
}

func (r *projectReader) takeUse(f found, u pipeline.Use, result pipeline.Result, named map[inventory.ConnectionID]bool) {
	for _, n := range u.Resolved {
		c := r.o.named(r.p, n)
		if c == nil {
			// Kinds that have nothing to do with Azure are often extensions' own inputs that only look like a connection.
			if u.Kind == pipeline.KindAzureRM || u.Kind == pipeline.KindDockerRegistry {
				r.unresolved(inventory.UnresolvedUse{PipelinePlace: r.at(f, u.Place), Expression: u.Connection, Known: []string{n}, Like: []string{n},
					Reason: fmt.Sprintf("no connection %q is visible in project %s: it was deleted, renamed, or is not shown to the signed-in identity", n, r.p.Name)})
			}
			continue
		}
		named[c.ID] = true
		r.use(c.ID, inventory.PipelineUse{PipelinePlace: r.at(f, u.Place), Source: f.source, Task: u.Task, Version: u.Version, Input: u.Input, Pool: poolOf(u.Place, result), As: u.Connection,
			Maybe: u.Maybe || u.Open || len(u.Resolved) > 1, Disabled: u.Disabled, Texts: r.textsOf(u, n)})
	}
}

// textsOf are the places that give one of the names that a use can have.
func (r *projectReader) textsOf(u pipeline.Use, name string) []inventory.NameText {
	var out []inventory.NameText
	for _, t := range u.Texts {
		if t.Name != name {
			continue
		}
		at := inventory.NameText{File: t.File, Line: t.Line, Column: t.Column, Name: t.Name}
		if t.File != "" {
			at.Repository = r.fullName(t.Repository)
		}
		out = append(out, at)
	}
	return out
}

// poolOf is the pool that the job of a place runs in; empty where its text names none, or leaves open which.
func poolOf(p pipeline.Place, result pipeline.Result) string {
	name := ""
	for _, n := range result.Pools {
		if n.Stage != p.Stage || n.Job != p.Job {
			continue
		}
		if n.Open || len(n.Resolved) != 1 || name != "" && !strings.EqualFold(name, n.Resolved[0]) {
			return ""
		}
		name = n.Resolved[0]
	}
	return name
}

// takeCheck puts a check to the connections that it is about. Where the text does not tell them it is put to every connection that the definition can
// use, as a possibility.
func (r *projectReader) takeCheck(f found, c pipeline.Check, result pipeline.Result) {
	names, maybe := c.Connections, len(c.Connections) > 1
	if len(names) == 0 {
		maybe = true
		for _, u := range result.Uses {
			names = append(names, u.Resolved...)
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	if versions := r.versions(c, result); versions != "" {
		c.Remedy += "; " + versions
	}
	concern := inventory.Concern{PipelinePlace: r.at(f, c.Place), Severity: string(c.Severity), Rule: c.Rule, Task: c.Task, Message: c.Message, Remedy: c.Remedy,
		Source: c.Source.Title, URL: c.Source.URL, Maybe: maybe, Disabled: c.Disabled}
	f.rewrite(&concern, c.Place)
	for _, n := range names {
		if conn := r.o.named(r.p, n); conn != nil {
			r.out.Concerns = append(r.out.Concerns, ofConnection[inventory.Concern]{conn.ID, concern})
		}
	}
}

// rewrite notes whether a pull request can put a place right.
func (f found) rewrite(c *inventory.Concern, p pipeline.Place) {
	for _, w := range f.rewrites {
		if w.Repository != p.Repository || w.File != p.File || w.Step != (pipeline.StepID{Line: p.Line, Column: p.Column}) || !slices.Contains(w.Rules, c.Rule) {
			continue
		}
		c.Rewrite, c.After = inventory.RewriteSafe, w.After
		if w.Review {
			c.Rewrite = inventory.RewriteNeedsReview
		}
	}
}

// versions says which agents the pools of a job have, where a check is about agents and the pools are known.
func (r *projectReader) versions(c pipeline.Check, result pipeline.Result) string {
	if c.Rule != pipeline.RuleSelfHosted && c.Rule != pipeline.RuleContainerRegistry {
		return ""
	}
	var said []string
	for _, name := range slices.Sorted(maps.Keys(r.o.agents)) {
		// The pool of a classic job stands in the check's message only.
		named := strings.Contains(strings.ToLower(c.Message), "pool "+name+",") || slices.ContainsFunc(result.Pools, func(p pipeline.Named) bool {
			isIt := func(n string) bool { return strings.EqualFold(n, name) }
			return p.Stage == c.Stage && p.Job == c.Job && (isIt(p.Name) || slices.ContainsFunc(p.Resolved, isIt))
		})
		if named {
			said = append(said, fmt.Sprintf("pool %s has agents of version %s", name, strings.Join(r.o.agents[name], ", ")))
		}
	}
	return strings.Join(said, "; ")
}

// secretReasons say why a use is taken for a credential.
var secretReasons = map[pipeline.SecretKind]string{
	pipeline.SecretEnv:      "Azure's tools and SDKs read a service principal's secret from it",
	pipeline.SecretVariable: "its name says that it holds a service principal's secret",
	pipeline.SecretLogin:    "it signs in with a service principal's secret",
	pipeline.SecretExport:   "a script sets a variable that Azure's tools read a secret from",
	pipeline.SecretInput:    "a task's input takes a service principal's secret",
}

// takeSecret puts a use of a secret into the inventory. What comes from a connection is a concern of that connection, not a secret elsewhere.
func (r *projectReader) takeSecret(f found, u pipeline.SecretUse) {
	reason, elsewhere := secretReasons[u.Kind]
	if !elsewhere {
		return
	}
	s := inventory.PipelineSecret{PipelinePlace: r.at(f, u.Place), Kind: inventory.PipelineSecretScript, Name: u.Name, Use: string(u.Kind), Variables: u.Variables, Literal: u.Literal, AppID: f.clientID(), Reason: reason}
	if u.Kind == pipeline.SecretVariable {
		s.Kind = inventory.PipelineSecretVariable
		if f.source == inventory.UseVariableGroup {
			s.Kind = inventory.PipelineSecretGroup
		}
	}
	r.secret(s)
}

// fromConnection tells whether what a step hands on is the key of its own connection, which is a concern of that connection and no secret
// elsewhere.
func fromConnection(s pipeline.SecretUse, all []pipeline.SecretUse) bool {
	if s.Kind != pipeline.SecretExport || s.Literal || len(s.Variables) > 0 {
		return false
	}
	return slices.ContainsFunc(all, func(k pipeline.SecretUse) bool {
		return k.Kind == pipeline.SecretKey && k.File == s.File && k.Stage == s.Stage && k.Job == s.Job && k.Step == s.Step
	})
}

func (r *projectReader) secret(s inventory.PipelineSecret) {
	r.out.Secrets = append(r.out.Secrets, s)
}

// takeUnresolved notes expressions that can be any connection of the project that fits.
func (r *projectReader) takeUnresolved(f found, list []pipeline.Unresolved) {
	for _, u := range list {
		r.unresolved(inventory.UnresolvedUse{PipelinePlace: r.at(f, u.Place), Expression: u.Expression, Known: u.Known, Takes: u.Takes, Like: u.Like, Reason: u.Reason})
	}
}

func (r *projectReader) unresolved(u inventory.UnresolvedUse) {
	r.out.Unresolved = append(r.out.Unresolved, u)
}

func (r *projectReader) takeGap(f found, g pipeline.Gap) {
	r.unknown()
	// A template that many pipelines include is told once.
	r.out.Gaps = append(r.out.Gaps, toldGap{
		Key: fmt.Sprintf("%s|%s|%d|%s", g.Repository, g.File, g.Line, g.Message),
		Gap: inventory.Gap{Source: inventory.SourceAzureDevOps, Object: "pipeline " + r.o.source.Name + "/" + r.p.Name + "/" + f.name,
			File: strings.TrimPrefix(g.Repository+"/"+g.File, "/"), Line: g.Line, Column: g.Column, Message: g.Message, Next: g.Next},
	})
}

// variableGroup takes a group's secrets and, where it is linked to a key vault, its connection.
func (r *projectReader) variableGroup(g pipeline.VariableGroup) {
	f := found{source: inventory.UseVariableGroup, name: g.Name, id: g.ID, vars: g.Variables}
	r.take(f, pipeline.UsesOfVariableGroup(g))
	if g.ProviderData == nil || !strings.EqualFold(g.Type, "AzureKeyVault") {
		return
	}
	id := inventory.ConnectionID(strings.ToLower(g.ProviderData.ServiceEndpointID))
	r.secret(inventory.PipelineSecret{PipelinePlace: r.at(f, pipeline.Place{}), Kind: inventory.PipelineSecretVault, Name: g.Name, Vault: g.ProviderData.Vault, Connection: id,
		Reason: "its variables come from key vault " + g.ProviderData.Vault + " through a connection, which must keep its rights there"})
}

// credentialFile are names of files that hold a key or a service principal's credentials.
var credentialFile = lazy.Regexp(`(?i)(\.(pfx|p12|pem|key|publishsettings|azureauth)$|azure.?(creds|credentials|auth)|service.?principal|\bspn?\b.*\.json$)`)

func (r *projectReader) secureFiles(names []string) {
	for _, n := range names {
		if !credentialFile().MatchString(path.Base(n)) {
			continue
		}
		r.secret(inventory.PipelineSecret{PipelinePlace: r.place("library"), Kind: inventory.PipelineSecretSecureFile, Name: n,
			Reason: "its name is that of a key, a certificate or an identity's credentials; its content cannot be read"})
	}
}
