package lab

import (
	"fmt"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// plainCI is a workflow that has nothing to do with Azure.
const plainCI = `name: CI
on:
  push:
    branches: [main]
  pull_request:
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: make test
`

// style is how one generated workflow is written, and what it reads.
type style struct {
	file, name   string
	on           string   // the lines below "on:"
	permissions  string   // workflow level, with line ends
	jobTop       string   // lines of the job before its steps, at its indentation
	workflowEnv  string   // lines of the workflow's env
	steps        string   // the lines of the login and of what follows
	environments []string // deployment environments that the job names
	crlf         bool

	secret                       string // that holds the credential
	json                         bool   // as the JSON of azure/login
	client, tenant, subscription string // names of the ids that are read beside it; empty: none
	readable                     bool   // the ids are in variables
}

// style draws a style for a workflow that signs in as an application.
func (g *generator) style(app *world.App) *style {
	n := g.random.IntN(1000)
	s := &style{file: []string{"deploy.yml", "release.yaml", "main.yml"}[n%3], name: []string{"Deploy", "Release to Azure", `"Ship: it"`}[n%3]}
	g.trigger(s)
	g.grant(s)
	g.place(s)
	s.readable = g.random.IntN(2) == 0
	s.crlf = g.random.IntN(11) == 0
	store := "secrets"
	if s.readable {
		store = "vars"
	}
	switch kind := g.random.IntN(10); {
	case kind < 5:
		s.credsStep("AZURE_CREDENTIALS")
		if s.readable {
			s.client = "AZURE_CLIENT_ID"
		}
	case kind == 5:
		s.composed(store)
	default:
		s.terraform(kind, store)
	}
	return s
}

// trigger draws what the workflow listens to. Most are finite; a wildcard is rare, since no exact subject covers it.
func (g *generator) trigger(s *style) {
	s.on = []string{
		"  push:\n    branches: [main]\n",
		"  push:\n    branches:\n      - main\n      - release/2026\n  workflow_dispatch:\n",
		"  pull_request:\n    branches: [main]\n  push:\n    branches: [main]\n",
		"  schedule:\n    - cron: '30 3 * * 1-5'\n  workflow_dispatch:\n",
		"  push:\n    tags:\n      - v1.0.0\n",
		"  workflow_dispatch:\n    inputs:\n      size:\n        type: choice\n        options: [small, large]\n        default: small\n",
		"  push:\n    branches: [main]\n    paths-ignore: ['**.md']\n  repository_dispatch:\n    types: [deploy]\n",
		"  push:\n    branches: [main] # and nothing else\n  workflow_dispatch: {}\n",
	}[g.random.IntN(8)]
	if g.random.IntN(15) == 0 {
		s.on = "  push:\n    tags: ['v*']\n"
	}
}

// grant draws the permission blocks.
func (g *generator) grant(s *style) {
	switch g.random.IntN(8) {
	case 0:
		s.permissions = "permissions:\n  contents: read\n  pull-requests: write\n"
	case 1:
		s.permissions = "permissions: { contents: read, packages: write }\n"
	case 2:
		s.permissions = "permissions: read-all\n"
	case 3:
		s.jobTop += "    permissions:\n      contents: read\n"
	case 4:
		s.jobTop += "    permissions: {contents: read}\n"
	}
}

// place draws the environment that the job names.
func (g *generator) place(s *style) {
	switch g.random.IntN(8) {
	case 0:
		s.jobTop += "    environment: production\n"
		s.environments = []string{"production"}
	case 1:
		s.jobTop += "    environment:\n      name: Staging\n      url: https://staging.contoso.example\n"
		s.environments = []string{"Staging"}
	case 2:
		s.jobTop += "    strategy:\n      matrix:\n        target: [dev, test]\n    environment: ${{ matrix.target }}\n"
		s.environments = []string{"dev", "test"}
	}
}

const deploySteps = "      - name: Deploy\n        run: |\n          az account show\n          az deployment group create -g app -f main.bicep\n"

// credsStep signs in with azure/login and the JSON of one secret.
func (s *style) credsStep(secret string) {
	s.secret, s.json, s.client, s.tenant, s.subscription, s.workflowEnv = secret, true, "", "", "", ""
	value := "${{ secrets." + secret + " }}"
	switch len(s.on) % 3 {
	case 0:
		s.steps = "      - name: Log in\n        uses: azure/login@v2\n        with:\n          creds: " + value + "\n"
	case 1:
		s.steps = "      - uses: azure/login@v1 # the old one\n        with:\n          creds: '" + value + "'\n          enable-AzPSSession: true\n"
	default:
		s.steps = "      - uses: Azure/login@v2\n        with: { creds: \"" + value + "\" }\n"
	}
	s.steps += deploySteps
}

// composed signs in with azure/login and a JSON that the workflow puts together.
func (s *style) composed(store string) {
	s.secret, s.client, s.tenant, s.subscription = "AZURE_CLIENT_SECRET", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"
	ref := func(name string) string { return "${{ " + store + "." + name + " }}" }
	s.steps = fmt.Sprintf("      - uses: azure/login@v2\n        with:\n          creds: '{\"clientId\":\"%s\",\"clientSecret\":\"${{ secrets.%s }}\",\"subscriptionId\":\"%s\",\"tenantId\":\"%s\"}'\n",
		ref(s.client), s.secret, ref(s.subscription), ref(s.tenant)) + deploySteps
}

// terraform signs in by ARM_CLIENT_SECRET in the env of the workflow, the job or the step.
func (s *style) terraform(kind int, store string) {
	s.secret, s.client, s.tenant, s.subscription = "ARM_CLIENT_SECRET", "ARM_CLIENT_ID", "ARM_TENANT_ID", "ARM_SUBSCRIPTION_ID"
	env := func(indent string) string {
		var b strings.Builder
		b.WriteString(indent + "env:\n")
		for _, name := range []string{s.client, s.secret, s.subscription, s.tenant} {
			from := store
			if name == s.secret {
				from = "secrets"
			}
			fmt.Fprintf(&b, "%s  %s: ${{ %s.%s }}\n", indent, name, from, name)
		}
		return b.String()
	}
	setup := "      - uses: hashicorp/setup-terraform@v3\n        with:\n          terraform_version: 1.9.8\n      - run: terraform init\n"
	apply := "      - name: Apply\n        run: terraform apply -auto-approve\n"
	switch kind {
	case 6:
		s.workflowEnv, s.steps = env(""), setup+apply
	case 7, 8:
		s.jobTop, s.steps = s.jobTop+env("    "), setup+apply
	default:
		s.steps = strings.Replace(setup, "      - run: terraform init\n", "      - run: terraform init -backend=false\n", 1) + apply + env("        ")
	}
}

// text is the workflow file.
func (s *style) text() string {
	text := "name: " + s.name + "\n\non:\n" + s.on + "\n" + s.permissions + s.workflowEnv +
		"jobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: make build\n\n" +
		"  deploy:\n    needs: build\n    runs-on: ubuntu-latest\n" + s.jobTop +
		"    steps:\n      - uses: actions/checkout@v4\n" + s.steps
	if s.crlf {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}
