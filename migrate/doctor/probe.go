// Package doctor decides what is wrong with the access to the sources: which cannot be reached, which credentials are not
// accepted, which permission is missing for which feature, and what grants it. The providers bring the answers of a
// few reads; what they mean is decided here.
package doctor

import (
	"context"
	"errors"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Check names one read that a provider tries.
type Check string

// The checks.
const (
	CheckSignIn Check = "sign-in" // getting a token at all, before anything is asked

	CheckOrganization Check = "azureDevOps/connectionData"
	CheckProjects     Check = "azureDevOps/projects"
	CheckConnections  Check = "azureDevOps/connections"
	CheckRepositories Check = "azureDevOps/repositories"

	CheckApplications Check = "graph/applications"
	CheckFederated    Check = "graph/federatedIdentityCredentials"
	CheckSignInLog    Check = "graph/signIns"
	CheckPolicies     Check = "graph/policies"

	CheckSubscriptions Check = "azure/subscriptions"
	CheckResourceGraph Check = "azure/resourceGraph"

	CheckToken          Check = "github/token"
	CheckRepository     Check = "github/repository"
	CheckOIDC           Check = "github/oidc"
	CheckPermissions    Check = "github/actionsPermissions"
	CheckSecrets        Check = "github/secrets"
	CheckVariables      Check = "github/variables"
	CheckDependabot     Check = "github/dependabotSecrets"
	CheckEnvironments   Check = "github/environments"
	CheckPulls          Check = "github/pullRequests"
	CheckChecks         Check = "github/checks"
	CheckOrgSecrets     Check = "github/organizationSecrets"
	CheckOrgVariables   Check = "github/organizationVariables"
	CheckOrgPermissions Check = "github/organizationPermissions"
)

// Facts that a provider adds to an answer, by name.
const (
	FactTokenKind = "tokenKind" // one of the Token kinds
	FactScopes    = "scopes"    // of a classic token, as GitHub's X-OAuth-Scopes has them
	FactExpires   = "expires"   // when the token ends, as the service says it
	FactCaller    = "caller"    // whom the token stands for
	FactSeen      = "seen"      // how many objects came
	FactReadable  = "readable"  // how many of them came with their data
	FactSubject   = "subject"   // the object that was asked about, where the provider chose one
	FactPublic    = "public"    // set where nothing but public objects is seen
	FactSignIn    = "signIn"    // what a person does about a sign-in that failed
	FactGranted   = "granted"   // application permissions or scopes that Entra's token names, with spaces between them
	FactPerson    = "person"    // set where Entra's token is a person's
	FactAccepted  = "accepted"  // permissions that would be accepted, as the service names them
)

// FactDirectoryRoles are the template ids of the caller's directory roles, as Entra's token names them, with spaces between them.
const FactDirectoryRoles = "directoryRoles"

// Kinds of GitHub tokens.
const (
	TokenClassic     = "classic"
	TokenFineGrained = "fine-grained"
	TokenApp         = "app"
)

// Answer is what one read gave.
type Answer struct {
	Check   Check             `json:"check"`
	Object  string            `json:"object"` // what was asked, for a reader
	Status  int               `json:"status"` // HTTP; 0: none came
	Code    string            `json:"code,omitempty"`
	Message string            `json:"message,omitempty"`
	Facts   map[string]string `json:"facts,omitempty"`
}

// OK tells whether the read was answered.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// Source is one source with what its probe gave.
type Source struct {
	Kind    inventory.SourceKind `json:"kind"`
	Name    string               `json:"name"`
	URL     string               `json:"url,omitempty"`
	Answers []Answer             `json:"answers"`
	// Skew is how much the service's clock is ahead of this machine's, where it said its time.
	Skew time.Duration `json:"skew,omitempty"`
}

// Prober is a source that can be probed. Probe only reads, and never fails: what went wrong is in the answers.
type Prober interface {
	Probe(ctx context.Context) Source
}

// Lost is the answer of a read that none came to, or no sign-in was possible for.
func Lost(check Check, object string, err error) Answer {
	a := Answer{Check: check, Object: object, Message: message(err)}
	var unsigned *execute.SignInError
	if errors.As(err, &unsigned) {
		a.Check, a.Message, a.Facts = CheckSignIn, unsigned.Error(), map[string]string{FactSignIn: unsigned.Next}
	}
	return a
}

func message(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return err.Error()
}
