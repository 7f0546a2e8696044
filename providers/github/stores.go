package github

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	gh "github.com/google/go-github/v60/github"
	"golang.org/x/crypto/nacl/box"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/permissions"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// storePath gives the API's path of a store of secrets or variables.
func (c *Client) storePath(ctx context.Context, at execute.StoreRef, kind string) (string, error) {
	if at.Level == inventory.LevelOrganization {
		return "orgs/" + url.PathEscape(at.Owner) + "/actions/" + kind, nil
	}
	owner, name, err := split(at.Repository)
	if err != nil {
		return "", err
	}
	switch at.Level {
	case inventory.LevelRepository:
		return "repos/" + owner + "/" + name + "/actions/" + kind, nil
	case inventory.LevelDependabot:
		return "repos/" + owner + "/" + name + "/dependabot/" + kind, nil
	case inventory.LevelEnvironment:
		// By number, since GitHub Enterprise Server before 3.12 knows no other path.
		id, err := c.id(ctx, at.Repository)
		return "repositories/" + strconv.Itoa(id) + "/environments/" + url.PathEscape(at.Environment) + "/" + kind, err
	}
	return "", fmt.Errorf("github: there are no %s at level %q", kind, at.Level)
}

// describe names a store's entry in errors.
func describeStore(at execute.StoreRef, kind string) string {
	where := string(at.Repository)
	switch at.Level {
	case inventory.LevelOrganization:
		where = "organisation " + at.Owner
	case inventory.LevelEnvironment:
		where += " environment " + at.Environment
	case inventory.LevelDependabot:
		where += " (Dependabot)"
	}
	return fmt.Sprintf("%s %s of %s", kind, at.Name, where)
}

// failAt names the entry of a store that an error is about, and says what the store takes.
func failAt(at execute.StoreRef, kind string, err error, write bool, doing string) error {
	need := place{level: at.Level}.permission()
	switch {
	case write && at.Level == inventory.LevelOrganization:
		need = permissions.GitHubOrganizationSet
	case write && kind == "variable":
		need = permissions.GitHubVariables
	case write:
		need = permissions.GitHubSecrets
	}
	return execute.Needing(need, fail(err, write, "%s%s", doing, describeStore(at, kind)))
}

// request makes one request to an entry of a store.
func (c *Client) request(ctx context.Context, method string, at execute.StoreRef, kind, entry string, body, answer any) error {
	path, err := c.storePath(ctx, at, kind)
	if err != nil {
		return err
	}
	if entry != "" {
		path += "/" + url.PathEscape(entry)
	}
	request, err := c.rest.NewRequest(method, path, body)
	if err != nil {
		return err
	}
	_, err = c.rest.Do(ctx, request, answer)
	return err
}

// Variable implements execute.Repositories.
func (c *Client) Variable(ctx context.Context, at execute.StoreRef) (string, error) {
	var v gh.ActionsVariable
	if err := c.request(ctx, "GET", at, "variables", at.Name, nil, &v); err != nil {
		return "", failAt(at, "variable", err, false, "reading ")
	}
	return v.Value, nil
}

// SetVariable implements execute.Repositories. A new one at organisation level is visible to all repositories.
func (c *Client) SetVariable(ctx context.Context, at execute.StoreRef, value string) error {
	body := map[string]string{"name": at.Name, "value": value}
	err := c.request(transport.WithIdempotent(ctx), "PATCH", at, "variables", at.Name, body, nil)
	if isNotFound(classify(err, true)) {
		if at.Level == inventory.LevelOrganization {
			body["visibility"] = "all"
		}
		err = c.request(ctx, "POST", at, "variables", "", body, nil)
	}
	return failAt(at, "variable", err, true, "writing ")
}

// DeleteVariable implements execute.Repositories.
func (c *Client) DeleteVariable(ctx context.Context, at execute.StoreRef) error {
	return failAt(at, "variable", c.request(ctx, "DELETE", at, "variables", at.Name, nil, nil), true, "deleting ")
}

