package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/unsecret-dev/unsecret/e2e/azurite"
	"github.com/unsecret-dev/unsecret/providers/auth"
)

// cmdMode checks a file's permissions: mode 600 FILE.
func cmdMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// cmdJSONLines checks that the last stdout has a JSON document on each line, and so many or more: json-lines N.
func cmdJSONLines(ts *testscript.TestScript, _ bool, args []string) {
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stdout"), "\n"), "\n")
	for _, l := range lines {
		if !json.Valid([]byte(l)) {
			ts.Fatalf("not JSON: %s", l)
		}
	}
	if len(lines) < number(ts, args[0]) {
		ts.Fatalf("%d lines", len(lines))
	}
}

// cmdAzurite starts Azurite with the container "state", and sets AZURITE, the certificate and the token for the program.
func cmdAzurite(ts *testscript.TestScript, _ bool, _ []string) {
	s := &scriptTB{ts: ts}
	server := azurite.Start(s)
	server.MakeContainer(s, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: server.Pool, MinVersion: tls.VersionTLS12}}}, "state")
	ts.Setenv("AZURITE", server.Endpoint)
	ts.Setenv("SSL_CERT_FILE", server.CertFile)
	ts.Setenv(auth.EnvStorage, azurite.Token())
}

// hasAzurite tells whether Azurite can be had, and trusted by a process of its own.
func hasAzurite() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	_, err := azurite.Install(ctx)
	return err == nil && azurite.Trusts()
}

// scriptTB is a script as what starts a server for a test sees it.
type scriptTB struct {
	testing.TB
	ts *testscript.TestScript
	n  int
}

func (s *scriptTB) Helper()                         {}
func (s *scriptTB) Cleanup(f func())                { s.ts.Defer(f) }
func (s *scriptTB) Fatal(args ...any)               { s.ts.Fatalf("%s", fmt.Sprint(args...)) }
func (s *scriptTB) Fatalf(text string, args ...any) { s.ts.Fatalf(text, args...) }
func (s *scriptTB) Skipf(text string, args ...any)  { s.ts.Fatalf(text, args...) }

func (s *scriptTB) TempDir() string {
	s.n++
	dir := s.ts.MkAbs(fmt.Sprintf(".azurite-%d", s.n))
	s.ts.Check(os.MkdirAll(dir, 0o700))
	return dir
}
