package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/plan"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// config is unsecret.yaml. Its schema is docs/unsecret.schema.json. It never holds a secret: credentials come from the
// environment and from the sign-in of az and gh.
type config struct {
	Cloud       string        `yaml:"cloud"` // public (default), usgovernment, china
	AzureDevOps devOpsConfig  `yaml:"azureDevOps"`
	GitHub      githubConfig  `yaml:"github"`
	Entra       entraConfig   `yaml:"entra"`
	Azure       azureConfig   `yaml:"azure"`
	Auth        authConfig    `yaml:"auth"`
	State       stateConfig   `yaml:"state"`
	Scan        scanConfig    `yaml:"scan"`
	Plan        plan.Config   `yaml:"plan"`
	Check       policy.Config `yaml:"check"`

	mappingPath string // of plan.mappingFile
}

type devOpsConfig struct {
	Endpoint      string   `yaml:"endpoint"` // default https://dev.azure.com
	Organizations []string `yaml:"organizations"`
}

type githubConfig struct {
	Endpoint      string                     `yaml:"endpoint"` // REST; default https://api.github.com
	Host          string                     `yaml:"host"`     // where repositories live; default github.com, or the endpoint's host
	Organizations []string                   `yaml:"organizations"`
	Repositories  []inventory.RepositoryName `yaml:"repositories"`
	App           *githubAppConfig           `yaml:"app"`
}

type githubAppConfig struct {
	ID             int64  `yaml:"id"`
	Installation   int64  `yaml:"installation"`
	PrivateKeyFile string `yaml:"privateKeyFile"`
}

type entraConfig struct {
	Tenant          string `yaml:"tenant"`
	Authority       string `yaml:"authority"`
	Endpoint        string `yaml:"endpoint"` // Microsoft Graph; default https://graph.microsoft.com
	AllApplications bool   `yaml:"allApplications"`
}

type azureConfig struct {
	Endpoint string `yaml:"endpoint"` // default https://management.azure.com
	Skip     bool   `yaml:"skip"`     // do not read role assignments
}

type authConfig struct {
	// Azure is how to sign in to Azure DevOps, Graph and ARM: default, azureCLI, managedIdentity, workloadIdentity,
	// azurePipelines, githubActions or environment (tokens from UNSECRET_…_TOKEN).
	Azure               string `yaml:"azure"`
	ClientID            string `yaml:"clientId"`
	ServiceConnectionID string `yaml:"serviceConnectionId"` // azurePipelines only
}

type stateConfig struct {
	// Endpoint is the blob endpoint of the account that --state azblob://… names, where it is not in the cloud's own domain.
	Endpoint string `yaml:"endpoint"`
}

type scanConfig struct {
	SignInDays int `yaml:"signInDays"` // how far back the sign-in log is read; default 30
	// ContinueHours is how old an interrupted scan may be that the next one continues; default 12, below 0: none is continued.
	ContinueHours int `yaml:"continueHours"`
}

// defaultConfigFile is read where it exists and no other is named.
const defaultConfigFile = "unsecret.yaml"

// config reads the configuration, strictly: a key that is not known is an error with its line.
func (a *app) config() (*config, error) {
	name := a.configFile
	if name == "" {
		name = defaultConfigFile
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && a.configFile == "" {
		return &config{}, nil
	}
	if err != nil {
		return nil, usageErrorf("read the configuration: %w", err)
	}
	c := &config{}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, usageErrorf("%s: %s", name, yamlMessage(err))
	}
	if err := c.readMapping(filepath.Dir(name)); err != nil {
		return nil, err
	}
	if err := c.validate(); err != nil {
		return nil, usageErrorf("%s: %w", name, err)
	}
	return c, nil
}

// mappingFile is a file of mappings: what unsecret identify writes, and a person confirms.
type mappingFile struct {
	Mapping []plan.Mapping `yaml:"mapping"`
}

// readMapping adds the entries of the file that plan.mappingFile names, which is beside the configuration. One that is not there
// yet has none: identify makes it.
func (c *config) readMapping(folder string) error {
	name := c.Plan.MappingFile
	if name == "" {
		return nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(folder, name)
	}
	c.mappingPath = name
	f, _, err := loadMapping(name)
	if err != nil {
		return err
	}
	c.Plan.Mapping = append(c.Plan.Mapping, f.Mapping...)
	return nil
}

// loadMapping reads a mapping file strictly, and gives its text beside what it says.
func loadMapping(name string) (mappingFile, []byte, error) {
	var f mappingFile
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil, nil
	}
	if err != nil {
		return f, nil, usageErrorf("read the mapping: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return f, nil, usageErrorf("%s: %s", name, yamlMessage(err))
	}
	if err := (plan.Config{Mapping: f.Mapping}).Validate(); err != nil {
		return f, nil, usageErrorf("%s: %w", name, err)
	}
	return f, b, nil
}

func yamlMessage(err error) string {
	var typ *yaml.TypeError
	if errors.As(err, &typ) {
		return strings.Join(typ.Errors, "; ")
	}
	return strings.TrimPrefix(err.Error(), "yaml: ")
}

func (c *config) validate() error {
	if err := oneOf("cloud", c.Cloud, "", "public", "usgovernment", "china"); err != nil {
		return err
	}
	if err := oneOf("auth.azure", c.Auth.Azure, "", "default", "azureCLI", "managedIdentity", "workloadIdentity", "azurePipelines", "githubActions", "environment"); err != nil {
		return err
	}
	for _, r := range c.GitHub.Repositories {
		if owner, name, ok := strings.Cut(string(r), "/"); !ok || owner == "" || name == "" || strings.Contains(name, "/") {
			return fmt.Errorf("github.repositories: %q is not of the form OWNER/NAME", r)
		}
	}
	if g := c.GitHub.App; g != nil && (g.ID == 0 || g.Installation == 0 || g.PrivateKeyFile == "") {
		return errors.New("github.app: give id, installation and privateKeyFile")
	}
	if err := c.Plan.Validate(); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return c.Check.Validate()
}

func oneOf(key, value string, allowed ...string) error {
	for _, a := range allowed {
		if a == value {
			return nil
		}
	}
	return fmt.Errorf("%s: %q is not one of %s", key, value, strings.Join(allowed[1:], ", "))
}