// Secret implements execute.Repositories.
func (c *Client) Secret(ctx context.Context, at execute.StoreRef) (inventory.Secret, error) {
	var g gh.Secret
	if err := c.request(ctx, "GET", at, "secrets", at.Name, nil, &g); err != nil {
		return inventory.Secret{}, failAt(at, "secret", err, false, "reading ")
	}
	where := place{level: at.Level, owner: at.Owner, repo: at.Repository, environment: at.Environment}
	if where.owner == "" {
		where.owner, _, _ = split(at.Repository)
	}
	secret := where.secret(&g)
	if at.Level != inventory.LevelOrganization {
		return secret, nil
	}
	var err error
	secret.SelectedRepositories, err = c.selected(ctx, at.Owner, &g)
	return secret, err
}

// sealed is the body of a secret's PUT.
type sealed struct {
	KeyID      string  `json:"key_id"`
	Value      string  `json:"encrypted_value"`
	Visibility string  `json:"visibility,omitempty"`
	Selected   []int64 `json:"selected_repository_ids,omitempty"`
}

// SetSecret implements execute.Repositories. The value leaves the process only in a libsodium sealed box for the
// store's public key (GitHub Docs: Encrypting secrets for the REST API).
func (c *Client) SetSecret(ctx context.Context, at execute.StoreRef, like inventory.Secret, value *execute.Password) error {
	what := describeStore(at, "secret")
	body := sealed{}
	if at.Level == inventory.LevelOrganization {
		body.Visibility = like.Visibility
		for _, repo := range like.SelectedRepositories {
			id, err := c.id(ctx, repo)
			if err != nil {
				return fail(err, false, "writing %s: it is given to %s", what, repo)
			}
			body.Selected = append(body.Selected, int64(id))
		}
	}
	var key gh.PublicKey
	if err := c.request(ctx, "GET", at, "secrets", "public-key", nil, &key); err != nil {
		return failAt(at, "secret", err, false, "reading the public key for ")
	}
	body.KeyID = key.GetKeyID()
	err := value.Reveal(func(plain []byte) (err error) {
		body.Value, err = seal(key.GetKey(), plain)
		return err
	})
	if err != nil {
		return fmt.Errorf("github: sealing %s: %w", what, err)
	}
	return failAt(at, "secret", c.request(transport.WithIdempotent(ctx), "PUT", at, "secrets", at.Name, body, nil), true, "writing ")
}

// SecretRefusal implements execute.Repositories. Without the key of its store nothing can be sealed for it; and whoever may only read a
// repository may read that key too (GitHub Docs: Get a repository public key). An app's token tells no rights with the repository: all are false.
func (c *Client) SecretRefusal(ctx context.Context, at execute.StoreRef) (string, error) {
	var key gh.PublicKey
	err := c.request(ctx, "GET", at, "secrets", "public-key", nil, &key)
	if known := classify(err, false); errors.Is(known, execute.ErrForbidden) || isNotFound(known) {
		return fmt.Sprintf("the key that values are sealed with is not shown to the caller (%v)", known), nil
	}
	if err != nil {
		return "", failAt(at, "secret", err, false, "reading the public key for ")
	}
	if at.Level == inventory.LevelOrganization {
		return "", nil
	}
	repo, err := c.get(ctx, at.Repository)
	if err != nil {
		return "", err
	}
	if rights := repo.GetPermissions(); rights["pull"] && !rights["push"] {
		return fmt.Sprintf("the caller may read %s and not write to it", at.Repository), nil
	}
	return "", nil
}

// seal encrypts a value so that only the holder of the key's private half can read it.
func seal(publicKey string, plain []byte) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(publicKey)
	if err != nil || len(raw) != 32 {
		return "", errors.New("the public key is not 32 bytes in base64")
	}
	cipher, err := box.SealAnonymous(nil, plain, (*[32]byte)(raw), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("sealing: %w", err)
	}
	return base64.StdEncoding.EncodeToString(cipher), nil
}

// DeleteSecret implements execute.Repositories.
func (c *Client) DeleteSecret(ctx context.Context, at execute.StoreRef) error {
	return failAt(at, "secret", c.request(ctx, "DELETE", at, "secrets", at.Name, nil, nil), true, "deleting ")
}
