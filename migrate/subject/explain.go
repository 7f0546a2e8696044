package subject

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// The codes with which Entra ID refuses a federated token (Microsoft Learn: Microsoft Entra
// authentication and authorization error codes). Their texts may change, their numbers should not.
const (
	CodeNoCredential = "AADSTS70025"   // the application has no federated credential at all
	CodeIssuer       = "AADSTS700211"  // no credential for the issuer
	CodeAudience     = "AADSTS700212"  // no credential for the audience
	CodeSubject      = "AADSTS700213"  // no credential for the subject
	CodeCase         = "AADSTS7002138" // a credential for the subject but for the case
)

// Explanation tells why a token would be trusted or refused.
type Explanation struct {
	Presented   Subject                        `json:"presented"`
	Trusted     bool                           `json:"trusted"`
	Credential  *inventory.FederatedCredential `json:"credential,omitempty"` // the one that trusts it, else the nearest
	Differences []Difference                   `json:"differences,omitempty"`
	Code        string                         `json:"code,omitempty"` // what Entra answers
	Text        string                         `json:"text"`           // one sentence for a person
	Next        []string                       `json:"next,omitempty"` // what to do
}

// Explain says which credential trusts the presented subject, or which comes nearest, in what it differs,
// with which code Entra refuses the token, and what to do.
func Explain(presented Subject, have []inventory.FederatedCredential) Explanation {
	if presented.Audience == "" {
		presented.Audience = Audience
	}
	e := Explanation{Presented: presented}
	i, diffs := nearest(presented, have)
	if i < 0 {
		e.Code = CodeNoCredential
		e.Text = "The application has no federated credential."
		e.Next = []string{
			"Check that the client id names the right application.",
			fmt.Sprintf("Add a federated credential with issuer %s, subject %s and audience %s.", presented.Issuer, presented.Value, presented.Audience),
			"A credential that was added minutes ago may not have spread yet: wait up to ten minutes and try again.",
		}
		return e
	}
	c := have[i]
	e.Credential, e.Differences = &c, diffs
	if len(diffs) == 0 {
		e.Trusted = true
		e.Text = fmt.Sprintf("The credential %q trusts it.", c.Name)
		e.Next = []string{"If the sign-in still fails, the credential may not have spread yet: wait up to ten minutes and try again."}
		return e
	}
	e.Code = refusal(presented, have)
	if onlyUnknownIDs(diffs) {
		e.Text = fmt.Sprintf("The credential %q trusts it if the ids are right, which the subject does not tell: %s %s.", c.Name, diffs[0].Kind, diffs[0].Trusted)
		e.Next = advice(diffs[0], c)
		return e
	}
	e.Text = fmt.Sprintf("No federated credential trusts it. The nearest, %q, differs in %s.", c.Name, fields(diffs))
	for _, d := range diffs {
		e.Next = append(e.Next, advice(d, c)...)
	}
	return e
}

// onlyUnknownIDs tells whether nothing but ids that are not known stands against a match.
func onlyUnknownIDs(diffs []Difference) bool {
	return !slices.ContainsFunc(diffs, func(d Difference) bool { return d.Field != FieldIDs || d.Presented != "" })
}

// refusal gives Entra's code: the issuer is looked for first, then the subject, then the audience.
func refusal(s Subject, have []inventory.FederatedCredential) string {
	code := CodeIssuer
	for _, c := range have {
		if c.Issuer != s.Issuer {
			continue
		}
		if code == CodeIssuer {
			code = CodeSubject
		}
		subject, audience := true, true
		for _, d := range differences(s, c) {
			subject = subject && d.Field == FieldAudience
			audience = audience && d.Field != FieldAudience
		}
		switch {
		case subject && !audience:
			return CodeAudience
		case c.Expression == "" && subjectKind(s.Value, c.Subject) == FieldCase:
			code = CodeCase
		}
	}
	return code
}

