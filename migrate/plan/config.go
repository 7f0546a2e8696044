package plan

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// Config is what a person decides about a migration. The zero value is usable: New fills in the defaults.
type Config struct {
	Mapping        []Mapping     `yaml:"mapping" json:"mapping,omitempty"`               // which identity is behind a secret
	MappingFile    string        `yaml:"mappingFile" json:"mappingFile,omitempty"`       // more of it, in a file of its own, which unsecret identify writes
	Variables      VariableNames `yaml:"variables" json:"variables"`                     // names of the variables that hold the ids
	Waves          []WaveRule    `yaml:"waves" json:"waves,omitempty"`                   // which unit goes when; a unit without a rule is in wave 1
	Soak           *Duration     `yaml:"soak" json:"soak,omitempty"`                     // wait between the last move and a revoke; default 168h, or the longest time between two uses if that is longer
	Approval       string        `yaml:"approval" json:"approval,omitempty"`             // none (default); unit: before anything is done; revoke: before an old secret is removed
	Production     *Rule         `yaml:"production" json:"production,omitempty"`         // which units are production; default by the usual names
	Revoke         RevokeRules   `yaml:"revoke" json:"revoke,omitzero"`                  // how much one run of revoke removes
	IncludeShared  bool          `yaml:"includeShared" json:"includeShared,omitempty"`   // convert connections that several projects share
	AllowFlexible  bool          `yaml:"allowFlexible" json:"allowFlexible,omitempty"`   // use flexible federated credentials (a preview)
	OpenBranches   string        `yaml:"openBranches" json:"openBranches,omitempty"`     // all (default), or default: a run on any branch or tag (workflow_dispatch) is trusted only on the default branch
	IDs            string        `yaml:"ids" json:"ids,omitempty"`                       // vars (default) or secrets: where the ids are put
	Permissions    string        `yaml:"permissions" json:"permissions,omitempty"`       // minimal (default) or preserve
	LoginVersion   string        `yaml:"loginVersion" json:"loginVersion,omitempty"`     // azure/login's version for rewritten steps; default v2
	Level          string        `yaml:"level" json:"level,omitempty"`                   // safe (default), or needs-review: also rewrites with a risk that a reviewer has to look at
	RollbackDays   int           `yaml:"rollbackDays" json:"rollbackDays,omitempty"`     // life of a password minted by a rollback; default 30
	RollbackName   string        `yaml:"rollbackName" json:"rollbackName,omitempty"`     // its display name, before the unit's id; default unsecret-rollback
	Targets        []TargetRule  `yaml:"targets" json:"targets,omitempty"`               // which units sign in as a managed identity instead of their application
	Exclude        []Exclusion   `yaml:"exclude" json:"exclude,omitempty"`               // what is left alone
	KeepOldSecrets bool          `yaml:"keepOldSecrets" json:"keepOldSecrets,omitempty"` // plan no revoke at all
	EndState       string        `yaml:"endState" json:"endState,omitempty"`             // propose (default), or blockPasswords: revoke forbids new passwords on what it has revoked
	// Connections says what becomes of special service connections, and which concerns about pipelines are settled.
	Connections ConnectionRules `yaml:"connections" json:"connections,omitzero"`
	// AcceptNoRollback consents to revoke where a policy forbids the new password that a rollback would need.
	AcceptNoRollback bool `yaml:"acceptNoRollback" json:"acceptNoRollback,omitempty"`
}

// Mapping says which identity is behind a GitHub secret, whose value nobody can read. The level follows from what is given:
// organization, or repository, or repository and environment.
type Mapping struct {
	Organization   string                   `yaml:"organization" json:"organization,omitempty"`
	Repository     inventory.RepositoryName `yaml:"repository" json:"repository,omitempty"`
	Environment    string                   `yaml:"environment" json:"environment,omitempty"`
	Secret         string                   `yaml:"secret" json:"secret"`
	AppID          inventory.AppID          `yaml:"appId" json:"appId"`
	TenantID       inventory.TenantID       `yaml:"tenantId" json:"tenantId,omitempty"`
	SubscriptionID inventory.SubscriptionID `yaml:"subscriptionId" json:"subscriptionId,omitempty"`
	// Confirmed is false for a proposal of unsecret identify, which is not used until a person says that it is right. Who
	// writes an entry by hand need not set it.
	Confirmed *bool `yaml:"confirmed" json:"confirmed,omitempty"`
}

