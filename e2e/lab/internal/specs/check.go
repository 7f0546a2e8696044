package specs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// CheckResponse validates an answer to the operation with this id. It needs no router.
func CheckResponse(d *openapi3.T, operationID string, status int, contentType string, body []byte) error {
	route, err := find(d, operationID)
	if err != nil {
		return err
	}
	if status == http.StatusNoContent { // sent where the documents say 200 or 2XX
		if len(body) > 0 {
			return fmt.Errorf("%s: 204 with a body of %d bytes", operationID, len(body))
		}
		return nil
	}
	req, err := http.NewRequestWithContext(context.Background(), route.Method, "http://description.invalid/", nil)
	if err != nil {
		return err
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, Route: route},
		Status:                 status,
		Header:                 http.Header{"Content-Type": {contentType}},
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		return fmt.Errorf("%s: answer does not fit the description: %w", operationID, err)
	}
	return nil
}

// CheckRequest validates a request to the operation with this id, except for its authentication. The path's
// parameters are given by their names in the description; the request's body is put back for another reader.
func CheckRequest(d *openapi3.T, operationID string, req *http.Request, pathParams map[string]string) error {
	route, err := find(d, operationID)
	if err != nil {
		return err
	}
	err = openapi3filter.ValidateRequest(req.Context(), &openapi3filter.RequestValidationInput{
		Request:    req,
		PathParams: pathParams,
		Route:      route,
		Options:    &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
	if err != nil {
		return fmt.Errorf("%s: request does not fit the description: %w", operationID, err)
	}
	return nil
}

// find knows that operations which differ only in their query were merged, their ids joined by " + ".
func find(d *openapi3.T, operationID string) (*routers.Route, error) {
	for path, item := range d.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == operationID || slices.Contains(strings.Split(op.OperationID, " + "), operationID) {
				return &routers.Route{Spec: d, Path: path, PathItem: item, Method: method, Operation: op}, nil
			}
		}
	}
	return nil, fmt.Errorf("the description has no operation %q", operationID)
}

// DropNulls removes the null members of decoded JSON: neither Azure DevOps nor Graph declares them, both send them.
func DropNulls(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if e == nil {
				delete(x, k)
			} else {
				x[k] = DropNulls(e)
			}
		}
	case []any:
		for i := range x {
			x[i] = DropNulls(x[i])
		}
	}
	return v
}

// WithoutNulls is DropNulls on encoded JSON.
func WithoutNulls(body []byte) ([]byte, error) {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, fmt.Errorf("drop nulls: %w", err)
	}
	return json.Marshal(DropNulls(v))
}

// Describes is whether the document has the operation with this id.
func Describes(d *openapi3.T, operationID string) bool {
	_, err := find(d, operationID)
	return err == nil
}
