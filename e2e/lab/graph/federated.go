package graph

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/internal/flexible"
	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// The rules of Microsoft Graph, "federatedIdentityCredential resource type", and of Microsoft Entra, "Important
// considerations and restrictions for federated identity credentials".
const (
	maxFederated = 20
	maxLength    = 600
)

var (
	federatedName       = lazy.Regexp(`^[a-zA-Z0-9][a-zA-Z0-9-_]{2,119}$`)
	federatedProperties = names(federated(&world.FIC{}, true))
)

func invalidFederated(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "InvalidFederatedIdentityCredentialValue", format, args...)
}

func listFederated(c *call) (any, *refusal) {
	app, e := c.application()
	if e != nil {
		return nil, e
	}
	if !c.beta && slices.ContainsFunc(app.FICs, isFlexible) {
		return c.brokenListing(app), nil
	}
	l := listing{
		context: "applications('" + app.ObjectID + "')/federatedIdentityCredentials", resource: "federatedIdentityCredential",
		properties: federatedProperties, filterable: []string{"name", "id", "issuer", "subject"}, maxPage: maxPage,
	}
	byID := map[string]*world.FIC{}
	for _, f := range app.FICs {
		l.ids = append(l.ids, f.ID)
		byID[f.ID] = f
	}
	l.render = func(id string) object { return federated(byID[id], c.beta) }
	return c.list(l)
}

func isFlexible(f *world.FIC) bool { return f.Expression != "" }

// brokenListing is what v1.0 has been seen to answer when there is a flexible credential: status 200 and JSON that
// stops in the middle (Azure/azure-workload-identity#373).
func (c *call) brokenListing(app *world.App) truncated {
	i := slices.IndexFunc(app.FICs, isFlexible)
	values := []any{}
	for _, f := range app.FICs[:i] {
		values = append(values, federated(f, false))
	}
	b, err := json.Marshal(object{"@odata.context": c.context("applications('" + app.ObjectID + "')/federatedIdentityCredentials"), "value": values})
	if err != nil {
		return truncated("{")
	}
	b = b[:len(b)-len("]}")]
	if i > 0 {
		b = append(b, ',')
	}
	return truncated(append(b, `{"id":"`+app.FICs[i].ID+`","name":"`...))
}

// federated finds the credential that the path names by id or by name=….
func (c *call) federated(app *world.App) (int, *refusal) {
	key := c.r.PathValue("credential")
	name, byName := strings.CutPrefix(key, "name=")
	i := slices.IndexFunc(app.FICs, func(f *world.FIC) bool {
		return byName && f.Name == name || !byName && strings.EqualFold(f.ID, key)
	})
	if i < 0 {
		return 0, notFound(strings.TrimPrefix(key, "name="))
	}
	return i, nil
}

func getFederated(c *call) (any, *refusal) {
	app, e := c.application()
	if e != nil {
		return nil, e
	}
	i, e := c.federated(app)
	if e != nil {
		return nil, e
	}
	return c.single("federatedIdentityCredential", "applications('"+app.ObjectID+"')/federatedIdentityCredentials", federated(app.FICs[i], c.beta))
}

func deleteFederated(c *call) (any, *refusal) {
	app, e := c.application()
	if e != nil {
		return nil, e
	}
	i, e := c.federated(app)
	if e != nil {
		return nil, e
	}
	app.FICs = slices.Delete(slices.Clone(app.FICs), i, i+1)
	return nil, nil
}

func createFederated(c *call) (any, *refusal) {
	app, body, e := c.changeOfApplication()
	if e != nil {
		return nil, e
	}
	return c.addFederated(app, body)
}

