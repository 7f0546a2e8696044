package transport

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// ErrWriteWhileReading is returned, before anything is sent, for a request that is not known to be a read
// on a transport that only reads.
var ErrWriteWhileReading = errors.New("refused: not known to be a read, and only reading is allowed now")

// isRead tells whether a request is known to change nothing. Whatever is not known to be a read is a write:
// in particular the endpointproxy of Azure DevOps, which signs in with a connection and shows in its history.
func (t *tripper) isRead(r *http.Request, body []byte) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	case http.MethodPost:
		path := strings.ToLower(strings.TrimRight(r.URL.Path, "/"))
		switch {
		case strings.HasSuffix(path, "/graphql"):
			return isQuery(body)
		case strings.HasSuffix(path, "/providers/microsoft.resourcegraph/resources"):
			// Resource Graph is a query language without statements that change anything
			// (Microsoft Learn: Understanding the Azure Resource Graph query language).
			return true
		case strings.HasSuffix(path, "/_apis/pipelines/checks/queryconfigurations"):
			// The checks on several resources at once: the resources are in the body, and nothing changes
			// (Azure DevOps Services REST API: Check Configurations - Query).
			return true
		case t.o.Kind == "azureDevOps" && strings.Contains(path, "/_apis/git/repositories/") && (strings.HasSuffix(path, "/itemsbatch") || strings.HasSuffix(path, "/blobs")):
			// Several files of a repository at once: the body names them, and nothing changes. Objects are made by pushes only
			// (Azure DevOps Services REST API: Items - Get Items Batch; Blobs - Get Blobs Zip).
			return true
		}
	}
	return t.o.IsRead != nil && t.o.IsRead(r, body)
}

// isQuery tells whether a GraphQL request's document has only queries.
func isQuery(body []byte) bool {
	var request struct {
		Query string `json:"query"`
	}
	if json.Unmarshal(body, &request) != nil {
		return false
	}
	document, err := parser.ParseQuery(&ast.Source{Input: request.Query})
	if err != nil || len(document.Operations) == 0 {
		return false
	}
	for _, operation := range document.Operations {
		if operation.Operation != ast.Query {
			return false
		}
	}
	return true
}
