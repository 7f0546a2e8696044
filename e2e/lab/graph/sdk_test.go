package graph_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	khttp "github.com/microsoft/kiota-http-go"
	kjson "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/applications"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipals"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// bearer adds a token and keeps everything else of the SDK as it is delivered.
type bearer struct{ token string }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}

// sdk gives Microsoft's own client on the lab, with the default middleware: it gzips bodies.
func sdk(t *testing.T, l *lab, token string) (*applications.ApplicationsRequestBuilder, *serviceprincipals.ServicePrincipalsRequestBuilder) {
	t.Helper()
	client := &http.Client{Transport: khttp.NewCustomTransportWithParentTransport(bearer{token},
		khttp.NewParametersNameDecodingHandler(), khttp.NewCompressionHandler())}
	abstractions.RegisterDefaultSerializer(func() serialization.SerializationWriterFactory { return kjson.NewJsonSerializationWriterFactory() })
	abstractions.RegisterDefaultDeserializer(func() serialization.ParseNodeFactory { return kjson.NewJsonParseNodeFactory() })
	adapter, err := khttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		&authentication.AnonymousAuthenticationProvider{}, nil, nil, client)
	if err != nil {
		t.Fatal(err)
	}
	adapter.SetBaseUrl(l.url + "/v1.0")
	base := map[string]string{"baseurl": l.url + "/v1.0"}
	return applications.NewApplicationsRequestBuilderInternal(base, adapter), serviceprincipals.NewServicePrincipalsRequestBuilderInternal(base, adapter)
}

func TestTheSDKListsAndFilters(t *testing.T) {
	l := newLab(t, 5)
	apps, principals := sdk(t, l, world.RoleReader)
	filter := "appId eq '" + l.apps[2].AppID + "'"
	got, err := apps.Get(t.Context(), &applications.ApplicationsRequestBuilderGetRequestConfiguration{
		QueryParameters: &applications.ApplicationsRequestBuilderGetQueryParameters{Filter: &filter, Select: []string{"id", "appId", "displayName", "passwordCredentials"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.GetValue()) != 1 || *got.GetValue()[0].GetId() != l.apps[2].ObjectID || len(got.GetValue()[0].GetPasswordCredentials()) != 1 {
		t.Errorf("got %v", got.GetValue())
	}
	page, err := apps.Get(t.Context(), &applications.ApplicationsRequestBuilderGetRequestConfiguration{
		QueryParameters: &applications.ApplicationsRequestBuilderGetQueryParameters{Top: new(int32(2))},
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for page != nil {
		n += len(page.GetValue())
		next := page.GetOdataNextLink()
		if next == nil {
			break
		}
		if page, err = apps.WithUrl(*next).Get(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if n != 5 {
		t.Errorf("%d applications over all pages", n)
	}
	sps, err := principals.Get(t.Context(), &serviceprincipals.ServicePrincipalsRequestBuilderGetRequestConfiguration{
		QueryParameters: &serviceprincipals.ServicePrincipalsRequestBuilderGetQueryParameters{Filter: &filter},
	})
	if err != nil || len(sps.GetValue()) != 1 || !*sps.GetValue()[0].GetAccountEnabled() {
		t.Errorf("service principals %v, %v", sps, err)
	}
}

func TestTheSDKChangesFederatedCredentials(t *testing.T) {
	l := newLab(t, 1)
	apps, _ := sdk(t, l, world.RoleOperator)
	at := apps.ByApplicationId(l.apps[0].ObjectID).FederatedIdentityCredentials()
	f := models.NewFederatedIdentityCredential()
	f.SetName(new("main"))
	f.SetIssuer(new(github))
	f.SetSubject(new("repo:contoso/shop:ref:refs/heads/main"))
	f.SetAudiences([]string{"api://AzureADTokenExchange"})
	made, err := at.Post(t.Context(), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	if made.GetId() == nil || *made.GetSubject() != "repo:contoso/shop:ref:refs/heads/main" {
		t.Errorf("made %v", made)
	}
	_, err = at.Post(t.Context(), f, nil)
	var refused *odataerrors.ODataError
	if !errors.As(err, &refused) || refused.ResponseStatusCode != 409 || *refused.GetErrorEscaped().GetCode() != "Request_MultipleObjectsWithSameKeyValue" {
		t.Errorf("the same name again: %v", err)
	}
	list, err := at.Get(t.Context(), nil)
	if err != nil || len(list.GetValue()) != 1 {
		t.Errorf("listed %v, %v", list, err)
	}
	if err := at.ByFederatedIdentityCredentialId(*made.GetId()).Delete(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if len(l.apps[0].FICs) != 0 {
		t.Errorf("%d credentials after the deletion", len(l.apps[0].FICs))
	}
}

func TestTheSDKMeetsTheBrokenListing(t *testing.T) {
	l := newLab(t, 1)
	l.apps[0].FICs = []*world.FIC{{ID: "1", Name: "flexible", Issuer: github, Expression: "claims['sub'] matches '*'", Audiences: []string{"a"}}}
	apps, _ := sdk(t, l, world.RoleReader)
	if got, err := apps.ByApplicationId(l.apps[0].ObjectID).FederatedIdentityCredentials().Get(t.Context(), nil); err == nil {
		t.Errorf("listed %v, want an error", got)
	}
}

func TestTheSDKAddsAndRemovesPasswords(t *testing.T) {
	l := newLab(t, 1)
	apps, _ := sdk(t, l, world.RoleOperator)
	at := apps.ByApplicationId(l.apps[0].ObjectID)
	wanted := models.NewPasswordCredential()
	wanted.SetDisplayName(new("rollback"))
	wanted.SetEndDateTime(new(start.Add(7 * 24 * time.Hour)))
	body := applications.NewItemAddPasswordPostRequestBody()
	body.SetPasswordCredential(wanted)
	added, err := at.AddPassword().Post(t.Context(), body, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(*added.GetSecretText(), world.Canary) || *added.GetDisplayName() != "rollback" {
		t.Errorf("added %v", *added.GetDisplayName())
	}
	remove := applications.NewItemRemovePasswordPostRequestBody()
	remove.SetKeyId(added.GetKeyId())
	if err := at.RemovePassword().Post(t.Context(), remove, nil); err != nil {
		t.Error(err)
	}
	unknown := uuid.New()
	remove.SetKeyId(&unknown)
	var refused *odataerrors.ODataError
	if err := at.RemovePassword().Post(t.Context(), remove, nil); !errors.As(err, &refused) || refused.ResponseStatusCode != 400 {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestTheSDKReadsRefusals(t *testing.T) {
	l := newLab(t, 1)
	for token, want := range map[string]string{world.RoleOutsider: "Authorization_RequestDenied", "nonsense": "InvalidAuthenticationToken"} {
		apps, _ := sdk(t, l, token)
		_, err := apps.Get(t.Context(), nil)
		var refused *odataerrors.ODataError
		if !errors.As(err, &refused) || *refused.GetErrorEscaped().GetCode() != want || refused.GetErrorEscaped().GetInnerError() == nil {
			t.Errorf("%s: %v", token, err)
		}
	}
}
