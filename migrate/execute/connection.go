package execute

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/subject"
)

// connectionEffect converts one service connection.
type connectionEffect struct {
	e        *Executor
	unit     plan.Unit
	step     plan.Step
	progress stepProgress
	before   []string // ids of the federated credentials that were there before; nil: not looked yet
}

func (c *connectionEffect) read(ctx context.Context) (inventory.Connection, error) {
	p := c.step.Connection
	found, err := c.e.Outside.Connections.Connection(ctx, p.Organization, p.Project, p.ID)
	if err != nil {
		return found, fmt.Errorf("read connection %s: %w", p.Name, err)
	}
	return found, nil
}

func converted(c inventory.Connection) bool {
	return c.Scheme == inventory.SchemeFederation && c.Ready
}

// busy tells that Azure DevOps is converting the connection.
func busy(c inventory.Connection) bool { return !c.Ready && !strings.EqualFold(c.State, "Failed") }

func (c *connectionEffect) look(ctx context.Context) (sight, error) {
	found, err := c.read(ctx)
	if err != nil {
		return sight{}, err
	}
	out := sight{facts: plan.ConnectionFacts(found)}
	id, err := c.e.Outside.Directory.Application(ctx, c.unit.AppID)
	if err != nil {
		return sight{}, fmt.Errorf("read application %s: %w", c.unit.AppID, err)
	}
	switch {
	case c.before != nil: // a later look, after an answer was lost: what the service has added meanwhile was not there before
	case c.progress.intent != nil:
		c.before = readList[string](c.progress.intent.Before["federatedCredentials"])
	default:
		c.before = trustIDs(id)
	}
	out.facts["federatedCredentials"] = writeJSON(c.before)
	if converted(found) {
		out.present, out.state = true, c.state(found, id)
	}
	return out, nil
}

func trustIDs(id inventory.Identity) []string {
	out := []string{}
	for _, f := range id.FederatedCredentials {
		out = append(out, string(f.ID))
	}
	return out
}