// confirmed tells whether a person stands behind the entry.
func (m Mapping) confirmed() bool { return m.Confirmed == nil || *m.Confirmed }

// Ref is the store that the entry speaks of.
func (m Mapping) Ref() inventory.StoreRef { return m.ref() }

// MappingFor begins the entry for a store. A secret of Dependabot has none of its own: ok is false.
func MappingFor(ref inventory.StoreRef) (m Mapping, ok bool) {
	switch ref.Level {
	case inventory.LevelOrganization:
		return Mapping{Organization: ref.Owner, Secret: ref.Name}, true
	case inventory.LevelRepository, inventory.LevelEnvironment:
		return Mapping{Repository: ref.Repository, Environment: ref.Environment, Secret: ref.Name}, true
	}
	return Mapping{}, false
}

// VariableNames are the names of the variables that hold an identity's ids.
type VariableNames struct {
	ClientID       string `yaml:"clientId" json:"clientId,omitempty"`
	TenantID       string `yaml:"tenantId" json:"tenantId,omitempty"`
	SubscriptionID string `yaml:"subscriptionId" json:"subscriptionId,omitempty"`
}

// WaveRule puts units into a wave; the first rule that matches decides. Its globs are those of a Rule. A unit of a
// later wave is applied only when those of the earlier ones are verified.
type WaveRule struct {
	Wave          int      `yaml:"wave" json:"wave"`
	Environments  []string `yaml:"environments" json:"environments,omitempty"`
	Repositories  []string `yaml:"repositories" json:"repositories,omitempty"`
	Connections   []string `yaml:"connections" json:"connections,omitempty"`
	Subscriptions []string `yaml:"subscriptions" json:"subscriptions,omitempty"`
	Tags          []string `yaml:"tags" json:"tags,omitempty"`
	// UnusedFor and Risk must hold beside the globs, where they are given.
	UnusedFor *Duration `yaml:"unusedFor" json:"unusedFor,omitempty"` // the sign-in log shows no use for so long
	Risk      []string  `yaml:"risk" json:"risk,omitempty"`           // any of shared, production and tier-0
}

func (w WaveRule) rule() Rule {
	return Rule{Environments: w.Environments, Repositories: w.Repositories, Connections: w.Connections, Subscriptions: w.Subscriptions, Tags: w.Tags}
}

// Exclusion leaves something alone. All fields that are given must match.
type Exclusion struct {
	Repository inventory.RepositoryName `yaml:"repository" json:"repository,omitempty"` // glob
	File       string                   `yaml:"file" json:"file,omitempty"`             // glob
	Connection string                   `yaml:"connection" json:"connection,omitempty"` // id, or a glob of its name
	AppID      inventory.AppID          `yaml:"appId" json:"appId,omitempty"`
	Credential inventory.KeyID          `yaml:"credential" json:"credential,omitempty"`
	Reason     string                   `yaml:"reason" json:"reason,omitempty"`
}

// Duration is a length of time that is written as in Go ("168h") or in days ("7d").
type Duration time.Duration

// MarshalText writes the duration as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads "168h", "90m" or "7d".
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return fmt.Errorf("%q is not a length of time: write it as 168h or 7d", s)
		}
		*d = Duration(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a length of time: write it as 168h or 7d", s)
	}
	*d = Duration(v)
	return nil
}

