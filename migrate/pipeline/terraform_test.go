package pipeline

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unsecret-dev/unsecret/migrate/terraform"
)

func TestTheStepsWhoseSignInTerraformCodeDecidesAreFound(t *testing.T) {
	const text = `steps:
- task: TerraformTaskV4@4
  displayName: own
  inputs: {provider: azurerm, command: apply, environmentServiceNameAzureRM: prod, workingDirectory: '$(System.DefaultWorkingDirectory)/infra'}
- task: TerraformTaskV4@4
  displayName: computed
  inputs: {provider: azurerm, command: plan, environmentServiceNameAzureRM: prod, workingDirectory: '$(where)'}
- task: TerraformCLI@1
  displayName: backend
  inputs: {command: init, backendServiceArm: state}
- task: TerraformTaskV4@4
  displayName: another cloud
  inputs: {provider: aws, command: apply, environmentServiceNameAWS: aws}
- task: AzureCLI@2
  displayName: hands the key on
  inputs: {azureSubscription: prod, scriptType: bash, scriptLocation: inlineScript, addSpnToEnvironment: true, inlineScript: 'ARM_CLIENT_SECRET=$servicePrincipalKey terraform apply'}
- task: AzureCLI@2
  displayName: without a key
  inputs: {azureSubscription: prod, scriptType: bash, scriptLocation: inlineScript, inlineScript: terraform apply}
- task: AzureCLI@2
  displayName: without Terraform
  inputs: {azureSubscription: prod, scriptType: bash, scriptLocation: inlineScript, addSpnToEnvironment: true, inlineScript: 'echo $servicePrincipalKey'}
`
	type found struct {
		Step, Task, Directory string
		Connections           []string
	}
	var got []found
	result := Scan([]File{{Repository: "p/r", Path: "p.yml", Content: []byte(text)}}, nil)
	for _, u := range result.Terraform {
		got = append(got, found{u.Step, u.Task, u.Directory, u.Connections})
	}
	want := []found{
		{"own", "TerraformTaskV4@4", "infra", []string{"prod"}}, {"computed", "TerraformTaskV4@4", "", []string{"prod"}}, {"backend", "TerraformCLI@1", ".", []string{"state"}},
		{"hands the key on", "AzureCLI@2", "", []string{"prod"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	checks := TerraformChecks(result.Terraform[0], terraform.Answer{Against: []terraform.Remark{{Message: "m", Change: "c"}}, Doubts: []terraform.Remark{{Message: "d"}}})
	if len(checks) != 2 || checks[0].Severity != Blocker || checks[0].Message != "m" || checks[0].Remedy != "c" || checks[0].Rule != RuleTerraformCode || checks[1].Severity != Warning {
		t.Errorf("checks %+v", checks)
	}
}