func (c *call) addFederated(app *world.App, body object) (any, *refusal) {
	f := &world.FIC{Created: c.world.Clock.Now()}
	if e := c.applyFederated(f, body); e != nil {
		return nil, e
	}
	if !federatedName().MatchString(f.Name) {
		return nil, invalidFederated("Federated identity credential name '%s' must be 3 to 120 characters, start with a letter or digit and have only letters, digits, '-' and '_'. paramName: FederatedIdentityCredential.Name", f.Name)
	}
	if e := checkFederated(f); e != nil {
		return nil, e
	}
	if len(app.FICs) >= maxFederated {
		return nil, badRequest("Too many federated identity credentials: an application can have at most %d.", maxFederated)
	}
	if e := checkUnique(app, f); e != nil {
		return nil, e
	}
	f.ID = c.world.NewID()
	app.FICs = append(app.FICs, f)
	c.created = true
	o := federated(f, c.beta)
	o["@odata.context"] = c.context("applications('" + app.ObjectID + "')/federatedIdentityCredentials/$entity")
	return o, nil
}

// patchFederated changes a credential. By name, with Prefer: create-if-missing, it creates one instead.
func patchFederated(c *call) (any, *refusal) {
	app, body, e := c.changeOfApplication()
	if e != nil {
		return nil, e
	}
	i, e := c.federated(app)
	if e != nil {
		name, byName := strings.CutPrefix(c.r.PathValue("credential"), "name=")
		if byName && c.r.Header.Get("Prefer") == "create-if-missing" {
			body["name"] = name
			return c.addFederated(app, body)
		}
		return nil, e
	}
	old := app.FICs[i]
	changed := *old
	if e := c.applyFederated(&changed, body); e != nil {
		return nil, e
	}
	if changed.Name != old.Name {
		return nil, invalidFederated("The name of a federated identity credential cannot be changed. paramName: FederatedIdentityCredential.Name, paramValue: %s", changed.Name)
	}
	if e := checkFederated(&changed); e != nil {
		return nil, e
	}
	if changed.Issuer != old.Issuer || changed.Subject != old.Subject || changed.Expression != old.Expression {
		changed.Created = c.world.Clock.Now() // a changed trust propagates like a new one
	}
	app.FICs = slices.Clone(app.FICs)
	app.FICs[i] = &changed
	if e := checkUnique(app, &changed); e != nil {
		app.FICs[i] = old
		return nil, e
	}
	return nil, nil
}

// applyFederated takes the properties of a request over.
func (c *call) applyFederated(f *world.FIC, body object) *refusal {
	for name, v := range body {
		var e *refusal
		switch name {
		case "name":
			e = setText(&f.Name, name, v)
		case "issuer":
			e = setText(&f.Issuer, name, v)
		case "subject":
			e = setText(&f.Subject, name, v)
		case "description":
			e = setText(&f.Description, name, v)
		case "audiences":
			e = setAudiences(f, v)
		case "claimsMatchingExpression":
			e = c.setExpression(f, v)
		case "id":
		default:
			if !strings.HasPrefix(name, "@odata.") {
				e = refuse(http.StatusBadRequest, "BadRequest", "Invalid property '%s'.", name)
			}
		}
		if e != nil {
			return e
		}
	}
	return nil
}

func setAudiences(f *world.FIC, v any) *refusal {
	list, ok := v.([]any)
	if !ok {
		return refuse(http.StatusBadRequest, "BadRequest", "Cannot convert the value of property 'audiences' to a collection.")
	}
	f.Audiences = nil
	for _, a := range list {
		s, ok := a.(string)
		if !ok {
			return refuse(http.StatusBadRequest, "BadRequest", "Cannot convert a value of property 'audiences' to type 'Edm.String'.")
		}
		f.Audiences = append(f.Audiences, s)
	}
	return nil
}

// setExpression is for beta only: v1.0 does not know the property.
func (c *call) setExpression(f *world.FIC, v any) *refusal {
	if !c.beta {
		return refuse(http.StatusBadRequest, "BadRequest", "Invalid property 'claimsMatchingExpression'.")
	}
	if v == nil {
		f.Expression = ""
		return nil
	}
	o, _ := v.(object)
	if version, _ := o["languageVersion"].(float64); version != 1 {
		return invalidFederated("The language version of the claims matching expression must be 1.")
	}
	return setText(&f.Expression, "claimsMatchingExpression/value", o["value"])
}

