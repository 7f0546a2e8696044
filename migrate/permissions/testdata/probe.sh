#!/bin/sh
# What unsecret needs for probe, least privilege.
# Run it as an administrator who may grant consent: APP_ID=… SUBSCRIPTION=… sh FILE
#
# Not in here, since Azure DevOps and GitHub have no such command; grant these by hand:
#   GitHub: Contents, Workflows, Actions: write; Checks: read
#     fine-grained token: https://github.com/settings/personal-access-tokens, edit it, Contents, Workflows, Actions: write; Checks: read

set -eu
: "${APP_ID:?set APP_ID to the client id of the application that unsecret signs in as}"

# Microsoft Graph, application permissions.
az ad app permission add --id "$APP_ID" --api 00000003-0000-0000-c000-000000000000 --api-permissions \
  9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30=Role
# 9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30 = Application.Read.All
az ad app permission admin-consent --id "$APP_ID"
