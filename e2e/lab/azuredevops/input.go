package azuredevops

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// endpointInput is what a caller sends for a connection. What is absent stays as it is.
type endpointInput struct {
	ID            string              `json:"id"`
	Type          string              `json:"type"`
	URL           string              `json:"url"`
	Owner         string              `json:"owner"`
	Description   *string             `json:"description"`
	Data          map[string]*string  `json:"data"`
	Authorization *authorizationInput `json:"authorization"`
	IsDisabled    *bool               `json:"isDisabled"`
	Refs          []refInput          `json:"serviceEndpointProjectReferences"`
}

type authorizationInput struct {
	Scheme     string             `json:"scheme"`
	Parameters map[string]*string `json:"parameters"`
}

type refInput struct {
	ProjectReference struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"projectReference"`
	Name        *string `json:"name"`
	Description *string `json:"description"`
}

// key is what names the project: its id, or its name where the id is not sent.
func (r refInput) key() string {
	if r.ProjectReference.ID != "" {
		return r.ProjectReference.ID
	}
	return r.ProjectReference.Name
}

func (in endpointInput) scheme() string {
	if in.Authorization == nil {
		return ""
	}
	return in.Authorization.Scheme
}

// secret gives a confidential parameter that is sent with a value: null and "" both mean "keep what you have".
func (in endpointInput) secret(param string) string {
	if in.Authorization == nil {
		return ""
	}
	for k, v := range in.Authorization.Parameters {
		if strings.EqualFold(k, param) && v != nil {
			return *v
		}
	}
	return ""
}

// applyFields puts what was sent into the connection, except for its scheme and projects. Issuer, subject and
// revert deadline are the service's own and cannot be set.
func (in endpointInput) applyFields(conn *world.Connection) {
	if in.URL != "" {
		conn.URL = in.URL
	}
	if in.Description != nil {
		conn.Description = *in.Description
	}
	if in.IsDisabled != nil {
		conn.Disabled = *in.IsDisabled
	}
	if in.Data != nil {
		conn.Data = plain(in.Data)
		drop(conn.Data, dataDeadline)
	}
	if in.Authorization != nil {
		in.Authorization.applyParams(conn)
	}
}

func (in authorizationInput) applyParams(conn *world.Connection) {
	params := plain(in.Parameters)
	drop(params, paramIssuer, paramIssuerType, paramSubject)
	conn.Params, conn.Hidden = orEmpty(conn.Params), orEmpty(conn.Hidden)
	for k, v := range params {
		if isConfidential(conn, k) {
			storeSecret(conn, k, v)
			continue
		}
		drop(conn.Params, k)
		conn.Params[k] = v
	}
}

// storeSecret keeps a confidential value where no answer finds it. Without a value the old one stays.
func storeSecret(conn *world.Connection, key, v string) {
	drop(conn.Params, key)
	conn.Params[key] = ""
	if v == "" {
		return
	}
	drop(conn.Hidden, key)
	conn.Hidden[key] = v
}

func plain(m map[string]*string) map[string]string {
	values := make(map[string]string, len(m))
	for k, v := range m {
		values[k] = ""
		if v != nil {
			values[k] = *v
		}
	}
	return values
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}

func decode[T any](body []byte) (T, error) {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return v, argument("The request body is not valid: %v", err)
	}
	return v, nil
}