func checkFederated(f *world.FIC) *refusal {
	if len(f.Audiences) != 1 {
		return invalidFederated("Exactly one audience is required. paramName: FederatedIdentityCredential.Audiences")
	}
	for name, v := range map[string]string{"Issuer": f.Issuer, "Subject": f.Subject, "Description": f.Description, "Audiences": f.Audiences[0]} {
		if len(v) > maxLength {
			return invalidFederated("The value is longer than %d characters. paramName: FederatedIdentityCredential.%s", maxLength, name)
		}
	}
	if f.Issuer == "" || strings.TrimSpace(f.Issuer) != f.Issuer {
		return invalidFederated("The issuer must be a URL without leading or trailing white space. paramName: FederatedIdentityCredential.Issuer, paramValue: %s", f.Issuer)
	}
	if f.Audiences[0] == "" {
		return invalidFederated("The audience must not be empty. paramName: FederatedIdentityCredential.Audiences")
	}
	if (f.Subject == "") == (f.Expression == "") {
		return invalidFederated("Either a subject or a claims matching expression is required, not both. paramName: FederatedIdentityCredential.Subject")
	}
	if f.Expression != "" {
		return checkExpression(f)
	}
	return nil
}

// expressionClaims says by issuer which claims an expression may compare, and of which sets it must compare one each
// (Microsoft Learn, "Flexible federated identity credentials"; the ids are required since 2026,
// terraform-provider-azuread#1901).
var expressionClaims = map[string]struct {
	allowed  []string
	required [][]string
}{
	"https://token.actions.githubusercontent.com": {
		allowed:  []string{"sub", "job_workflow_ref", "repository_id", "repository_owner_id"},
		required: [][]string{{"sub"}, {"repository_id", "repository_owner_id"}},
	},
	"https://gitlab.com":          {allowed: []string{"sub", "project_id"}, required: [][]string{{"sub"}, {"project_id"}}},
	"https://app.terraform.io":    {allowed: []string{"sub"}, required: [][]string{{"sub"}}},
	"https://app.eu.terraform.io": {allowed: []string{"sub"}, required: [][]string{{"sub"}}},
}

func checkExpression(f *world.FIC) *refusal {
	rules, ok := expressionClaims[f.Issuer]
	if !ok {
		return invalidFederated("Issuer '%s' is not supported with a claims matching expression.", f.Issuer)
	}
	e, err := flexible.Parse(f.Expression)
	if err != nil {
		return invalidFederated("The claims matching expression is not valid: %v", err)
	}
	claims := e.Claims()
	for _, set := range rules.required {
		if !slices.ContainsFunc(set, func(c string) bool { return slices.Contains(claims, c) }) {
			return claimsRefusal()
		}
	}
	for _, c := range claims {
		if !slices.Contains(rules.allowed, c) {
			return claimsRefusal()
		}
	}
	return nil
}

func claimsRefusal() *refusal {
	return invalidFederated("The claims matching expression either lacks all required claims or contains unallowed claims.")
}

// checkUnique holds names, and pairs of issuer and subject, to one of each. The text about the pair is quoted in
// Azure/azure-workload-identity#434.
func checkUnique(app *world.App, f *world.FIC) *refusal {
	for _, other := range app.FICs {
		switch {
		case other == f:
		case other.Name == f.Name:
			return refuse(http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue", "FederatedIdentityCredential with name %s already exists.", f.Name)
		case other.Issuer == f.Issuer && other.Subject == f.Subject && other.Expression == f.Expression:
			return invalidFederated("The combination of issuer and subject must be unique for the application. Issuer %s and Subject: %s already exist. "+
				"paramName: FederatedIdentityCredential.Subject, paramValue: %s, objectType: Microsoft.Online.DirectoryServices.Application", f.Issuer, f.Subject, f.Subject)
		}
	}
	return nil
}
