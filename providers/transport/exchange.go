package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
)

// Exchange sends one request, with content as JSON where it is not nil, and gives the answer. It is for the APIs that no SDK is used
// for. Its errors are those of the content, of the address and of a transport that brought no whole answer; what a status means is the caller's to say.
func Exchange(ctx context.Context, client *http.Client, method, address string, content any) (Reply, error) {
	var body io.Reader
	if content != nil {
		b, err := json.Marshal(content)
		if err != nil {
			return Reply{}, err
		}
		body = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return Reply{}, err
	}
	request.Header.Set("Accept", "application/json")
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return Reply{}, Clean(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return Reply{Status: response.StatusCode, Header: response.Header, Body: text}, err
}
