package github_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/unsecret-dev/unsecret/e2e/lab/github"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// BenchmarkScanQuery answers the query that reads the workflows of 50 repositories, without a network.
func BenchmarkScanQuery(b *testing.B) {
	w := world.New(1)
	w.Tokens["t"] = &world.Token{Value: "t", Role: world.RoleReader, Audience: world.AudienceGitHub}
	var ids []string
	for i := range 50 {
		files := map[string]string{"README.md": "hi"}
		for n := range 5 {
			files[fmt.Sprintf(".github/workflows/w%d.yml", n)] = strings.Repeat("on: push\n", 200)
		}
		ids = append(ids, w.AddRepo("octo", fmt.Sprintf("r%d", i), files).NodeID)
	}
	body, err := json.Marshal(map[string]any{"query": scanQuery, "variables": map[string]any{"ids": ids}})
	if err != nil {
		b.Fatal(err)
	}
	h := github.New(w)
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer t")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != 200 || strings.Contains(rec.Body.String(), `"errors"`) {
			b.Fatal(rec.Body)
		}
	}
}
