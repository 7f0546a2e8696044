package scan

import (
	"slices"
	"testing"

	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

func TestOnlyWhatCannotMatterIsSkipped(t *testing.T) {
	with := workflow.File{Path: ".github/workflows/a.yml", Content: []byte("on: push\npermissions: {}\njobs: {}\n")}
	without := workflow.File{Path: ".github/workflows/b.yml", Content: []byte("on: push\njobs:\n  j:\n    permissions: {}\n")}
	action := workflow.File{Path: ".github/actions/x/action.yml", Content: []byte("runs: {using: composite}\n")}
	for name, tc := range map[string]struct {
		dependabot bool
		files      []workflow.File
		want       []Skip
	}{
		"every workflow has permissions, Dependabot runs": {true, []workflow.File{with, action}, []Skip{SkipDefaultPermissions}},
		"every workflow has permissions":                  {false, []workflow.File{with}, []Skip{SkipDependabot, SkipDefaultPermissions}},
		"one workflow has none of its own":                {true, []workflow.File{with, without}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := skippable(tc.dependabot, workflow.Tree{Files: tc.files}); !slices.Equal(got, tc.want) {
				t.Errorf("skipped %v, want %v", got, tc.want)
			}
		})
	}
}
