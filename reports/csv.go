package reports

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// CSV writes one row for each finding, with a header.
func CSV(w io.Writer, in Input) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"severity", "rule", "object", "repository", "file", "line", "message", "evidence", "remedy", "excepted", "fingerprint"}}
	for _, f := range in.Findings {
		line, excepted := "", ""
		if f.Line > 0 {
			line = itoa(f.Line)
		}
		if f.Excepted != nil {
			excepted = f.Excepted.Reason
		}
		rows = append(rows, []string{string(f.Severity), f.Rule, f.Object, string(f.Repository), f.File, line, f.Message,
			strings.Join(f.Evidence, "; "), strings.Join(f.Remedy, "; "), excepted, f.Fingerprint})
	}
	for _, row := range rows {
		for i := range row {
			row[i] = cell(row[i])
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("write the CSV report: %w", err)
		}
	}
	out.Flush()
	return out.Error()
}

// cell keeps spreadsheets from taking a text for a formula (OWASP, "CSV Injection").
func cell(s string) string {
	s = oneLine(s)
	if s != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}
