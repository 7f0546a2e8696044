package reports

import (
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/jsonstream"
	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// The part of SARIF 2.1.0 that the report uses (OASIS, "Static Analysis Results Interchange Format Version 2.1.0").
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool               sarifTool                `json:"tool"`
		Automation         sarifAutomation          `json:"automationDetails"`
		Invocations        []sarifInvocation        `json:"invocations"`
		OriginalURIBaseIDs map[string]sarifArtifact `json:"originalUriBaseIds,omitempty"`
		ColumnKind         string                   `json:"columnKind"`
		Results            jsonstream.List          `json:"results"` // of sarifResult
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string         `json:"id"`
		Name             string         `json:"name"`
		ShortDescription sarifText      `json:"shortDescription"`
		FullDescription  sarifText      `json:"fullDescription"`
		Help             sarifText      `json:"help"`
		Configuration    sarifLevel     `json:"defaultConfiguration"`
		Properties       map[string]any `json:"properties"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifAutomation struct {
		ID string `json:"id"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool `json:"executionSuccessful"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"` // -1: not among the rules of this version
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Properties   map[string]any     `json:"properties"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI       string `json:"uri"`
		URIBaseID string `json:"uriBaseId,omitempty"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
		EndLine     int `json:"endLine,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
)

// SARIF writes SARIF 2.1.0 for code scanning.
//
// A finding in a file points at its lines, relative to its repository's root; where findings of several repositories
// are in one report, each repository is a base of its own. A finding of another object, such as a service connection,
// points at a path under .unsecret/ that stands for the object, since GitHub refuses a whole file if one of its results
// has no physical location (github/codeql-action#1738).
//
// Columns are counted in bytes by the scan, and in UTF-16 code units by SARIF. The two are the same unless the line has
// a character outside ASCII before the place; there the column is too far to the right by a few places, and the line is
// still exact. A report holds no text of files, so it cannot convert.
func SARIF(w io.Writer, in Input) error {
	run := sarifRun{
		Tool:        sarifTool{Driver: sarifDriver{Name: "unsecret", Version: oneLine(in.Tool), InformationURI: "https://github.com/unsecret-dev/unsecret"}},
		Automation:  sarifAutomation{ID: "unsecret/"},
		Invocations: []sarifInvocation{{ExecutionSuccessful: true}},
		ColumnKind:  "utf16CodeUnits",
	}
	index := map[string]int{}
	for i, r := range policy.Rules() {
		index[r.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, newSarifRule(r))
	}
	run.OriginalURIBaseIDs = repositoryBases(in)
	run.Results = func(yield func(any) bool) {
		for _, f := range in.Findings {
			ruleIndex, ok := index[f.Rule]
			if !ok {
				ruleIndex = -1
			}
			if !yield(newSarifResult(f, ruleIndex, run.OriginalURIBaseIDs)) {
				return
			}
		}
	}
	return writeJSON(w, "SARIF", sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func newSarifRule(r policy.Rule) sarifRule {
	var md strings.Builder
	md.WriteString(escape(r.Text))
	for _, line := range r.Remedy {
		md.WriteString("\n\n- " + escape(line))
	}
	if len(r.References) > 0 {
		md.WriteString("\n\nSee " + escape(strings.Join(r.References, "; ")) + ".")
	}
	return sarifRule{
		ID: r.ID, Name: r.Name,
		ShortDescription: sarifText{Text: r.Name},
		FullDescription:  sarifText{Text: r.Text},
		Help:             sarifText{Text: strings.Join(slices.Concat([]string{r.Text}, r.Remedy, r.References), "\n\n"), Markdown: md.String()},
		Configuration:    sarifLevel{Level: level(r.Severity)},
		Properties: map[string]any{
			"security-severity": securitySeverity(r.Severity), "precision": "high",
			"tags": []string{"security", "azure", "credentials"},
		},
	}
}

func newSarifResult(f policy.Finding, ruleIndex int, bases map[string]sarifArtifact) sarifResult {
	properties := map[string]any{"severity": f.Severity, "object": oneLine(f.Object)}
	for name, list := range map[string][]string{"evidence": f.Evidence, "remedy": f.Remedy} {
		if len(list) > 0 {
			properties[name] = lines(list)
		}
	}
	if f.Repository != "" {
		properties["repository"] = oneLine(string(f.Repository))
	}
	r := sarifResult{
		RuleID: f.Rule, RuleIndex: ruleIndex, Level: level(f.Severity), Message: sarifText{Text: plainMessage(f.Message)},
		Locations:    []sarifLocation{location(f, bases)},
		Fingerprints: map[string]string{"unsecret/v1": f.Fingerprint},
		Properties:   properties,
	}
	if f.Excepted != nil {
		r.Suppressions = []sarifSuppression{{Kind: "external", Status: "accepted", Justification: oneLine(f.Excepted.Reason)}}
	}
	return r
}

func lines(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = oneLine(s)
	}
	return out
}

// In SARIF's messages [text](target) is a link and {0} stands for an argument (SARIF 2.1.0, 3.11.5 and 3.11.6).
var (
	linkEscapes = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`)
	placeholder = lazy.Regexp(`\{(\d+)\}`)
)

