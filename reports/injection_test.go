package reports

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostile are names that people could give to repositories, secrets, connections and applications.
var hostile = map[string]string{
	"script":           `<script>document.title='owned'</script>`,
	"closing tags":     `</code></td></table></style></title><script>document.title='owned'</script>`,
	"image":            `"><img src=x onerror="document.title='owned'">`,
	"remote image":     `<img src="http://127.0.0.1:1/x.png">`,
	"attribute":        `" onmouseover="document.title='owned'" style="display:none" x="`,
	"script link":      `javascript:document.title='owned'`,
	"data link":        `data:text/html,<script>document.title='owned'</script>`,
	"template":         `{{.Inventory}} {{template "x"}}`,
	"expression":       `${{ secrets.AZURE_CREDENTIALS }}`,
	"style":            `</style><style>*{display:none}</style>`,
	"css":              `}*{background:url(http://127.0.0.1:1/)}`,
	"comment":          `--><script>1</script><!--`,
	"entity":           `&lt;script&gt;&#60;`,
	"formula":          `=cmd|'/C calc'!A0`,
	"sum":              `@SUM(1+1)*cmd|'/C calc'!A0`,
	"plus":             `+1+1`,
	"minus":            `-1-1`,
	"wide formula":     `＝1+1`,
	"later formula":    `x;=1+1`,
	"quoted formula":   `";=HYPERLINK("http://127.0.0.1","x")`,
	"spaced formula":   "  \t=1+1",
	"colours":          "\x1b[31mred\x1b[0m",
	"title of window":  "\x1b]0;owned\x07",
	"eight-bit escape": "\u009b31mred",
	"bidi":             "\u202egnp.exe\u202c",
	"isolate":          "\u2066x\u2069\u200f",
	"tags":             "a\U000e0041\U000e007f",
	"no width":         "a\u200bb\ufeffc\u00ad",
	"lines":            "a\nb\r\nc\u2028d\u2029e",
	"new row":          "a\n| b | c |\n# heading\n",
	"null":             "a\x00b",
	"not UTF-8":        "a\xff\xc0b",
	"link":             `[click](http://evil.example/)`,
	"picture":          `![x](http://evil.example/x.png)`,
	"reference":        `[x]: http://evil.example/`,
	"bare link":        `https://evil.example/ www.evil.example`,
	"mention":          `@octocat @contoso/security`,
	"issue":            `contoso/shop#1 #2 GH-3`,
	"table":            `a | b \| c \\| d`,
	"code":             "`a` ``b`` ```\nc\n```",
	"emphasis":         `**a** _b_ ~~c~~`,
	"math":             `$\href{javascript:alert(1)}{x}$`,
	"details":          `</details><details open>`,
	"placeholder":      `{0} {12}`,
	"traversal":        `../../../etc/passwd`,
	"absolute":         `//evil.example/x`,
	"backslash":        `..\..\x\`,
	"long":             strings.Repeat("very-long-name-", 2000),
	"combining":        "Z" + strings.Repeat("\u0301", 500),
}

// visibleBytes finds characters that no output may hold raw: they act on terminals and editors.
var visibleBytes = regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f\x{80}-\x{9f}\x{ad}\x{61c}\x{200b}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2060}-\x{2069}\x{feff}\x{e0000}-\x{e007f}]`)

func TestNoFormatLetsAHostileNameThrough(t *testing.T) {
	for name, text := range hostile {
		in := poison(sample(), text)
		for format := range formats {
			t.Run(format+"/"+name, func(t *testing.T) {
				out := render(t, format, in)
				if !utf8.Valid(out) {
					t.Error("not UTF-8")
				}
				if found := visibleBytes.Find(bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n"))); found != nil {
					t.Errorf("a raw %q", found)
				}
				inert[format](t, out, text)
			})
		}
	}
}

var inert = map[string]func(*testing.T, []byte, string){"html": inertHTML, "csv": inertCSV, "md": inertMarkdown, "json": inertJSON, "sarif": inertSARIF}

var (
	tag       = regexp.MustCompile(`<[^>]*>`)
	acting    = regexp.MustCompile(`(?i)\bon\w+\s*=|javascript:|\bsrc\s*=|\bstyle\s*=`)
	href      = regexp.MustCompile(`href="([^"]*)"`)
	knownTags = regexp.MustCompile(`^</?(!DOCTYPE|html|head|meta|title|style|body|main|header|h1|h2|h3|p|nav|a|ul|ol|li|b|span|div|section|table|thead|tbody|tr|th|td|code|details|summary|footer|br)\b`)
)

