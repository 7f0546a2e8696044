package workflow

import (
	"strings"
	"testing"
)

// What changes only together with a file that may not change stays, whichever of the two that is.
func TestNothingChangesWithoutWhatBelongsToIt(t *testing.T) {
	const caller, action, called, dispatch = ".github/workflows/a.yml", ".github/actions/deploy/action.yml", ".github/workflows/called.yml", ".github/workflows/start.yml"
	tree := Tree{Files: []File{
		{Path: caller, Content: []byte(`on: push
jobs:
  own:
    runs-on: ubuntu-latest
    steps:
      - uses: azure/login@v2
        with:
          creds: ${{ secrets.OWN }}
  passed:
    runs-on: ubuntu-latest
    steps:
      - uses: ./.github/actions/deploy
        with:
          credentials: ${{ secrets.PASSED }}
`)},
		{Path: action, Content: []byte(`name: Deploy
description: Deploy
inputs:
  credentials:
    description: The JSON
    required: true
runs:
  using: composite
  steps:
    - uses: azure/login@v2
      with:
        creds: ${{ inputs.credentials }}
`)},
		{Path: called, Content: []byte(`on: workflow_call
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - run: |
          az login --service-principal -u ${{ vars.ID }} -p "$(cat password)" --tenant ${{ vars.TENANT }}
          az group list
`)},
		{Path: dispatch, Content: []byte(`on: workflow_dispatch
jobs:
  call:
    uses: ./.github/workflows/called.yml
`)},
	}}
	for _, test := range []struct {
		name    string
		may     []string
		changed []string
		left    string
	}{
		{"all", []string{caller, action, called, dispatch}, []string{action, caller, called, dispatch}, ""},
		{"the caller alone", []string{caller}, []string{caller}, action},
		{"the action alone", []string{action}, nil, caller},
		{"the called workflow alone", []string{called}, nil, dispatch},
		{"both of each", []string{caller, action}, []string{action, caller}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := Rewrite(tree, RewriteOptions{Level: LevelNeedsReview, Within: func(path string) bool { return strings.Contains(strings.Join(test.may, " "), path) }})
			var changed, why []string
			for _, f := range r.Files {
				if f.Refused == "" {
					changed = append(changed, f.Path)
				}
				why = append(why, f.Refused)
			}
			for _, l := range r.Left {
				why = append(why, l.Reason)
			}
			if strings.Join(changed, " ") != strings.Join(test.changed, " ") {
				t.Errorf("changed %q, want %q; %q", changed, test.changed, why)
			}
			if !strings.Contains(strings.Join(why, "\n"), test.left) {
				t.Errorf("no word of %s in %q", test.left, why)
			}
			if test.left != "" && len(changed) == 1 && strings.Contains(string(applied(tree, r).Files[0].Content), "azure-client-id") {
				t.Error("the caller passes ids to an action that knows none")
			}
		})
	}
}
