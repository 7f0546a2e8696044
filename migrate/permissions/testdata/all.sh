#!/bin/sh
# What unsecret needs for all phases, least privilege.
# Run it as an administrator who may grant consent: APP_ID=… SUBSCRIPTION=… sh FILE
#
# Not in here, since Azure DevOps and GitHub have no such command; grant these by hand:
#   Azure DevOps: Project Readers
#     https://dev.azure.com/<organisation>/_settings/users (add the identity with access level Basic, to Project Readers of each project)
#   Azure DevOps: Reader role on service connections
#     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role Reader, for all connections of the project)
#   Azure DevOps: User role on service connections
#     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role User, on the connections of the plan)
#   Azure DevOps: Administrator role on service connections
#     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role Administrator, on the connections of the plan)
#   Azure DevOps: Creator role on service connections, Administrator on those that are replaced, only with plan.connections.registry or plan.connections.identity: recreate
#     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role Creator, for all connections of the project; role Administrator, on the connections of the plan)
#   Azure DevOps: Administrator role on service connections that were replaced, only with plan.connections.registry or plan.connections.identity: recreate
#     https://dev.azure.com/<organisation>/<project>/_settings/adminservices (⋮, Security: role Administrator, on the connections of the plan)
#   Azure DevOps: Read on repositories, pipelines and library
#     https://dev.azure.com/<organisation>/<project>/_settings/repositories (Security: Read, for all repositories of the project)
#   Azure DevOps: Contribute, Create branch, Contribute to pull requests
#     https://dev.azure.com/<organisation>/<project>/_settings/repositories (Security: Contribute, Create branch and Contribute to pull requests, on the repositories of the plan)
#   GitHub: Contents, Metadata: read
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Contents: read
#   GitHub: Actions: read
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Actions: read
#   GitHub: Administration: read
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Administration: read
#   GitHub: Secrets, Variables, Environments, Dependabot secrets: read
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Secrets, Variables, Environments, Dependabot secrets: read
#   GitHub: organisation Secrets, Variables, Administration: read
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, organisation Secrets, Variables, Administration: read
#   GitHub: Contents, Pull requests, Workflows: write
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Contents, Pull requests, Workflows: write
#   GitHub: Pull requests: read
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Pull requests: read
#   GitHub: Checks, Commit statuses: read
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Checks, Commit statuses: read
#   GitHub: Variables, Environments: write
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Variables, Environments: write
#   GitHub: Secrets, Environments, Dependabot secrets: write
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Secrets, Environments, Dependabot secrets: write
#   GitHub: organisation Secrets, Variables: write
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, organisation Secrets, Variables: write
#   GitHub: Contents, Workflows, Actions: write; Checks: read
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Contents, Workflows, Actions: write; Checks: read

set -eu
: "${APP_ID:?set APP_ID to the client id of the application that unsecret signs in as}"

# Microsoft Graph, application permissions.
az ad app permission add --id "$APP_ID" --api 00000003-0000-0000-c000-000000000000 --api-permissions \
  9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30=Role \
  b0afded3-3588-46d8-8b3d-9842eff778da=Role \
  246dd0d5-5bd0-4def-940b-0421030a5b68=Role \
  18a4783c-866b-4cc7-a460-3d5e5662c884=Role
# 9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30 = Application.Read.All
# b0afded3-3588-46d8-8b3d-9842eff778da = AuditLog.Read.All
# 246dd0d5-5bd0-4def-940b-0421030a5b68 = Policy.Read.All
# 18a4783c-866b-4cc7-a460-3d5e5662c884 = Application.ReadWrite.OwnedBy
# be74164b-cff1-491c-8741-e671cb536e13 = Policy.ReadWrite.ApplicationConfiguration, only with plan.endState: blockPasswords: then set BLOCK_PASSWORDS=yes
if [ "${BLOCK_PASSWORDS:-}" = yes ]; then
  az ad app permission add --id "$APP_ID" --api 00000003-0000-0000-c000-000000000000 --api-permissions be74164b-cff1-491c-8741-e671cb536e13=Role
fi
az ad app permission admin-consent --id "$APP_ID"

# Application.ReadWrite.OwnedBy reaches only applications that unsecret's service principal owns: name those of the plan.
principal=$(az ad sp show --id "$APP_ID" --query id --output tsv)
for application in ${APPLICATIONS:-}; do
  az ad app owner add --id "$application" --owner-object-id "$principal"
done

# Azure: Reader, for role assignments and Managed DevOps Pools, through Resource Graph.
: "${SUBSCRIPTION:?set SUBSCRIPTION to the id of a subscription; run this part once for each}"
az role assignment create --assignee "$APP_ID" --role acdd72a7-3385-48ef-bd42-f606fba81ae7 --scope "/subscriptions/$SUBSCRIPTION"

# Azure: Managed Identity Contributor, for creating managed identities and their federated credentials, and Reader to compare roles, where plan.targets names such.
# Only with plan.targets: then set IDENTITY_SCOPES to the scopes, with spaces between them: the resource groups of plan.targets, such as /subscriptions/ID/resourceGroups/NAME.
for scope in ${IDENTITY_SCOPES:-}; do
  az role assignment create --assignee "$APP_ID" --role e40ec5ca-96e0-45a2-b4ff-59039f2c2b59 --scope "$scope"
done

# Azure: Role Based Access Control Administrator, for giving a managed identity the roles of the application, where plan.targets names such; restrict it to these roles by a condition.
# Only with plan.targets: then set ROLE_SCOPES to the scopes, with spaces between them: those at which the applications have roles.
for scope in ${ROLE_SCOPES:-}; do
  az role assignment create --assignee "$APP_ID" --role f58310d9-a9f6-439a-9e8d-f62e7b41a168 --scope "$scope"
done
