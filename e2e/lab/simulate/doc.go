// Package simulate is the lab's run simulator: it decides what GitHub Actions and Azure Pipelines would do with an
// event or a pipeline run, performs every Azure login of the run against the lab's token endpoint, and records the
// outcome. It is the judge of the program: it shares no parser, no subject code and no type with it.
//
// # What is modelled
//
//   - Triggers: branches, tags and paths filters with GitHub's patterns, activity types, the ref and the commit of
//     each event. pull_request_target runs the default branch's file (GitHub changelog of 2025-11-07). A ref that
//     does not exist counts as just branched off the default branch.
//   - Refusal to start (startup_failure): a file that is no YAML or has a key twice, a missing runs-on, an
//     expression that does not parse or names a context that the key may not use, unknown needs, a called workflow
//     that is missing, is called wrongly, or asks for more permissions than its caller may give.
//   - Jobs: needs, if, matrices, environments, called workflows of this and of other repositories of the lab with
//     inputs, secrets (also inherit) and outputs, composite actions of the lab's repositories, continue-on-error.
//   - The token: permissions by job, file, caller and the repository's default; the ceiling for pull requests from
//     forks; Dependabot; the subject with environment, pull_request or ref, immutable and customised forms; all the
//     claims that GitHub documents.
//   - Secrets and variables by environment, repository and organisation; Dependabot's own secrets; none for forks.
//   - Logins: azure/login (creds and OIDC, by version), ARM_* of Terraform, OpenTofu, Terragrunt and Pulumi,
//     AZURE_CLIENT_SECRET of the SDKs, az login, azd auth login, Connect-AzAccount, docker login and its actions
//     with a service principal, azure/aks-set-context@v1, azure/k8s-set-context.
//   - Azure Pipelines: one use of a service connection, see Simulator.Connection.
//
// # What is not
//
// Nothing is really executed. What only the real run knows, such as the output of an action that cannot be looked
// into, is unknown: a condition on it counts as true, so that the login behind it is tried; an environment's name
// with it becomes "unknown"; a credential with it is not judged. Scripts are read line by line, with variables,
// quotes, simple tests, echo to $GITHUB_ENV and $GITHUB_OUTPUT, and jq -r .field; not functions, loops or files.
// A step that merely needs a session, such as az or azure/webapps-deploy, is not judged. Waiting, approvals,
// concurrency, containers, time limits and the life of a session are not modelled; a job that names a missing
// environment does not create it.
package simulate