// inertHTML looks at the tags alone; that nothing runs and nothing is loaded is shown in a browser.
func inertHTML(t *testing.T, out []byte, _ string) {
	_, body, _ := strings.Cut(string(out), "</head>")
	for _, m := range tag.FindAllString(body, -1) {
		if !knownTags.MatchString(m) || acting.MatchString(m) {
			t.Errorf("the tag %.100s", m)
		}
		if h := href.FindStringSubmatch(m); h != nil && !strings.HasPrefix(h[1], "#") {
			t.Errorf("a link that leaves the page: %.100s", m)
		}
	}
}

func inertCSV(t *testing.T, out []byte, _ string) {
	rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(sample().Findings)+1 {
		t.Errorf("%d rows for %d findings", len(rows), len(sample().Findings))
	}
	for _, row := range rows {
		for _, c := range row {
			if regexp.MustCompile(`^[\s"]*[=+\-@＝＋－＠]|[;,|][\s"]*[=+\-@＝＋－＠]`).MatchString(c) || strings.ContainsAny(c, "\r\n\t") {
				t.Errorf("a spreadsheet could run %.100q", c)
			}
		}
	}
	// Spreadsheets of other countries and settings split the raw line elsewhere.
	for _, part := range regexp.MustCompile(`[;,\t\n]`).Split(string(out), -1) {
		if regexp.MustCompile(`^[\s"]*[=+\-@＝＋－＠]`).MatchString(part) {
			t.Errorf("split elsewhere, a spreadsheet could run %.100q", part)
		}
	}
}

// inertMarkdown undoes the escapes, and looks for what would act.
func inertMarkdown(t *testing.T, out []byte, _ string) {
	active := regexp.MustCompile(`\\[!-/:-@\[-`+"`"+`{-~]|&#?\w+;`).ReplaceAllString(string(out), "¤")
	for _, bad := range []string{"<", "](", "![", "http:", "https:", "javascript:", "data:", "www.", "@", "`", "$", "~~"} {
		if strings.Contains(active, bad) {
			t.Errorf("it holds an active %q", bad)
		}
	}
	plain := strings.NewReplacer("&#64;", "@", `\#`, "#").Replace(string(out))
	if m := regexp.MustCompile(`@\w|[^&]#\d`).FindString(plain); m != "" {
		t.Errorf("GitHub would see a mention or a reference in %q", m)
	}
	for line := range strings.Lines(active) {
		if strings.HasPrefix(line, "|") && !strings.HasSuffix(strings.TrimRight(line, "\n"), "|") {
			t.Errorf("a broken row %.100q", line)
		}
		if n := strings.Count(line, "|"); n > 4 {
			t.Errorf("%d cells in %.100q", n-1, line)
		}
	}
}

func inertJSON(t *testing.T, out []byte, text string) {
	var got Document
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if want := strings.ToValidUTF8(text, "\ufffd"); utf8.ValidString(text) && !strings.HasPrefix(got.Inventory.Identities[0].DisplayName, want) {
		t.Errorf("the name was changed to %.100q", got.Inventory.Identities[0].DisplayName)
	}
	if bytes.ContainsAny(out, "<>") {
		t.Error("it could not be put into a page")
	}
}

func inertSARIF(t *testing.T, out []byte, _ string) {
	for _, r := range parseSARIF(t, out).Results {
		if m := regexp.MustCompile(`(^|[^\\])(\\\\)*\[[^\]]*\]\(`).FindString(r.Message.Text); m != "" {
			t.Errorf("a link in %.100q", r.Message.Text)
		}
		if regexp.MustCompile(`(^|[^{])\{\d+\}([^}]|$)`).MatchString(r.Message.Text) {
			t.Errorf("a placeholder in %.100q", r.Message.Text)
		}
	}
}

func FuzzTextsAreInert(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line := clip(text)
		if oneLine(line) != line || visibleBytes.MatchString(line) || !utf8.ValidString(line) || utf8.RuneCountInString(line) > maxText+40 {
			t.Errorf("clip: %q", line)
		}
		c := cell(text)
		if regexp.MustCompile(`(^|[;,|])[\s"]*[=+\-@]`).MatchString(c) || cell(c) != c && utf8.RuneCountInString(text) < maxText {
			t.Errorf("cell: %q", c)
		}
		inertMarkdown(t, []byte("| "+escape(text)+" |\n"), text)
		uri := fileURI(text)
		if strings.ContainsAny(uri, ":?#\\ <>\"") || strings.HasPrefix(uri, "//") || regexp.MustCompile(`(^|/)\.\.?(/|$)`).MatchString(uri) {
			t.Errorf("fileURI: %q", uri)
		}
		b, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var back, want string
		if err := json.Unmarshal(escapeHidden(b), &back); err != nil || json.Unmarshal(b, &want) != nil || back != want {
			t.Errorf("escapeHidden: %q became %q, %v", want, back, err)
		}
	})
}