// state names the connection and what the service added to the application, for a rollback.
func (c *connectionEffect) state(found inventory.Connection, id inventory.Identity) State {
	s := State{"kind": string(plan.StepConnection), "organization": found.Organization, "project": string(c.step.Connection.Project),
		"id": string(found.ID), "name": found.Name, "scheme": found.Scheme, "issuer": found.Issuer, "subject": found.Subject,
		"application": string(id.ObjectID)}
	if s["organization"] == "" {
		s["organization"] = c.step.Connection.Organization
	}
	if !found.RevertDeadline.IsZero() {
		s["revertUntil"] = found.RevertDeadline.UTC().Format(time.RFC3339)
	}
	for _, f := range id.FederatedCredentials {
		if f.Issuer == found.Issuer && f.Subject == found.Subject {
			s["federatedCredential"] = f.Name
			if !contains(c.before, string(f.ID)) {
				s["added"] = string(f.ID)
			}
		}
	}
	return s
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// do converts, waits, reads back and tests. A connection that signed in before and does not afterwards is converted back
// at once: nothing may be left that cannot sign in.
func (c *connectionEffect) do(ctx, stop context.Context) (State, error) {
	found, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	worked := true
	if !busy(found) {
		worked, _, err = c.e.Outside.Connections.Test(ctx, found)
		if err != nil {
			return nil, fmt.Errorf("test connection %s before its conversion: %w", found.Name, err)
		}
		if err := c.convert(ctx, stop, found); err != nil {
			return nil, err
		}
	}
	found, err = c.e.awaitScheme(ctx, stop, found, c.step.Connection, inventory.SchemeFederation)
	if err != nil {
		return nil, err
	}
	id, err := c.awaitTrust(ctx, stop, found)
	if err == nil {
		err = c.e.awaitTest(ctx, stop, found)
	}
	if err == nil || !worked && !isInterruption(stop, err) {
		state := c.state(found, id)
		if !worked {
			state["workedBefore"] = "false"
		}
		return state, nil
	}
	if isInterruption(stop, err) {
		return nil, err
	}
	return nil, c.takeBack(ctx, found, err)
}

func isInterruption(stop context.Context, err error) bool {
	return stop.Err() != nil && errors.Is(err, stop.Err())
}

// convert asks for the conversion. A manual connection is refused until its federated credential is honoured, which can
// take minutes; if waiting does not help, the service may want its older issuer to be trusted, which is then added.
func (c *connectionEffect) convert(ctx, stop context.Context, found inventory.Connection) error {
	err := c.tryConvert(ctx, stop, found)
	if p := c.step.Connection; errors.Is(err, ErrRefused) && p.Fallback != "" && stop.Err() == nil {
		if fallback, ok := c.unit.Step(p.Fallback); ok {
			if r := c.e.runStep(stop, c.unit, fallback, false); r.State == StepDone || r.State == StepAlready {
				err = c.tryConvert(ctx, stop, found)
			}
		}
	}
	class, _ := inventory.ClassifyConnection(found)
	switch {
	case class == inventory.ClassRegistryKey && (errors.Is(err, ErrConflict) || errors.Is(err, ErrRefused)):
		return notConverted(err)
	case errors.Is(err, ErrRefused):
		return c.byHand(err)
	}
	return err
}

// notConverted is what is left where the service converts no connections to registries, which nothing public says: nobody has changed it meanwhile, since it
// was read again after the refusal.
func notConverted(err error) error {
	return &manualError{err: err, next: []string{
		"the service changed nothing; where its words are that this is not supported, it does not convert connections to registries",
		"then set connections.registry: recreate, by which a new connection takes its place (or report, for the list to do that by hand), and plan again: unsecret plan",
		"the federated credential that was added before does no harm: unsecret rollback --unit " + thisUnit + " removes it"}}
}

func (c *connectionEffect) tryConvert(ctx, stop context.Context, found inventory.Connection) error {
	var last error
	bound := c.e.propagation()
	if !c.step.Connection.Manual {
		bound = 0 // the service adds the trust itself: waiting changes nothing
	}
	err := c.e.poll(stop, bound, func() (bool, error) {
		last = c.e.Outside.Connections.Convert(ctx, found, inventory.SchemeFederation)
		if last == nil {
			return true, nil
		}
		now, err := c.read(ctx)
		switch {
		case err != nil:
			return false, errors.Join(last, err)
		case now.Scheme == inventory.SchemeFederation || errors.Is(last, ErrUnknownOutcome) && busy(now):
			return true, nil
		case errors.Is(last, ErrRefused):
			return false, nil
		}
		return false, fmt.Errorf("convert connection %s: %w", found.Name, last)
	})
	if errors.Is(err, errPatience) {
		return fmt.Errorf("convert connection %s: %w", found.Name, last)
	}
	return err
}

// byHand is Microsoft's own advice for a conversion that was refused (Microsoft Learn: "Troubleshoot workload identity service connections").
func (c *connectionEffect) byHand(err error) error {
	p := c.step.Connection
	next := []string{fmt.Sprintf("add a federated credential to application %s with issuer %s, subject %s and audience %s", c.unit.AppID, p.Issuer, p.Subject, subject.Audience)}
	if p.OldIssuer != "" {
		next = append(next, fmt.Sprintf("if the connection's page shows another subject, take that one (older form: issuer %s, subject %s)", p.OldIssuer, p.OldSubject))
	}
	return &manualError{err: fmt.Errorf("%w; the connection was not modified", err), next: append(next, "wait a few minutes, then run again")}
}

// awaitScheme waits until Azure DevOps has finished a conversion.
func (e *Executor) awaitScheme(ctx, stop context.Context, c inventory.Connection, p *plan.ConnectionStep, scheme string) (inventory.Connection, error) {
	found := c
	err := e.poll(stop, e.conversion(), func() (bool, error) {
		now, err := e.Outside.Connections.Connection(ctx, p.Organization, p.Project, p.ID)
		if err != nil {
			return false, fmt.Errorf("read connection %s: %w", p.Name, err)
		}
		found = now
		if strings.EqualFold(now.State, "Failed") && now.Scheme != scheme {
			return false, fmt.Errorf("convert connection %s: Azure DevOps says: %s: %w", p.Name, now.StateMessage, ErrRefused)
		}
		return now.Scheme == scheme && now.Ready, nil
	})
	if errors.Is(err, errPatience) {
		return found, fmt.Errorf("convert connection %s: it is still not %s after %s (state %q %s): %w", p.Name, scheme, e.conversion(), found.State, found.StateMessage, ErrUnknownOutcome)
	}
	return found, err
}

// awaitTrust waits until the application shows a federated credential for what the connection says that it presents.
func (c *connectionEffect) awaitTrust(ctx, stop context.Context, found inventory.Connection) (inventory.Identity, error) {
	var id inventory.Identity
	err := c.e.poll(stop, c.e.propagation(), func() (bool, error) {
		var err error
		id, err = c.e.Outside.Directory.Application(ctx, c.unit.AppID)
		if err != nil {
			return false, fmt.Errorf("read application %s: %w", c.unit.AppID, err)
		}
		return trusted(found, id), nil
	})
	if errors.Is(err, errPatience) {
		err = fmt.Errorf("connection %s presents issuer %s and subject %s, and application %s trusts nothing like it", found.Name, found.Issuer, found.Subject, c.unit.AppID)
	}
	return id, err
}

// trusted tells whether an application trusts what a connection presents.
func trusted(c inventory.Connection, id inventory.Identity) bool {
	s := subject.Subject{Issuer: c.Issuer, Value: c.Subject, Audience: subject.Audience}
	return subject.Cover([]subject.Subject{s}, id.FederatedCredentials).Complete()
}

// awaitTest waits until the service can sign in with the connection.
func (e *Executor) awaitTest(ctx, stop context.Context, c inventory.Connection) error {
	message := ""
	err := e.poll(stop, e.propagation(), func() (bool, error) {
		ok, said, _, err := e.tested(ctx, c)
		message = said
		return ok, err
	})
	if errors.Is(err, errPatience) {
		return fmt.Errorf("connection %s does not sign in: %s", c.Name, message)
	}
	return err
}

// takeBack converts back a connection that no longer signs in.
func (c *connectionEffect) takeBack(ctx context.Context, found inventory.Connection, cause error) error {
	err := c.e.Outside.Connections.Convert(ctx, found, inventory.SchemeServicePrincipal)
	if err == nil {
		_, err = c.e.awaitScheme(ctx, ctx, found, c.step.Connection, inventory.SchemeServicePrincipal)
	}
	if err != nil {
		return &manualError{err: fmt.Errorf("%w; converting it back failed too: %w", cause, err),
			next: []string{"convert the connection back in the portal, or run unsecret rollback for unit " + c.unit.ID}}
	}
	return &manualError{err: fmt.Errorf("%w; it was converted back and works as before", cause), next: nextAfter(cause, found)}
}

// refusals are what a person does about the token endpoint's refusals of a federated sign-in, by their codes (Microsoft Learn: Microsoft Entra
// authentication and authorization error codes), and about Azure's to one that is signed in (Microsoft Learn: Troubleshoot Azure RBAC;
// Troubleshoot common Azure deployment errors). {issuer}, {subject}, {application} and {scope} are the connection's.
var refusals = []struct {
	codes []string
	next  string
}{
	{[]string{"AADSTS700223", "AADSTS700238", "AADSTS7002381"}, "a policy of the tenant does not allow this federation: ask its administrators to allow issuer {issuer}, then run again"},
	{[]string{"AADSTS7002138"}, "a federated credential of application {application} differs from what the connection presents only by upper and lower case: delete it, add one with subject {subject} exactly, then run again"},
	{[]string{"AADSTS70021", "AADSTS700211", "AADSTS700212", "AADSTS700213", "AADSTS70025"},
		"look whether application {application} still has a federated credential with issuer {issuer}, subject {subject} and audience " + subject.Audience + "; a new one can take minutes to be honoured: wait, then run again"},
	{[]string{"AADSTS700016"}, "application {application} is not in the tenant that the connection names, or was deleted: correct the connection's tenant, or restore the application within 30 days, then run again"},
	{[]string{"AADSTS700024"}, "the connection's token was too old or not yet valid when it was presented: run again, and if it stays, look at the clocks of what runs the test"},
	{[]string{"AADSTS70052"}, "Entra's issuer serves only managed identities and applications of one tenant: make application {application} single-tenant, then run again; or give the connection a managed identity (plan.targets), then scan and plan again"},
	{[]string{"AADSTS900382"}, "the cloud of application {application} refuses federated sign-ins from another cloud: leave the connection with its secret, or give it an identity in the public cloud"},
	{[]string{"AuthorizationFailed", "LinkedAuthorizationFailed"},
		"the sign-in itself works: application {application} has no Azure role on {scope}. See whether one was taken away, and give it back, with the role it needs, then run again when it is honoured, after up to ten minutes: " +
			"az role assignment create --assignee {application} --role Reader --scope {scope}"},
	{[]string{"SubscriptionNotFound", "InvalidSubscriptionId"},
		"the sign-in itself works, and {scope} is not there for application {application}: see whether the subscription was cancelled, moved to another tenant or is named wrongly in the connection (az account show --subscription ID), then correct the connection and run again"},
	{[]string{"InvalidAuthenticationTokenTenant"}, "{scope} is in another tenant than application {application}: see whether the subscription was moved, then name an identity of its tenant in the connection, scan and plan again"},
	{[]string{"ReadOnlyDisabledSubscription", "DisabledSubscription"}, "{scope} is disabled: enable it (az account subscription enable), or delete the connection if nobody needs it, then scan and plan again"},
}

// nextAfter is what a person does about a connection that did not sign in after its conversion.
func nextAfter(cause error, c inventory.Connection) []string {
	if next, ok := nextRefused(cause.Error(), c); ok {
		return []string{next}
	}
	return nextAfterError(cause, permissions.DevOpsConnectionUser)
}

// nextRefused is what a person does about a refusal of a connection's test, where its words tell.
func nextRefused(said string, c inventory.Connection) (next string, ok bool) {
	for _, r := range refusals {
		for _, code := range r.codes {
			if strings.Contains(said, code+":") || strings.Contains(said, code+`"`) || strings.Contains(said, code+"'") {
				return strings.NewReplacer("{issuer}", c.Issuer, "{subject}", c.Subject, "{application}", string(c.AppID), "{scope}", scopeOf(c)).Replace(r.next), true
			}
		}
	}
	return "", false
}

// scopeOf names what a connection is for, as Azure names it where the connection tells.
func scopeOf(c inventory.Connection) string {
	if c.SubscriptionID != "" && !strings.EqualFold(c.ScopeLevel, "ManagementGroup") {
		return "/subscriptions/" + string(c.SubscriptionID)
	}
	return "what the connection names"
}
