package azuredevops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	sdk "github.com/microsoft/azure-devops-go-api/azuredevops/v7"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
)

// rawValue is a piece of JSON that is passed on as it came.
type rawValue = json.RawMessage

func moment(t *sdk.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time.UTC()
}

func decodeEndpoint(text rawValue, raw *map[string]rawValue, e *endpoint) error {
	if len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, raw); err != nil {
		return fmt.Errorf("the answer is not a service connection: %w", err)
	}
	if err := json.Unmarshal(text, e); err != nil {
		return fmt.Errorf("the answer is not a service connection: %w", err)
	}
	return nil
}

// encode writes JSON without changing what is in strings.
func encode(v any) (*bytes.Buffer, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return &b, err
}

// write sends a change whose answer says nothing that is needed.
func (c *Client) write(ctx context.Context, what string, body any, r call) error {
	if body != nil {
		b, err := encode(body)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		r.body = b
	}
	if err := c.send(ctx, r, nil); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// about says what is done to a connection, to begin an error.
func (c *Client) about(what string, id inventory.ConnectionID, name string) string {
	return fmt.Sprintf("azure devops %s: %s service connection %q (%s)", c.organization, what, name, id)
}

// Convert asks the service to change the authentication scheme. The body is the least that the operation
// takes: id, type, scheme and all project references as the service tells them, so that nothing else of the
// connection can be changed by a field that was read incompletely
// (Microsoft Learn: Connect to Azure, "Convert multiple service connections with a script").
func (c *Client) Convert(ctx context.Context, connection inventory.Connection, scheme string) error {
	what := c.about("converting", connection.ID, connection.Name) + " to " + scheme
	raw, _, err := c.fresh(ctx, connection)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	body := map[string]any{
		"id":                               raw["id"],
		"type":                             raw["type"],
		"authorization":                    map[string]string{"scheme": scheme},
		"serviceEndpointProjectReferences": raw["serviceEndpointProjectReferences"],
	}
	return c.write(ctx, what, body, call{
		method: http.MethodPut, location: endpointsInOrg, version: endpointVersion,
		route: map[string]string{"endpointId": string(connection.ID)},
		query: url.Values{"operation": {"ConvertAuthenticationScheme"}},
	})
}

// fresh reads a connection before it is written and refuses one whose contents the caller may not see.
func (c *Client) fresh(ctx context.Context, connection inventory.Connection) (map[string]rawValue, endpoint, error) {
	project, err := origin(connection)
	if err != nil {
		return nil, endpoint{}, err
	}
	raw, e, err := c.read(ctx, project, connection.ID)
	if err == nil && (!e.readable() || len(e.References) == 0) {
		err = execute.From(permissions.AzureDevOps, fmt.Errorf("%w: its contents are not shown to this caller, who needs the role Administrator on it", execute.ErrForbidden))
	}
	return raw, e, err
}

// SetPassword writes a new client secret into the connection and sets its scheme to ServicePrincipal. The
// update replaces the whole connection, so it is built from the JSON as it was read just before; the value is
// in the request's body alone.
func (c *Client) SetPassword(ctx context.Context, connection inventory.Connection, password *execute.Password) error {
	what := c.about("writing a new client secret into", connection.ID, connection.Name)
	raw, e, err := c.fresh(ctx, connection)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err = password.Reveal(func(value []byte) error {
		body, err := passwordBody(raw, e, value)
		if err != nil {
			return err
		}
		defer clear(body.Bytes())
		err = c.send(ctx, call{
			method: http.MethodPut, location: endpointsInOrg, version: endpointVersion,
			route: map[string]string{"endpointId": string(connection.ID)},
			body:  bytes.NewReader(body.Bytes()),
		}, nil)
		return withoutValue(err, value)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// passwordBody is the connection as it was read, with the scheme ServicePrincipal and the new key.
func passwordBody(raw map[string]rawValue, e endpoint, value []byte) (*bytes.Buffer, error) {
	parameters := e.withoutSecret()
	parameters["authenticationType"] = "spnKey"
	parameters["serviceprincipalkey"] = string(value)
	data := map[string]any{}
	for k, v := range e.Data {
		if !strings.EqualFold(k, "revertSchemeDeadline") {
			data[k] = v
		}
	}
	body := asRead(raw)
	body["data"] = data
	body["authorization"] = map[string]any{"scheme": inventory.SchemeServicePrincipal, "parameters": parameters}
	return encode(body)
}

// asRead is a connection as it was read, for an update that replaces the whole of it.
func asRead(raw map[string]rawValue) map[string]any {
	body := map[string]any{}
	for k, v := range raw {
		body[k] = v
	}
	delete(body, "operationStatus")
	return body
}

// withoutSecret are the parameters that belong to what is signed in to.
func (e endpoint) withoutSecret() map[string]any {
	parameters := map[string]any{}
	for k, v := range e.Authorization.Parameters {
		if !ofSecret(k) {
			parameters[k] = v
		}
	}
	return parameters
}

// ofSecret tells whether a parameter belongs to one way of signing in, and not to what is signed in to.
func ofSecret(parameter string) bool {
	lower := strings.ToLower(parameter)
	return strings.HasPrefix(lower, "workloadidentityfederation") || lower == "serviceprincipalkey" || lower == "serviceprincipalcertificate" || lower == "authenticationtype" || lower == "accesstoken"
}

// withoutValue drops an error's text where the service repeats the value in it; its kind stays.
func withoutValue(err error, value []byte) error {
	if err == nil || len(value) == 0 || !strings.Contains(err.Error(), string(value)) {
		return err
	}
	return fmt.Errorf("%w (the service's answer is withheld, since it repeats the value)", kindOf(err))
}

// kindOf is what an error is, without its text.
func kindOf(err error) error {
	for _, sentinel := range []error{execute.ErrUnauthenticated, execute.ErrNotFound, execute.ErrForbidden, execute.ErrConflict, execute.ErrLimit, execute.ErrPolicy, execute.ErrUnknownOutcome} {
		if errors.Is(err, sentinel) {
			return sentinel
		}
	}
	return execute.ErrRefused
}

// Test asks the service to sign in with the connection and to read its subscription or management group, as
// the button "Verify" does (terraform-provider-azuredevops, validateServiceEndpoint).
func (c *Client) Test(ctx context.Context, connection inventory.Connection) (bool, string, error) {
	what := c.about("testing", connection.ID, connection.Name)
	project, err := origin(connection)
	if err != nil {
		return false, "", fmt.Errorf("%s: %w", what, err)
	}
	raw, e, err := c.fresh(ctx, connection)
	if err != nil {
		return false, "", execute.Needing(permissions.DevOpsConnectionUser, fmt.Errorf("%s: %w", what, err))
	}
	source := "TestConnection"
	if strings.EqualFold(lookup(e.Data, "scopeLevel"), "ManagementGroup") {
		source = "TestConnectionManagementGroup"
	}
	body, err := encode(map[string]any{
		"dataSourceDetails":           map[string]string{"dataSourceName": source},
		"resultTransformationDetails": map[string]string{},
		"serviceEndpointDetails": map[string]any{
			"data": raw["data"], "authorization": raw["authorization"], "url": raw["url"], "type": raw["type"],
		},
	})
	if err != nil {
		return false, "", fmt.Errorf("%s: %w", what, err)
	}
	var answer struct {
		StatusCode   rawValue `json:"statusCode"`
		ErrorMessage string   `json:"errorMessage"`
	}
	err = c.send(ctx, call{
		method: http.MethodPost, location: endpointProxy, version: "7.1-preview.1",
		route: map[string]string{"project": string(project)},
		query: url.Values{"endpointId": {string(connection.ID)}},
		body:  body,
	}, &answer)
	if err != nil {
		return false, "", execute.Needing(permissions.DevOpsConnectionUser, fmt.Errorf("%s: %w", what, err))
	}
	status := strings.Trim(string(answer.StatusCode), `"`)
	ok := strings.EqualFold(status, "ok") || status == "200"
	message := strings.TrimSpace(answer.ErrorMessage)
	if !ok && message == "" {
		message = "the service answered with status " + status
	}
	return ok, message, nil
}
