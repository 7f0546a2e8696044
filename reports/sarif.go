package reports

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// SARIF writes SARIF 2.1.0 for code scanning. Findings in a file point at its lines, relative to the repository's
// root; those of other objects carry a logical location.
func SARIF(w io.Writer, in Input) error {
	report := sarif.NewReport()
	run := sarif.NewRunWithInformationURI("unsecret", "https://github.com/unsecret-dev/unsecret")
	run.Tool.Driver.WithVersion(in.Tool)
	run.WithColumnKind("utf16CodeUnits")
	for _, r := range policy.Rules() {
		rule := run.AddRule(r.ID).WithName(r.Name).WithShortDescription(sarif.NewMultiformatMessageString().WithText(r.Name)).
			WithFullDescription(sarif.NewMultiformatMessageString().WithText(r.Text)).
			WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(level(r.Severity)))
		help := strings.Join(append(append([]string{r.Text}, r.Remedy...), r.References...), "\n\n")
		rule.WithHelp(sarif.NewMultiformatMessageString().WithText(help))
		properties := sarif.NewPropertyBag()
		properties.Add("security-severity", securitySeverity(r.Severity))
		properties.Add("tags", []string{"security", "azure", "credentials"})
		rule.WithProperties(properties)
	}
	for _, f := range in.Findings {
		result := run.CreateResultForRule(f.Rule).WithLevel(level(f.Severity)).WithMessage(sarif.NewTextMessage(oneLine(f.Message)))
		result.WithPartialFingerprints(map[string]string{"unsecret/v1": f.Fingerprint})
		result.AddLocation(location(f))
		if f.Excepted != nil {
			result.WithSuppressions([]*sarif.Suppression{sarif.NewSuppression().WithKind("external").WithStatus("accepted").WithJustification(oneLine(f.Excepted.Reason))})
		}
	}
	report.AddRun(run)
	if err := report.PrettyWrite(w); err != nil {
		return fmt.Errorf("write the SARIF report: %w", err)
	}
	return nil
}

func location(f policy.Finding) *sarif.Location {
	loc := sarif.NewLocation()
	if f.File != "" {
		region := sarif.NewRegion().WithStartLine(max(f.Line, 1))
		if f.Column > 0 {
			region.WithStartColumn(f.Column)
		}
		if f.EndLine > 0 {
			region.WithEndLine(f.EndLine)
			if f.EndColumn > 0 && (f.EndLine > f.Line || f.EndColumn > f.Column) {
				region.WithEndColumn(f.EndColumn)
			}
		}
		loc.WithPhysicalLocation(sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewSimpleArtifactLocation(fileURI(f.File))).WithRegion(region))
	}
	name := f.Object
	if f.Repository != "" {
		name = string(f.Repository)
	}
	return loc.WithLogicalLocations([]*sarif.LogicalLocation{sarif.NewLogicalLocation().WithFullyQualifiedName(oneLine(name)).WithKind("resource")})
}

// fileURI is a path as a relative reference (RFC 3986): no segment can be taken for a scheme, a query or a fragment.
func fileURI(p string) string {
	segments := strings.Split(p, "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.PathEscape(s), ":", "%3A")
	}
	return strings.Join(segments, "/")
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
