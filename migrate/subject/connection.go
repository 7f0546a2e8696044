package subject

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/google/uuid"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// azureDevOpsApplication is the first-party application of Azure DevOps, which issues the tokens of
// service connections in the Entra form (Microsoft Learn: Troubleshoot workload identity service connections).
const azureDevOpsApplication = "499b84ac-1321-427f-aa17-267ca6975798"

// ConnectionSubject gives the subject that a service connection presents in the Entra form, the default for new
// connections (Azure DevOps release notes, sprint 253). Where the connection tells its own issuer and subject,
// those are authoritative.
func ConnectionSubject(tenant inventory.TenantID, organizationID string, connection inventory.ConnectionID) Subject {
	value := "/eid1/c/pub/t/" + encodeGUID(string(tenant)) + "/a/" + encodeGUID(azureDevOpsApplication) +
		"/sc/" + strings.ToLower(organizationID) + "/" + strings.ToLower(string(connection))
	return Subject{
		Issuer:   "https://login.microsoftonline.com/" + strings.ToLower(string(tenant)) + "/v2.0",
		Value:    value,
		Audience: Audience,
	}
}

// OldConnectionSubject gives the subject that a service connection presents in the form of Azure DevOps' own
// issuer, which names the connection and so breaks when it, its project or its organisation is renamed.
func OldConnectionSubject(organization, organizationID, project, name string) Subject {
	return Subject{
		Issuer:   "https://vstoken.dev.azure.com/" + organizationID,
		Value:    "sc://" + organization + "/" + project + "/" + name,
		Audience: Audience,
	}
}

// encodeGUID writes a GUID as Entra does inside subjects: the bytes in .NET's order (the first three
// fields little-endian), base64url without padding. What is no GUID is kept as it is.
func encodeGUID(text string) string {
	id, err := uuid.Parse(text)
	if err != nil {
		return text
	}
	var b [16]byte
	binary.LittleEndian.PutUint32(b[0:], binary.BigEndian.Uint32(id[0:]))
	binary.LittleEndian.PutUint16(b[4:], binary.BigEndian.Uint16(id[4:]))
	binary.LittleEndian.PutUint16(b[6:], binary.BigEndian.Uint16(id[6:]))
	copy(b[8:], id[8:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
