package graph

import (
	"encoding/base64"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// moment writes a time as Graph does; the zero time is null.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}

// orNull keeps Graph's habit of null for what is unset.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func texts(list []string) []any {
	out := make([]any, 0, len(list))
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

// password shows a password without its value; hint is its first three characters (passwordCredential resource).
func password(p *world.AppPassword) object {
	return object{
		"customKeyIdentifier": nil, "displayName": orNull(p.DisplayName), "startDateTime": moment(p.Start), "endDateTime": moment(p.End),
		"hint": orNull(p.Value[:min(3, len(p.Value))]), "keyId": p.KeyID, "secretText": nil,
	}
}

func passwords(list []*world.AppPassword) []any {
	out := make([]any, 0, len(list))
	for _, p := range list {
		out = append(out, password(p))
	}
	return out
}

// keys show certificates without their bytes, which only a GET of one object with $select returns (keyCredential resource).
func keys(list []*world.AppKey) []any { return keysWith(list, false) }

func keysWith(list []*world.AppKey, values bool) []any {
	out := make([]any, 0, len(list))
	for _, k := range list {
		out = append(out, object{
			"customKeyIdentifier": orNull(k.Thumbprint), "displayName": orNull(k.DisplayName), "startDateTime": moment(k.Start), "endDateTime": moment(k.End),
			"key": nil, "keyId": k.KeyID, "type": k.Type, "usage": k.Usage,
		})
		if values && len(k.Key) > 0 {
			out[len(out)-1].(object)["key"] = base64.StdEncoding.EncodeToString(k.Key)
		}
	}
	return out
}

func audience(app *world.App) string {
	if app.SignInAudience == "" {
		return "AzureADMyOrg"
	}
	return app.SignInAudience
}

func application(app *world.App) object {
	return object{
		"id": app.ObjectID, "appId": app.AppID, "displayName": app.DisplayName, "createdDateTime": moment(app.Created), "deletedDateTime": nil,
		"description": nil, "identifierUris": []any{}, "isDisabled": app.Disabled, "notes": orNull(app.Notes), "tags": texts(app.Tags),
		"signInAudience": audience(app), "passwordCredentials": passwords(app.Passwords), "keyCredentials": keys(app.Keys),
		"servicePrincipalLockConfiguration": instanceLock(app.Locked), "publisherDomain": nil, "disabledByMicrosoftStatus": nil,
	}
}

func principal(t *world.Tenant, app *world.App) object {
	sp := app.SP
	return object{
		"id": sp.ObjectID, "appId": app.AppID, "displayName": app.DisplayName, "appDisplayName": app.DisplayName, "accountEnabled": sp.Enabled,
		"appOwnerOrganizationId": t.ID, "createdDateTime": moment(app.Created), "deletedDateTime": nil, "servicePrincipalType": "Application",
		"servicePrincipalNames": texts([]string{app.AppID}), "signInAudience": audience(app), "tags": texts(app.Tags), "notes": nil,
		"passwordCredentials": passwords(sp.Passwords), "keyCredentials": keys(sp.Keys), "appRoleAssignmentRequired": false,
		"alternativeNames": []any{}, "disabledByMicrosoftStatus": nil,
	}
}

// federated shows a credential. v1.0 does not know expressions: a flexible one has a null subject there.
func federated(f *world.FIC, beta bool) object {
	o := object{
		"id": f.ID, "name": f.Name, "issuer": f.Issuer, "subject": orNull(f.Subject), "audiences": texts(f.Audiences), "description": orNull(f.Description),
	}
	if beta {
		o["claimsMatchingExpression"] = nil
		if f.Expression != "" {
			o["claimsMatchingExpression"] = object{"value": f.Expression, "languageVersion": 1}
		}
	}
	return o
}

func owner(p world.Principal) object {
	o := object{"id": p.ObjectID, "displayName": p.DisplayName}
	if p.UPN == "" {
		o["@odata.type"] = "#microsoft.graph.servicePrincipal"
		return o
	}
	o["@odata.type"], o["userPrincipalName"] = "#microsoft.graph.user", p.UPN
	return o
}

// instanceLock is the app instance property lock with everything locked, or null.
func instanceLock(locked bool) any {
	if !locked {
		return nil
	}
	return object{
		"isEnabled": true, "allProperties": true, "credentialsWithUsageSign": true, "credentialsWithUsageVerify": true, "identifierUris": false, "tokenEncryptionKeyId": true,
	}
}