// Values of Config.IDs, Config.Permissions, Config.OpenBranches and Config.Level.
const (
	IDsVariables        = "vars"
	IDsSecrets          = "secrets"
	PermissionsMinimal  = "minimal"
	PermissionsPreserve = "preserve"
	BranchesAll         = "all"
	BranchesDefault     = "default"
	LevelSafe           = "safe"
	LevelNeedsReview    = "needs-review"
	ApprovalNone        = "none"
	ApprovalUnit        = "unit"
	ApprovalRevoke      = "revoke"
)

// DefaultSoak is how long the old secret is kept after its last user has moved: the seven days for which
// Azure DevOps lets a conversion be reverted (Microsoft Learn: "Connect to Azure with an ARM service connection").
const DefaultSoak = Duration(7 * 24 * time.Hour)

// DefaultRollbackDays is the life of a password that a rollback mints: long enough to migrate again in peace, short
// enough not to become the next forgotten secret.
const DefaultRollbackDays = 30

// PasswordName begins the display name of a password that a rollback mints.
func (c Config) PasswordName() string { return cmp.Or(c.RollbackName, "unsecret-rollback") }

// SoakTime is the configured soak time.
func (c Config) SoakTime() time.Duration {
	if c.Soak == nil {
		return time.Duration(DefaultSoak)
	}
	return time.Duration(*c.Soak)
}

func (c Config) withDefaults() Config {
	setDefault(&c.Variables.ClientID, "AZURE_CLIENT_ID")
	setDefault(&c.Variables.TenantID, "AZURE_TENANT_ID")
	setDefault(&c.Variables.SubscriptionID, "AZURE_SUBSCRIPTION_ID")
	setDefault(&c.IDs, IDsVariables)
	setDefault(&c.Permissions, PermissionsMinimal)
	setDefault(&c.LoginVersion, "v2")
	setDefault(&c.Level, LevelSafe)
	setDefault(&c.OpenBranches, BranchesAll)
	if c.RollbackDays == 0 {
		c.RollbackDays = DefaultRollbackDays
	}
	setDefault(&c.Approval, ApprovalNone)
	setDefault(&c.EndState, EndStatePropose)
	if c.Production == nil {
		production := defaultProduction()
		c.Production = &production
	}
	c.Revoke.setDefaults()
	return c
}

func setDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

var variableName = lazy.Regexp(`^(?i)[a-z_][a-z0-9_]*$`)

// Validate checks the configuration and names every mistake at once.
func (c Config) Validate() error {
	var errs []error
	for i, m := range c.Mapping {
		if err := m.validate(); err != nil {
			errs = append(errs, fmt.Errorf("mapping[%d]: %w", i, err))
		}
	}
	for i, w := range c.Waves {
		if err := w.validate(); err != nil {
			errs = append(errs, fmt.Errorf("waves[%d]: %w", i, err))
		}
	}
	for i, t := range c.Targets {
		if err := t.validate(); err != nil {
			errs = append(errs, fmt.Errorf("targets[%d]: %w", i, err))
		}
	}
	for i, e := range c.Exclude {
		if err := e.validate(); err != nil {
			errs = append(errs, fmt.Errorf("exclude[%d]: %w", i, err))
		}
	}
	errs = append(errs, oneOf("ids", c.IDs, "", IDsVariables, IDsSecrets),
		oneOf("permissions", c.Permissions, "", PermissionsMinimal, PermissionsPreserve),
		oneOf("openBranches", c.OpenBranches, "", BranchesAll, BranchesDefault),
		oneOf("level", c.Level, "", LevelSafe, LevelNeedsReview),
		oneOf("endState", c.EndState, "", EndStatePropose, EndStateBlock),
		oneOf("approval", c.Approval, "", ApprovalNone, ApprovalUnit, ApprovalRevoke),
		isVariable("variables.clientId", c.Variables.ClientID), isVariable("variables.tenantId", c.Variables.TenantID),
		isVariable("variables.subscriptionId", c.Variables.SubscriptionID))
	if len(c.RollbackName) > 60 || strings.ContainsFunc(c.RollbackName, unicode.IsControl) {
		errs = append(errs, errors.New("rollbackName: give at most 60 characters, without control characters"))
	}
	if err := c.Revoke.validate(); err != nil {
		errs = append(errs, fmt.Errorf("revoke.%w", err))
	}
	if c.Production != nil {
		if err := c.Production.validate(); err != nil {
			errs = append(errs, fmt.Errorf("production: %w", err))
		}
	}
	if err := c.Connections.validate(); err != nil {
		errs = append(errs, fmt.Errorf("connections.%w", err))
	}
	if c.RollbackDays < 0 || c.RollbackDays > 730 {
		errs = append(errs, fmt.Errorf("rollbackDays: %d is not between 1 and 730", c.RollbackDays))
	}
	return errors.Join(errs...)
}

