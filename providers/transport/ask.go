package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/doctor"
)

// Reply is the answer to one request, refusals included.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
	Skew   time.Duration // of the service's clock against this machine's; 0 where it did not say, or within network delay
	Err    error         // no answer came, where Ask gives the reply
}

// Ask sends one read and gives whatever comes: probes want to see refusals as they are. Without a body it is a GET.
func Ask(ctx context.Context, client *http.Client, address string, body []byte) Reply {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return Reply{Err: err}
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("X-TFS-FedAuthRedirect", "Suppress") // Azure DevOps: 401 rather than a sign-in page
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	sent := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return refused(err)
	}
	defer response.Body.Close()
	var c clock
	c.learn(response.Header, sent, time.Now())
	r := Reply{Status: response.StatusCode, Header: response.Header, Skew: c.offset}
	r.Body, r.Err = io.ReadAll(response.Body)
	return r
}

// refused turns an error of the transport that has a status into the refusal that it is.
func refused(err error) Reply {
	err = Clean(err)
	var e *Error
	if errors.As(err, &e) && e.Status != 0 {
		status := e.Status
		if status < 300 {
			status = http.StatusUnauthorized // a sign-in page that counts as success
		}
		text, _ := json.Marshal(map[string]string{"message": e.Message})
		return Reply{Status: status, Header: http.Header{}, Body: text}
	}
	return Reply{Err: err}
}

// Answer puts a reply into the form of package doctor. The code and message are read from the forms that the four services
// give errors in.
func (r Reply) Answer(check doctor.Check, object string) doctor.Answer {
	if r.Err != nil && r.Status == 0 {
		return doctor.Lost(check, object, r.Err)
	}
	a := doctor.Answer{Check: check, Object: object, Status: r.Status, Facts: map[string]string{}}
	if a.OK() {
		return a
	}
	var body struct {
		Message string `json:"message"`
		TypeKey string `json:"typeKey"`
		Error   struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(r.Body, &body) // a refusal without words is still one
	a.Code, a.Message = body.Error.Code, body.Error.Message
	if a.Code == "" {
		a.Code, a.Message = body.TypeKey, body.Message
	}
	return a
}

// Decode reads the body of a reply that succeeded.
func (r Reply) Decode(v any) bool {
	return r.Err == nil && r.Status == http.StatusOK && json.Unmarshal(r.Body, v) == nil
}
