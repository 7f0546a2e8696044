package azuredevops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// answer is one response. With later set it is not known yet and must be asked for without the world's lock.
type answer struct {
	status int
	header http.Header
	body   any
	html   string
	raw    []byte // not nil: a file's bytes
	next   string // continuation token
	later  func(context.Context) answer
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

func noContent() answer { return answer{status: http.StatusNoContent} }

// list wraps a collection as every list of the API is.
func list[T any](values []T) answer {
	if values == nil {
		values = []T{}
	}
	return ok(struct {
		Count int `json:"count"`
		Value []T `json:"value"`
	}{len(values), values})
}

func (a answer) write(rw http.ResponseWriter) {
	h := rw.Header()
	for k, v := range a.header {
		h[k] = v
	}
	if a.next != "" {
		h.Set("x-ms-continuationtoken", a.next)
	}
	switch {
	case a.html != "":
		h.Set("Content-Type", "text/html; charset=utf-8")
		rw.WriteHeader(a.status)
		_, _ = rw.Write([]byte(a.html))
	case a.raw != nil:
		h.Set("Content-Type", "application/octet-stream")
		rw.WriteHeader(a.status)
		_, _ = rw.Write(a.raw)
	case a.status == http.StatusNoContent:
		rw.WriteHeader(a.status)
	default:
		h.Set("Content-Type", "application/json; charset=utf-8; api-version=7.1")
		rw.WriteHeader(a.status)
		_ = json.NewEncoder(rw).Encode(a.body)
	}
}

// The event ids that the service puts into its errors: 3000 for all that it throws itself, 0 for .NET's own.
const (
	eventNone      = 0
	eventFramework = 3000
)

// apiError is an error as the API tells it. The type's key is the short form of its name.
type apiError struct {
	status   int
	message  string
	typeName string
	eventID  int
}

// Error is the message that the caller is shown.
func (e *apiError) Error() string { return e.message }

func (e *apiError) typeKey() string {
	name, _, _ := strings.Cut(e.typeName, ",")
	return name[strings.LastIndex(name, ".")+1:]
}

// failure is the answer for an error: the SDK knows this shape as WrappedError.
func failure(err error) answer {
	var e *apiError
	if !errors.As(err, &e) {
		e = &apiError{http.StatusInternalServerError, err.Error(), "System.Exception, mscorlib", eventNone}
	}
	return answer{status: e.status, body: map[string]any{
		"$id":            "1",
		"innerException": nil,
		"message":        e.message,
		"typeName":       e.typeName,
		"typeKey":        e.typeKey(),
		"errorCode":      0,
		"eventId":        e.eventID,
	}}
}

func argument(format string, args ...any) error {
	return &apiError{http.StatusBadRequest, fmt.Sprintf(format, args...), "System.ArgumentException, mscorlib", eventNone}
}

func argumentNull(parameter string) error {
	return &apiError{http.StatusBadRequest, "Value cannot be null.\r\nParameter name: " + parameter,
		"System.ArgumentNullException, mscorlib", eventNone}
}

func connectionError(status int, format string, args ...any) error {
	return &apiError{status, fmt.Sprintf(format, args...), "Microsoft.VisualStudio.Services.ServiceEndpoints.WebApi." +
		"ServiceEndpointException, Microsoft.VisualStudio.Services.ServiceEndpoints.WebApi", eventFramework}
}

func forbidden(format string, args ...any) error {
	return &apiError{http.StatusForbidden, fmt.Sprintf(format, args...), "Microsoft.VisualStudio.Services.Security." +
		"AccessCheckException, Microsoft.VisualStudio.Services.WebApi", eventFramework}
}

func notFound(typeName, format string, args ...any) error {
	return &apiError{http.StatusNotFound, fmt.Sprintf(format, args...), typeName, eventFramework}
}
