package scan

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func comparePlace(a, b inventory.PipelinePlace) int {
	return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.Project, b.Project), cmp.Compare(a.Pipeline, b.Pipeline), cmp.Compare(a.DefinitionID, b.DefinitionID),
		cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
		cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Job, b.Job), cmp.Compare(a.Step, b.Step))
}

// sortUses orders what was found of a connection, since projects are read several at once, and drops what was found twice.
func sortUses(c *inventory.Connection) {
	order := func(a, b inventory.PipelineUse) int {
		return cmp.Or(comparePlace(a.PipelinePlace, b.PipelinePlace), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Input, b.Input), cmp.Compare(a.As, b.As))
	}
	slices.SortFunc(c.PipelineUses, order)
	c.PipelineUses = slices.CompactFunc(c.PipelineUses, func(a, b inventory.PipelineUse) bool { return order(a, b) == 0 && reflect.DeepEqual(a, b) })
	slices.SortFunc(c.Concerns, func(a, b inventory.Concern) int {
		return cmp.Or(comparePlace(a.PipelinePlace, b.PipelinePlace), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
	c.Concerns = slices.Compact(c.Concerns)
	slices.SortFunc(c.Permissions, func(a, b inventory.ConnectionPermission) int { return cmp.Compare(a.Project, b.Project) })
	slices.SortFunc(c.Checks, func(a, b inventory.ConnectionCheck) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.ID, b.ID))
	})
}

// sortPipelines orders what else was found of Azure DevOps.
func sortPipelines(inv *inventory.Inventory) {
	slices.SortFunc(inv.Pipelines, func(a, b inventory.Pipeline) int {
		return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.Project, b.Project), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	slices.SortStableFunc(inv.PipelineSecrets, func(a, b inventory.PipelineSecret) int {
		return cmp.Or(comparePlace(a.PipelinePlace, b.PipelinePlace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Use, b.Use))
	})
	slices.SortStableFunc(inv.Unresolved, func(a, b inventory.UnresolvedUse) int {
		return cmp.Or(comparePlace(a.PipelinePlace, b.PipelinePlace), cmp.Compare(a.Expression, b.Expression), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(inv.PipelineRepositories, func(a, b inventory.PipelineRepository) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Organization, b.Organization))
	})
	slices.SortFunc(inv.Pools, func(a, b inventory.AgentPool) int {
		return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(inv.ManagedPools, func(a, b inventory.ManagedPool) int { return cmp.Compare(a.Resource, b.Resource) })
}
