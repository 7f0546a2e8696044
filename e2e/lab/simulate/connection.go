package simulate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// The schemes of a service connection that sign in to Entra.
const (
	schemeSecret    = "ServicePrincipal"
	schemeFederated = "WorkloadIdentityFederation"
	schemeManaged   = "ManagedServiceIdentity"
)

// Connection runs a pipeline that uses a service connection, and records the run and the connection's execution
// history. code is the AADSTS code of a refusal, or a text of Azure Pipelines' own; it is empty when ok.
func (s *Simulator) Connection(ctx context.Context, org, connectionID string) (ok bool, code string) {
	c := s.connection(org, connectionID)
	if c == nil {
		return false, "the service connection " + connectionID + " does not exist in the organisation " + org
	}
	start := s.now()
	err := s.SignIn(ctx, c)
	s.recordUse(org, c, start, err)
	if err != nil {
		return false, codeOf(err)
	}
	return true, ""
}

// codeOf is the AADSTS code in front of an error's text, or the text.
func codeOf(err error) string {
	msg := err.Error()
	if code, _, ok := strings.Cut(msg, ":"); ok && strings.HasPrefix(code, "AADSTS") {
		return code
	}
	return msg
}

// connection copies a connection.
func (s *Simulator) connection(org, id string) *world.Connection {
	s.w.Lock()
	defer s.w.Unlock()
	o := s.w.DevOps[strings.ToLower(org)]
	if o == nil {
		return nil
	}
	c := o.Connections[id]
	if c == nil || c.Deleted {
		return nil
	}
	copied := *c
	copied.Params, copied.Hidden = maps.Clone(c.Params), maps.Clone(c.Hidden)
	return &copied
}

// SignIn performs the login that a pipeline performs with a connection and gives the error that it ends with. The
// caller must not hold the world's lock and nobody may change the connection meanwhile.
func (s *Simulator) SignIn(ctx context.Context, c *world.Connection) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.usable(c); err != nil {
		return err
	}
	tenant, client := param(c.Params, "tenantid"), param(c.Params, "serviceprincipalid")
	switch {
	case strings.EqualFold(c.Scheme, schemeManaged):
		return nil // the agent's own identity
	case strings.EqualFold(c.Scheme, schemeFederated):
		return s.signInFederated(c, tenant, client)
	case !strings.EqualFold(c.Scheme, schemeSecret):
		return fmt.Errorf("a connection with the scheme %s does not sign in to Entra", c.Scheme)
	}
	if cert := param(c.Hidden, "servicePrincipalCertificate"); cert != "" && !strings.EqualFold(param(c.Params, "authenticationType"), "spnKey") {
		return s.signInCertificate(cert, tenant, client)
	}
	return s.exchange(tenant, url.Values{
		"grant_type": {"client_credentials"}, "scope": {armScope}, "client_id": {client},
		"client_secret": {param(c.Hidden, "serviceprincipalkey")},
	})
}

// usable refuses what Azure Pipelines does not even try.
func (s *Simulator) usable(c *world.Connection) error {
	switch {
	case c.Disabled:
		return errors.New("the service connection is disabled")
	case c.BusyUntil.After(s.now()) || strings.EqualFold(c.OpState, "InProgress") && c.BusyUntil.IsZero():
		return errors.New("the service connection is not ready: an operation is in progress")
	case c.NotReady && c.BusyUntil.IsZero() || strings.EqualFold(c.OpState, "Failed") && c.NotReady:
		return errors.New("the service connection is not ready")
	}
	return nil
}

// param reads an authorization parameter, whose names differ in case between answers.
func param(m map[string]string, name string) string {
	if v, ok := m[name]; ok {
		return v
	}
	for _, k := range sortedKeys(m) {
		if strings.EqualFold(k, name) {
			return m[k]
		}
	}
	return ""
}

// signInFederated presents the token that Azure DevOps or Entra issues for the connection. The issuer and the
// subject are those that the connection shows.
func (s *Simulator) signInFederated(c *world.Connection, tenant, client string) error {
	issuer, subject := param(c.Params, "workloadIdentityFederationIssuer"), param(c.Params, "workloadIdentityFederationSubject")
	if issuer == "" || subject == "" {
		return errors.New("the service connection has no issuer or subject")
	}
	now := s.now()
	tok, err := s.idp.Sign(issuer, map[string]any{
		"iss": issuer, "sub": subject, "aud": ExchangeAudience, "jti": fmt.Sprintf("%s-%d", c.ID, now.UnixNano()),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	})
	if err != nil {
		return fmt.Errorf("signing the token of connection %s: %w", c.ID, err)
	}
	return s.exchange(tenant, assertionForm(client, tok))
}

// recordUse notes the run and the entry in the execution history, in the connection's first project.
func (s *Simulator) recordUse(org string, c *world.Connection, start time.Time, err error) {
	s.w.Lock()
	defer s.w.Unlock()
	o := s.w.DevOps[strings.ToLower(org)]
	if o == nil || o.Connections[c.ID] == nil {
		return
	}
	stored := o.Connections[c.ID]
	run := &world.PipelineRun{Connection: c.ID, Time: start, OK: err == nil, Pipeline: "simulated pipeline"}
	entry := &world.Execution{
		ID: len(stored.History) + 1, PlanType: "Build", DefinitionID: 1, DefinitionName: run.Pipeline,
		Start: start, Finish: s.now(), Result: "succeeded",
	}
	if err != nil {
		run.Error, entry.Result = err.Error(), "failed"
	}
	if len(stored.Refs) > 0 {
		run.Project, entry.ProjectID = stored.Refs[0].ProjectName, stored.Refs[0].ProjectID
	}
	o.Runs = append(o.Runs, run)
	stored.History = append(stored.History, entry)
}
