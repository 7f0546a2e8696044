package reports

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/policy"
)

// CSV writes one row for each finding, with a header.
func CSV(w io.Writer, in Input) error {
	out := csv.NewWriter(w)
	write := func(row []string) error {
		for i := range row {
			row[i] = cell(row[i])
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("write the CSV report: %w", err)
		}
		return nil
	}
	if err := write([]string{"severity", "rule", "object", "repository", "file", "line", "message", "evidence", "remedy", "excepted", "fingerprint"}); err != nil {
		return err
	}
	for _, f := range in.Findings {
		if err := write(findingRow(f)); err != nil {
			return err
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write the CSV report: %w", err)
	}
	return nil
}

func findingRow(f policy.Finding) []string {
	line, excepted := "", ""
	if f.Line > 0 {
		line = itoa(f.Line)
	}
	if f.Excepted != nil {
		excepted = f.Excepted.Reason
	}
	return []string{string(f.Severity), f.Rule, f.Object, string(f.Repository), f.File, line, f.Message,
		strings.Join(f.Evidence, "; "), strings.Join(f.Remedy, "; "), excepted, f.Fingerprint}
}

// formula finds what a spreadsheet could take for a formula: at the start of a cell, and after a character that a
// spreadsheet of another country or setting takes for the end of a cell (OWASP, "CSV Injection").
var formula = lazy.Regexp(`(^|[;,|])([\s"]*)([=+\-@＝＋－＠])`)

// cell keeps spreadsheets from taking a text for a formula.
func cell(s string) string {
	s = clip(s)
	if !strings.ContainsAny(s, "=+-@＝＋－＠") {
		return s
	}
	return formula().ReplaceAllString(s, `$1$2'$3`)
}