func (m Mapping) validate() error {
	switch {
	case m.Secret == "":
		return errors.New("secret is missing: give the name of the GitHub secret")
	case (m.Organization == "") == (m.Repository == ""):
		return fmt.Errorf("secret %s: give either organization or repository (OWNER/NAME)", m.Secret)
	case m.Repository != "" && strings.Count(string(m.Repository), "/") != 1:
		return fmt.Errorf("secret %s: repository %q is not OWNER/NAME", m.Secret, m.Repository)
	case m.Environment != "" && m.Repository == "":
		return fmt.Errorf("secret %s: environment needs repository", m.Secret)
	case !inventory.IsGUID(string(m.AppID)):
		return fmt.Errorf("secret %s: appId %q is not an application (client) id", m.Secret, m.AppID)
	case m.TenantID != "" && !inventory.IsGUID(string(m.TenantID)):
		return fmt.Errorf("secret %s: tenantId %q is not a GUID", m.Secret, m.TenantID)
	case m.SubscriptionID != "" && !inventory.IsGUID(string(m.SubscriptionID)):
		return fmt.Errorf("secret %s: subscriptionId %q is not a GUID", m.Secret, m.SubscriptionID)
	}
	return nil
}

func (w WaveRule) validate() error {
	if w.Wave < 1 {
		return fmt.Errorf("wave %d is not a positive number", w.Wave)
	}
	for _, r := range w.Risk {
		if err := oneOf("risk", r, "", RiskShared, RiskProduction, RiskTier0); err != nil {
			return err
		}
	}
	return w.rule().validate()
}

func (e Exclusion) validate() error {
	if e.Repository == "" && e.File == "" && e.Connection == "" && e.AppID == "" && e.Credential == "" {
		return errors.New("names nothing: give repository, file, connection, appId or credential")
	}
	for _, g := range []string{string(e.Repository), e.File, e.Connection} {
		if _, err := path.Match(g, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", g, err)
		}
	}
	return nil
}

func oneOf(field, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s: %q is not one of %s", field, value, strings.Join(allowed[1:], ", "))
}

func isVariable(field, value string) error {
	if value == "" || variableName().MatchString(value) && !strings.HasPrefix(strings.ToUpper(value), "GITHUB_") {
		return nil
	}
	return fmt.Errorf("%s: %q cannot be the name of a GitHub variable", field, value)
}

// ref is the store that a mapping speaks of.
func (m Mapping) ref() inventory.StoreRef {
	switch {
	case m.Organization != "":
		return inventory.StoreRef{Level: inventory.LevelOrganization, Owner: m.Organization, Name: m.Secret}
	case m.Environment != "":
		return inventory.StoreRef{Level: inventory.LevelEnvironment, Repository: m.Repository, Environment: m.Environment, Name: m.Secret}
	default:
		return inventory.StoreRef{Level: inventory.LevelRepository, Repository: m.Repository, Name: m.Secret}
	}
}

// matches tells whether a glob matches a text, without case. Globs were checked by Validate.
func matches(glob, text string) bool {
	ok, err := path.Match(strings.ToLower(glob), strings.ToLower(text))
	return err == nil && ok
}

func anyMatches(globs []string, text string) bool {
	for _, g := range globs {
		if matches(g, text) {
			return true
		}
	}
	return false
}
