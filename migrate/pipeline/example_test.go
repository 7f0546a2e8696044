package pipeline_test

import (
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/pipeline"
)

const copyPipeline = `trigger: [main]
parameters:
- name: environment
  type: string
  default: dev
  values: [dev, prod]
steps:
- task: AzureFileCopy@4
  inputs:
    azureSubscription: azure-${{ parameters.environment }}
`

func ExampleScan() {
	r := pipeline.Scan([]pipeline.File{{Path: "azure-pipelines.yml", Content: []byte(copyPipeline)}}, nil)
	for _, u := range r.Uses {
		fmt.Printf("%s:%d %s@%s uses one of %v\n", u.File, u.Line, u.Task, u.Version, u.Resolved)
	}
	for _, c := range r.Checks {
		fmt.Printf("%s %s: %s\n", c.Severity, c.Rule, c.Message)
	}
	// Output:
	// azure-pipelines.yml:10 AzureFileCopy@4 uses one of [azure-dev azure-prod]
	// blocker task-newer-major: this version of the task does not support workload identity federation
}

func ExampleRewrite() {
	files := []pipeline.File{{Path: "azure-pipelines.yml", Content: []byte(copyPipeline)}}
	w := pipeline.Rewrite(files, nil, pipeline.RewriteOptions{Level: pipeline.LevelNeedsReview})
	for _, e := range w.Files[0].Edits {
		fmt.Printf("line %d becomes %s\n", e.Line, e.New)
	}
	// Output:
	// line 8 becomes AzureFileCopy@6
}
