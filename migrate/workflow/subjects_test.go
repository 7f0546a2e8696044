package workflow

import (
	"strings"
	"testing"
)

const stepConditions = `on:
  push:
    branches: [main]
  pull_request:
jobs:
  deploy:
    runs-on: ubuntu-latest
    env:
      ARM_CLIENT_SECRET: ${{ secrets.AZURE_CLIENT_SECRET }}
    steps:
      - uses: azure/login@v2
        if: github.event_name == 'push'
        with:
          creds: ${{ secrets.AZURE_CREDENTIALS }}
      - uses: azure/login@v2
        if: always()
        with:
          creds: ${{ secrets.AZURE_CREDENTIALS }}
      - run: az login --service-principal -u ${{ secrets.AZURE_CLIENT_ID }} -p ${{ secrets.AZURE_CLIENT_SECRET }} --tenant ${{ secrets.AZURE_TENANT_ID }}
        if: github.event_name == 'pull_request'
      - run: |
          echo "ARM_CLIENT_SECRET=${{ secrets.AZURE_CLIENT_SECRET }}" >> "$GITHUB_ENV"
        if: github.event_name == 'pull_request'
`

// What a step writes for the steps after it is read there, whatever its own condition is; all else happens in the step.
func TestALoginHasTheSubjectsThatTheConditionOfItsStepLeaves(t *testing.T) {
	tree := Tree{DefaultBranch: "main", Files: []File{{Path: ".github/workflows/a.yml", Content: []byte(stepConditions)}}}
	const push, pull, both = "ref:refs/heads/main", "pull_request", "pull_request ref:refs/heads/main"
	want := map[int]string{9: both, 14: push, 18: both, 19: pull, 22: both}
	logins := Scan(tree, Options{Subjects: true}).Logins
	if len(logins) != len(want) {
		t.Fatalf("%d logins, want %d", len(logins), len(want))
	}
	for _, l := range logins {
		if len(l.Subjects) != 1 || strings.Join(l.Subjects[0].Subjects, " ") != want[l.Line] {
			t.Errorf("line %d: %+v, want %s", l.Line, l.Subjects, want[l.Line])
		}
	}
}