// fields lists in words what differs.
func fields(diffs []Difference) string {
	text := ""
	for i, d := range diffs {
		switch {
		case i > 0 && i == len(diffs)-1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += words(d)
	}
	return text
}

func words(d Difference) string {
	switch {
	case d.Field == FieldSubject && d.Kind == FieldCase:
		return "the case of the subject's letters"
	case d.Field == FieldSubject && d.Kind == FieldIDs:
		return "the ids in the subject's repository part"
	case d.Field == FieldSubject && (d.Kind == FieldRef || d.Kind == FieldEnvironment || d.Kind == FieldRepository):
		return "the " + d.Kind
	case d.Field == FieldIDs:
		return "the claim " + d.Kind
	case d.Kind == FieldCase:
		return "the case of the " + d.Field
	default:
		return "the " + d.Field
	}
}

// advice tells what to do about one difference.
func advice(d Difference, c inventory.FederatedCredential) []string {
	switch {
	case d.Field == FieldSubject && d.Kind == FieldCase:
		return []string{
			fmt.Sprintf("Entra compares with case. Write the subject as the token has it: %s.", d.Presented),
			"Delete the credential and create it again rather than editing it: an edit was reported not to help.",
		}
	case d.Field == FieldSubject && d.Kind == FieldIDs && strings.Contains(d.Presented, "@") && strings.Contains(d.Trusted, "@"):
		return []string{fmt.Sprintf("Names are equal, ids are not: the repository or its owner was made anew under the same name, or transferred. Add a credential for %s if it may sign in.", d.Presented)}
	case d.Field == FieldSubject && d.Kind == FieldIDs:
		return []string{fmt.Sprintf("One of the two names the repository with its immutable ids, the other does not. Ask GitHub for the prefix in use "+
			"(GET /repos/OWNER/NAME/actions/oidc/customization/sub, sub_claim_prefix) and create a credential for %s.", d.Presented)}
	case d.Field == FieldSubject && d.Kind == FieldEnvironment:
		return []string{fmt.Sprintf("The job runs in another environment than %q trusts. Add a credential for %s, or name the trusted environment in the job.", c.Name, d.Presented)}
	case d.Field == FieldSubject && d.Kind == FieldRef:
		return []string{fmt.Sprintf("The run is for another branch or tag than %q trusts. Add a credential for %s if that branch or tag may deploy.", c.Name, d.Presented)}
	case d.Field == FieldSubject && d.Kind == FieldRepository:
		return []string{fmt.Sprintf("The token is of another repository. Has it been renamed or transferred? A job of a called workflow presents the caller's repository. Add a credential for %s if it may sign in.", d.Presented)}
	case d.Field == FieldIssuer:
		return []string{fmt.Sprintf("The token's issuer is %s, trusted is %s; they must be equal to the last slash.", d.Presented, d.Trusted)}
	case d.Field == FieldAudience:
		return []string{fmt.Sprintf("The token's audience is %s, trusted is %s. Set the audience input of the login, or correct the credential.", d.Presented, d.Trusted)}
	case d.Field == FieldIDs && d.Presented == "":
		return []string{fmt.Sprintf("The expression wants %s %s. Compare it with the token's claim in the run's log; it cannot be told from the subject.", d.Kind, d.Trusted)}
	case d.Field == FieldIDs:
		return []string{fmt.Sprintf("The expression wants %s %s, the token has %q. Write a new expression with the right id.", d.Kind, d.Trusted, d.Presented)}
	case d.Field == FieldExpression:
		return []string{fmt.Sprintf("The expression %q cannot be judged beforehand; compare it with the claims in the run's log.", d.Trusted)}
	case strings.HasSuffix(d.Presented, ":pull_request"):
		return []string{fmt.Sprintf("Add a credential for %s only to an application that may not change anything: whoever can open a pull request from a branch of the repository signs in with it.", d.Presented)}
	default:
		return []string{fmt.Sprintf("Add a credential for %s.", d.Presented)}
	}
}
