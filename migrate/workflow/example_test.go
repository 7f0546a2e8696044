package workflow_test

import (
	"fmt"

	"github.com/unsecret-dev/unsecret/migrate/workflow"
)

const siteWorkflow = `name: Site
on:
  push:
    branches: [main]
jobs:
  publish:
    runs-on: ubuntu-latest
    environment: live
    steps:
      - uses: actions/checkout@v4
      - uses: azure/login@v2
        with:
          creds: ${{ secrets.SITE_LOGIN }}
      - run: az storage blob sync -c '$web' -s site
`

func siteTree() workflow.Tree {
	return workflow.Tree{
		Repository: "contoso/site", DefaultBranch: "main", DefaultPermissions: "read",
		Files: []workflow.File{{Path: ".github/workflows/site.yml", Content: []byte(siteWorkflow)}},
	}
}

func ExampleScan() {
	for _, l := range workflow.Scan(siteTree(), workflow.Options{Subjects: true}).Logins {
		fmt.Printf("%s:%d:%d %s uses %s, %s\n", l.File, l.Line, l.Column, l.Kind, l.Secrets[0].Name, l.Conversion)
		fmt.Printf("job %s presents repo:%s:%s\n", l.Job, l.Repository, l.Subjects[0].Subjects[0])
	}
	// Output:
	// .github/workflows/site.yml:13:11 azure-login-creds uses SITE_LOGIN, automatic
	// job publish presents repo:contoso/site:environment:live
}

func ExampleRewrite() {
	for _, f := range workflow.Rewrite(siteTree(), workflow.RewriteOptions{}).Files {
		fmt.Print(workflow.Diff(f))
	}
	// Output:
	// --- a/.github/workflows/site.yml
	// +++ b/.github/workflows/site.yml
	// @@ -5,10 +5,16 @@
	//  jobs:
	//    publish:
	//      runs-on: ubuntu-latest
	// +    permissions:
	// +      id-token: write
	// +      contents: read
	// +      packages: read
	//      environment: live
	//      steps:
	//        - uses: actions/checkout@v4
	//        - uses: azure/login@v2
	//          with:
	// -          creds: ${{ secrets.SITE_LOGIN }}
	// +          client-id: ${{ vars.AZURE_CLIENT_ID }}
	// +          tenant-id: ${{ vars.AZURE_TENANT_ID }}
	// +          subscription-id: ${{ vars.AZURE_SUBSCRIPTION_ID }}
	//        - run: az storage blob sync -c '$web' -s site
}
