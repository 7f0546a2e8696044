package lab

import (
	"errors"
	"fmt"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

func (s *seeder) account(a seedAccount) error {
	kind := "Organization"
	if a.User {
		kind = "User"
	}
	account := s.b.w.AddAccount(a.Name, kind)
	if err := oneOf("permissions", a.Permissions, &account.DefaultPermissions, "read", "write"); err != nil {
		return err
	}
	for _, r := range a.Repositories {
		if err := s.repository(account, r); err != nil {
			return fmt.Errorf("repository %q: %w", r.Name, err)
		}
	}
	for _, v := range a.Secrets {
		text, held, err := s.value(v)
		if err != nil {
			return fmt.Errorf("secret %q: %w", v.Name, err)
		}
		secret := s.stored(s.b.w.SetSecret(&account.Secrets, v.Name, text), v)
		if secret.Visibility, secret.Selected, err = s.selection(account, v); err != nil {
			return fmt.Errorf("secret %q: %w", v.Name, err)
		}
		s.held(held, Held{Account: account.Login, Name: secret.Name})
	}
	for _, v := range a.Variables {
		text, _, err := s.value(v)
		if err != nil {
			return fmt.Errorf("variable %q: %w", v.Name, err)
		}
		variable := s.b.w.SetVariable(&account.Variables, v.Name, text)
		if variable.Visibility, variable.Selected, err = s.selection(account, v); err != nil {
			return fmt.Errorf("variable %q: %w", v.Name, err)
		}
	}
	return nil
}

// oneOf sets a text that must be one of some, and leaves the default when it is empty.
func oneOf(what, value string, to *string, allowed ...string) error {
	for _, v := range allowed {
		if v == value {
			*to = v
			return nil
		}
	}
	if value == "" {
		return nil
	}
	return fmt.Errorf("%s %q is not one of %v", what, value, allowed)
}

func (s *seeder) selection(account *world.Account, v seedValue) (visibility string, ids []int64, err error) {
	visibility = "all"
	if len(v.Repositories) > 0 {
		visibility = "selected"
	}
	if err := oneOf("visibility", v.Visibility, &visibility, "all", "private", "selected"); err != nil {
		return "", nil, err
	}
	for _, name := range v.Repositories {
		r := s.b.w.GitHub.Repo(account.Login, name)
		if r == nil {
			return "", nil, fmt.Errorf("repository %q is not in repositories", name)
		}
		ids = append(ids, r.ID)
	}
	return visibility, ids, nil
}

func (s *seeder) repository(account *world.Account, r seedRepo) error {
	repo := s.b.w.AddRepo(account.Login, r.Name, r.Files)
	if err := oneOf("visibility", r.Visibility, &repo.Visibility, "public", "private", "internal"); err != nil {
		return err
	}
	if err := oneOf("permissions", r.Permissions, &repo.DefaultPermissions, "read", "write"); err != nil {
		return err
	}
	repo.Archived, repo.OIDC.Immutable = r.Archived, r.Immutable
	if len(r.ClaimKeys) > 0 {
		repo.OIDC.UseDefault, repo.OIDC.IncludeClaimKeys = false, r.ClaimKeys
	}
	if r.Reviews > 0 {
		repo.Protection[repo.DefaultBranch] = &world.Protection{RequiredReviews: r.Reviews}
	}
	if err := s.secrets(&repo.Secrets, r.Secrets, Held{Repository: repo.FullName()}); err != nil {
		return err
	}
	if err := s.secrets(&repo.Dependabot, r.Dependabot, Held{Repository: repo.FullName()}); err != nil {
		return err
	}
	if err := s.variables(&repo.Variables, r.Variables); err != nil {
		return err
	}
	for _, e := range r.Environments {
		environment := s.b.w.AddEnvironment(repo, e.Name)
		environment.Reviewers = e.Reviewers
		if err := s.secrets(&environment.Secrets, e.Secrets, Held{Repository: repo.FullName(), Environment: e.Name}); err != nil {
			return fmt.Errorf("environment %q: %w", e.Name, err)
		}
		if err := s.variables(&environment.Variables, e.Variables); err != nil {
			return fmt.Errorf("environment %q: %w", e.Name, err)
		}
	}
	return nil
}

func (s *seeder) secrets(store *[]*world.Secret, values []seedValue, at Held) error {
	for _, v := range values {
		text, held, err := s.value(v)
		if err != nil {
			return fmt.Errorf("secret %q: %w", v.Name, err)
		}
		at.Name = s.stored(s.b.w.SetSecret(store, v.Name, text), v).Name
		s.held(held, at)
	}
	return nil
}

func (s *seeder) variables(store *[]*world.Variable, values []seedValue) error {
	for _, v := range values {
		text, held, err := s.value(v)
		if err != nil {
			return fmt.Errorf("variable %q: %w", v.Name, err)
		}
		if held.KeyID != "" || v.Other || v.PublishProfile != "" {
			return fmt.Errorf("variable %q: a variable can be read, so it holds no secret", v.Name)
		}
		s.b.w.SetVariable(store, v.Name, text)
	}
	return nil
}

// stored dates a secret back.
func (s *seeder) stored(secret *world.Secret, v seedValue) *world.Secret {
	if v.Stored.set {
		secret.Created = s.b.w.Clock.Now().Add(-v.Stored.d)
		secret.Updated = secret.Created
	}
	return secret
}

// held notes the identity behind a secret, if there is one.
func (s *seeder) held(what, at Held) {
	if what.KeyID != "" {
		at.AppID, at.KeyID = what.AppID, what.KeyID
		s.mapping = append(s.mapping, at)
	}
}

// value gives what a secret or variable holds.
func (s *seeder) value(v seedValue) (text string, held Held, err error) {
	if v.Name == "" {
		return "", Held{}, errors.New("the name is missing")
	}
	kinds := map[string]bool{
		"creds": v.Creds != "", "password": v.Password != "", "clientId": v.ClientID != "", "subscription": v.Subscription != "",
		"tenantId": v.TenantID, "publishProfile": v.PublishProfile != "", "other": v.Other, "value": v.Value != "",
	}
	var kind string
	for k, set := range kinds {
		if set && kind != "" {
			return "", Held{}, errors.New("more than one of creds, password, clientId, subscription, tenantId, publishProfile, other and value is set")
		}
		if set {
			kind = k
		}
	}
	switch kind {
	case "creds", "password":
		return s.secretValue(v)
	case "clientId":
		a := s.apps[v.ClientID]
		if a == nil {
			return "", Held{}, fmt.Errorf("identity %q is not in identities", v.ClientID)
		}
		return a.AppID, Held{}, nil
	case "subscription":
		sub, err := s.subscription(v.Subscription)
		if err != nil {
			return "", Held{}, err
		}
		return sub.ID, Held{}, nil
	case "tenantId":
		return s.b.tenant.ID, Held{}, nil
	case "publishProfile":
		return publishProfile(s.b.w, v.PublishProfile), Held{}, nil
	case "other":
		return s.b.w.NewSecret(), Held{}, nil
	case "value":
		return v.Value, Held{}, nil
	}
	return "", Held{}, errors.New("it holds nothing: set one of creds, password, clientId, subscription, tenantId, publishProfile, other and value")
}

func (s *seeder) secretValue(v seedValue) (string, Held, error) {
	name := v.Creds
	if name == "" {
		name = v.Password
	}
	a, p, err := s.credential(name)
	if err != nil {
		return "", Held{}, err
	}
	held := Held{AppID: a.AppID, KeyID: p.KeyID}
	if v.Password != "" {
		return p.Value, held, nil
	}
	sub, err := s.subscription("")
	if err != nil {
		return "", Held{}, err
	}
	return s.b.creds(a, p, sub), held, nil
}

// publishProfile is the XML that App Service gives for download.
func publishProfile(w *world.World, site string) string {
	return fmt.Sprintf(`<publishData><publishProfile profileName="%[1]s - Web Deploy" publishMethod="MSDeploy" publishUrl="%[1]s.scm.azurewebsites.net:443" `+
		`msdeploySite="%[1]s" userName="$%[1]s" userPWD="%[2]s" destinationAppUrl="https://%[1]s.azurewebsites.net"/></publishData>`, site, w.NewSecret())
}