// plainMessage keeps a text from outside from being read as a link or a placeholder.
func plainMessage(s string) string {
	return placeholder().ReplaceAllString(linkEscapes.Replace(clip(s)), "{{$1}}")
}

// repositoryBases gives each repository an address of its own where the findings are of more than one.
func repositoryBases(in Input) map[string]sarifArtifact {
	hosts := map[inventory.RepositoryName]string{}
	for _, r := range in.Inventory.Repositories {
		hosts[r.Name] = r.Host
	}
	bases := map[string]sarifArtifact{}
	for _, f := range in.Findings {
		if f.File == "" || f.Repository == "" {
			continue
		}
		host := hosts[f.Repository]
		if host == "" {
			host = "github.com"
		}
		bases[oneLine(string(f.Repository))] = sarifArtifact{URI: (&url.URL{Scheme: "https", Host: host, Path: "/" + string(f.Repository) + "/blob/HEAD/"}).String()}
	}
	if len(bases) < 2 {
		return nil
	}
	return bases
}

func location(f policy.Finding, bases map[string]sarifArtifact) sarifLocation {
	name := f.Object
	if f.Repository != "" {
		name = string(f.Repository)
	}
	loc := sarifLocation{Logical: []sarifLogical{{FullyQualifiedName: oneLine(name), Kind: "resource"}}}
	if f.File == "" {
		loc.Physical = sarifPhysical{Artifact: sarifArtifact{URI: ".unsecret/" + segment(f.Object)}, Region: sarifRegion{StartLine: 1}}
		return loc
	}
	loc.Physical = sarifPhysical{Artifact: sarifArtifact{URI: fileURI(f.File)}, Region: region(f)}
	if base := oneLine(string(f.Repository)); bases[base].URI != "" {
		loc.Physical.Artifact.URIBaseID = base
	}
	return loc
}

func region(f policy.Finding) sarifRegion {
	r := sarifRegion{StartLine: max(f.Line, 1), StartColumn: max(f.Column, 0)}
	if f.EndLine < r.StartLine {
		return r
	}
	r.EndLine = f.EndLine
	if r.StartColumn > 0 && f.EndColumn > 0 && (f.EndLine > r.StartLine || f.EndColumn > f.Column) {
		r.EndColumn = f.EndColumn
	}
	return r
}

// fileURI is a path as a relative reference (RFC 3986): no segment can be taken for a scheme, a query, a fragment or a
// step upwards, and no host is named.
func fileURI(p string) string {
	segments := strings.Split(strings.TrimLeft(p, "/"), "/")
	for i, s := range segments {
		segments[i] = segment(s)
	}
	return strings.Join(segments, "/")
}

// segment is one part of a path. Dots alone would be resolved as steps, even if they were escaped.
func segment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "_")
	}
	return strings.ReplaceAll(url.PathEscape(oneLine(s)), ":", "%3A")
}

func level(s policy.Severity) string {
	switch s {
	case policy.Critical, policy.High:
		return "error"
	case policy.Medium:
		return "warning"
	default:
		return "note"
	}
}

// securitySeverity is the number that GitHub sorts by (github/docs, "SARIF support for code scanning").
func securitySeverity(s policy.Severity) string {
	switch s {
	case policy.Critical:
		return "9.5"
	case policy.High:
		return "8.0"
	case policy.Medium:
		return "5.5"
	case policy.Low:
		return "3.0"
	default:
		return "0.0"
	}
}
