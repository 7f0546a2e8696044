package entra

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/applications"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/unsecret-dev/unsecret/internal/wait"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// busyTries is how often a change is tried that Graph refuses because another is under way.
const busyTries = 5

// change makes one change to an application: one at a time for each, since Graph refuses concurrent changes to
// the credentials of one application. Only that refusal is tried again; every other error is the caller's,
// since neither addPassword nor a POST of a federated credential may be sent twice blindly.
func (c *Client) change(ctx context.Context, application inventory.ObjectID, do func(ctx context.Context) error) error {
	lock := c.lock(application)
	lock.Lock()
	defer lock.Unlock()
	for try := 1; ; try++ {
		err := classify(do(ctx), true)
		if err == nil || !busy(err) || try == busyTries {
			return err
		}
		if err := wait.For(ctx, time.Duration(try)*500*time.Millisecond+rand.N(500*time.Millisecond)); err != nil {
			return err
		}
	}
}

func (c *Client) lock(application inventory.ObjectID) *sync.Mutex {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.locks[application] == nil {
		c.locks[application] = &sync.Mutex{}
	}
	return c.locks[application]
}

// AddFederatedCredential implements execute.Directory. A flexible one goes through the beta version, the
// only one that knows claimsMatchingExpression.
func (c *Client) AddFederatedCredential(ctx context.Context, application inventory.ObjectID, fc inventory.FederatedCredential) (inventory.FederatedCredential, error) {
	body := models.NewFederatedIdentityCredential()
	body.SetName(&fc.Name)
	body.SetIssuer(&fc.Issuer)
	body.SetAudiences([]string{fc.Audience})
	if fc.Description != "" {
		body.SetDescription(&fc.Description)
	}
	api := c.v1
	if fc.Expression != "" {
		api = c.beta
		body.SetAdditionalData(map[string]any{"claimsMatchingExpression": map[string]any{"value": fc.Expression, "languageVersion": int32(1)}})
	} else {
		body.SetSubject(&fc.Subject)
	}
	var made models.FederatedIdentityCredentialable
	err := c.change(ctx, application, func(ctx context.Context) (err error) {
		made, err = api.applications().ByApplicationId(string(application)).FederatedIdentityCredentials().Post(ctx, body, nil)
		return err
	})
	switch {
	case err != nil:
		return inventory.FederatedCredential{}, fmt.Errorf("entra: adding federated credential %q to application %s: %w", fc.Name, application, err)
	case made == nil || deref(made.GetId()) == "":
		return inventory.FederatedCredential{}, fmt.Errorf("entra: adding federated credential %q to application %s: %w: the answer is empty", fc.Name, application, execute.ErrUnknownOutcome)
	}
	return federatedCredential(made), nil
}

// RemoveFederatedCredential implements execute.Directory.
func (c *Client) RemoveFederatedCredential(ctx context.Context, application inventory.ObjectID, id inventory.FederatedCredentialID) error {
	err := c.change(ctx, application, func(ctx context.Context) error {
		return c.v1.applications().ByApplicationId(string(application)).FederatedIdentityCredentials().
			ByFederatedIdentityCredentialId(string(id)).Delete(ctx, nil)
	})
	if err != nil {
		return fmt.Errorf("entra: removing federated credential %s from application %s: %w", id, application, err)
	}
	return nil
}

// AddPassword implements execute.Directory.
func (c *Client) AddPassword(ctx context.Context, application inventory.ObjectID, displayName string, end time.Time) (inventory.KeyID, *execute.Password, error) {
	end = end.UTC().Truncate(time.Second)
	credential := models.NewPasswordCredential()
	credential.SetDisplayName(&displayName)
	credential.SetEndDateTime(&end)
	body := applications.NewItemAddPasswordPostRequestBody()
	body.SetPasswordCredential(credential)
	var made models.PasswordCredentialable
	err := c.change(ctx, application, func(ctx context.Context) (err error) {
		made, err = c.v1.applications().ByApplicationId(string(application)).AddPassword().Post(ctx, body, nil)
		return err
	})
	what := fmt.Sprintf("entra: adding password %q to application %s", displayName, application)
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("%s: %w", what, err)
	case made == nil || made.GetKeyId() == nil || deref(made.GetSecretText()) == "":
		return "", nil, fmt.Errorf("%s: %w: the answer has no key id or no value; look for a password of that name and remove it", what, execute.ErrUnknownOutcome)
	}
	password := execute.NewPassword([]byte(*made.GetSecretText()))
	made.SetSecretText(nil)
	return inventory.KeyID(made.GetKeyId().String()), password, nil
}

// RemovePassword implements execute.Directory.
func (c *Client) RemovePassword(ctx context.Context, application inventory.ObjectID, key inventory.KeyID) error {
	what := fmt.Sprintf("entra: removing password %s from application %s", key, application)
	id, err := uuid.Parse(string(key))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	body := applications.NewItemRemovePasswordPostRequestBody()
	body.SetKeyId(&id)
	err = c.change(ctx, application, func(ctx context.Context) error {
		return c.v1.applications().ByApplicationId(string(application)).RemovePassword().Post(ctx, body, nil)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
