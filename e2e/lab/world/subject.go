package world

import (
	"encoding/base64"
	"fmt"

	"github.com/google/uuid"
)

// TokenExchangeAudience is the audience that a federated credential names so that Entra honours it.
const TokenExchangeAudience = "api://AzureADTokenExchange"

// azureDevOpsAppID is the application id of Azure DevOps itself. Entra's subjects for service connections carry it
// as the party that vouches for them.
const azureDevOpsAppID = "499b84ac-1321-427f-aa17-267ca6975798"

// EntraIssuer is the issuer that Entra uses for the tokens of service connections and of everything else that it
// signs for a tenant.
func EntraIssuer(tenantID string) string {
	return "https://login.microsoftonline.com/" + tenantID + "/v2.0"
}

// DevOpsIssuer is Azure DevOps' own issuer, which is to retire on 2027-07-01 (Microsoft Learn: Convert service
// connections).
func DevOpsIssuer(orgID string) string {
	return "https://vstoken.dev.azure.com/" + orgID
}

// EntraSubject is the subject of a service connection's tokens under EntraIssuer:
// /eid1/c/pub/t/{T}/a/{A}/sc/{organisation id}/{endpoint id}, where T and A are the ids of the tenant and of Azure DevOps
// in base64url of their little-endian bytes (Azure DevOps release notes, sprint 253; form checked on published
// federated credentials).
func EntraSubject(tenantID, orgID, endpointID string) (string, error) {
	tenant, err := encodeGUID(tenantID)
	if err != nil {
		return "", fmt.Errorf("subject of connection %s: tenant: %w", endpointID, err)
	}
	azureDevOps, err := encodeGUID(azureDevOpsAppID)
	if err != nil {
		return "", fmt.Errorf("subject of connection %s: %w", endpointID, err)
	}
	return fmt.Sprintf("/eid1/c/pub/t/%s/a/%s/sc/%s/%s", tenant, azureDevOps, orgID, endpointID), nil
}

// DevOpsSubject is the subject of a service connection's tokens under DevOpsIssuer. Its names are compared with case.
func DevOpsSubject(org, project, connection string) string {
	return "sc://" + org + "/" + project + "/" + connection
}

// encodeGUID is base64url of the byte order in which Windows keeps a GUID: the first three groups little-endian.
func encodeGUID(id string) (string, error) {
	u, err := uuid.Parse(id)
	if err != nil {
		return "", fmt.Errorf("id %q is not a GUID: %w", id, err)
	}
	b := []byte{u[3], u[2], u[1], u[0], u[5], u[4], u[7], u[6]}
	return base64.RawURLEncoding.EncodeToString(append(b, u[8:]...)), nil
}
