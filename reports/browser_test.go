package reports

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser finds Chromium, or skips the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser is not started in short mode")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no chromium on the PATH: what a reader of the HTML report sees is not tested here")
	}
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("no-proxy-server", true),
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); cancel() })
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// watched serves a page, and counts what the browser asks for and what runs.
type watched struct {
	url      string
	mu       sync.Mutex
	requests []string
	events   []string
}

func watch(t *testing.T, ctx context.Context, html []byte) *watched {
	t.Helper()
	w := &watched{}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = rw.Write(html)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL + "/report.html"
	err := chromedp.Listen(ctx, func(ev any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch e := ev.(type) {
		case *network.EventRequestWillBeSent:
			w.requests = append(w.requests, e.Request.URL)
		case *cdpage.EventJavascriptDialogOpening:
			w.events = append(w.events, "a dialog opened: "+e.Message)
		case *runtime.EventExceptionThrown:
			w.events = append(w.events, "a script failed: "+e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			w.events = append(w.events, "a script wrote to the console")
		}
	})
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return w
}

// tab is one page in the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func (b tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// open shows a page in a window of some size, in light or dark.
func (b tab) open(w *watched, width int64, dark, script bool) {
	b.t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, runtime.Enable, cdp.Empty{})
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !script})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}})
	b.do(chromedp.EmulateViewport(width, 900), chromedp.Navigate(w.url))
}

func (b tab) unfold() {
	eval[chromedp.Void](b, `document.querySelectorAll('details').forEach(d => d.open = true)`)
}

func call[P, R any](b tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

func eval[T any](b tab, expression string) T {
	b.t.Helper()
	return get(b, chromedp.Evaluate[T](expression))
}

func get[T any](b tab, action chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// quiet checks that the page asked for nothing but itself, and that nothing ran.
func (w *watched) quiet(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if r != w.url && !strings.HasSuffix(r, "/favicon.ico") {
			t.Errorf("the page asks for %.200s", r)
		}
	}
	for _, e := range w.events {
		t.Error(e)
	}
}

func TestAReaderSeesTheReport(t *testing.T) {
	ctx := browser(t)
	w := watch(t, ctx, render(t, "html", sample()))
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprintf("script allowed %v", script), func(t *testing.T) {
			b := tab{t, ctx}
			b.open(w, 1280, false, script)
			if got, want := eval[string](b, `document.querySelector('.headline').innerText`), "4 of 5 logins in workflows and 2 of 5 service connections still sign in to Azure with a stored credential."; got != want {
				t.Errorf("the headline is %q", got)
			}
			headings := eval[[]string](b, `[...document.querySelectorAll('h1,h2')].filter(h => h.checkVisibility()).map(h => h.innerText)`)
			if got, want := strings.Join(headings, "|"), "Stored Azure credentials|Worst first|What to do next|Findings|Accepted findings|Not readable|Plan|Left alone|Service connections|Logins in workflows|Identities and their credentials|Secrets stored in GitHub"; got != want {
				t.Errorf("the headings are %s", got)
			}
			seen := strings.Join(strings.Fields(eval[string](b, `document.body.innerText`)), " ")
			for _, want := range []string{
				"critical Privileged identity with a stored secret (1)", "2 objects could not be read, so what is behind is not known.", "1 critical 7 high", "application deploy-prod (" + appDeploy + ")",
				"contoso/shop/.github/workflows/deploy.yml:21", "AZURE_CREDENTIALS", "the pull request contoso/shop#41 is not merged yet",
				"1 unit is blocked", "the vendor rotates it; ticket SEC-118", "2026-12-31", "repository contoso/legacy",
				"the web app's own password is no service principal's secret", "no value of a secret",
			} {
				if !strings.Contains(seen, want) {
					t.Errorf("a reader does not see %q", want)
				}
			}
			w.quiet(t)
		})
	}
}

func TestNoTypeOfAConnectionIsBrokenWithinItsWord(t *testing.T) {
	ctx := browser(t)
	in := sample()
	w := watch(t, ctx, render(t, "html", in))
	for _, width := range []int64{800, 960, 1100, 1280} {
		b := tab{t, ctx}
		b.open(w, width, false, true)
		broken := eval[[]string](b, `[...document.querySelectorAll('.connections tbody td:nth-child(3)')].filter(td => {
			const r = document.createRange(); r.selectNodeContents(td); return r.getClientRects().length > 1 }).map(td => td.innerText)`)
		if shown := eval[int](b, `document.querySelectorAll('.connections tbody tr').length`); len(broken) > 0 || shown != len(in.Inventory.Connections) {
			t.Errorf("at %d pixels, of %d types: %v", width, shown, broken)
		}
	}
}

// Each page holds all hostile names, each time at other places; that every name is escaped at every place is tested
// without a browser.
func TestNothingOfAHostileNameRunsOrLoads(t *testing.T) {
	ctx := browser(t)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(hostile)) {
		if name != "long" && name != "combining" { // they are about space, not about meaning
			names = append(names, hostile[name])
		}
	}
	b := tab{t, ctx}
	for turn := range 4 {
		w := watch(t, ctx, render(t, "html", poisonWith(sample(), func(n int) string { return names[(n*7+turn*11)%len(names)] })))
		b.open(w, 1280, false, true)
		b.unfold()
		eval[chromedp.Void](b, `document.querySelectorAll('td,li,a,code').forEach(e => e.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})))`)
		foreign := eval[int](b, `document.querySelectorAll('script,img,iframe,object,embed,svg,link,form,input').length`)
		shown := eval[int](b, `[...document.querySelectorAll('table.rows tbody tr')].filter(r => r.checkVisibility()).length`)
		if title := get(b, chromedp.Title()); foreign > 0 || shown < 20 || title != "Stored Azure credentials – unsecret report" {
			t.Errorf("%d elements that do not belong to the report, %d rows shown, the title is %q", foreign, shown, title)
		}
		w.quiet(t)
	}
}

// TestTheBrowserWouldNoticeAnAttack shows that the test above can fail: an attack in a page without escapes is seen.
func TestTheBrowserWouldNoticeAnAttack(t *testing.T) {
	ctx := browser(t)
	w := watch(t, ctx, []byte(`<title>x</title><script>console.log(1)</script><img src="/x.png">`))
	b := tab{t, ctx}
	b.open(w, 1280, false, true)
	eval[int](b, `1`)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) == 0 || len(w.requests) < 2 {
		t.Errorf("nothing was noticed: %v, %v", w.events, w.requests)
	}
}

func TestThePageFitsEveryScreen(t *testing.T) {
	ctx := browser(t)
	b := tab{t, ctx}
	for name, in := range map[string]Input{"sample": sample(), "long names": poison(sample(), hostile["long"][:900]), "wide names": poison(sample(), strings.Repeat("W", 300)), "many": many(300)} {
		b.open(watch(t, ctx, render(t, "html", in)), 1280, false, true)
		b.unfold()
		for _, width := range []int64{1280, 768, 390, 320} {
			b.do(chromedp.EmulateViewport(width, 800))
			got := eval[struct{ Page, Inner float64 }](b, `({Page: document.documentElement.scrollWidth, Inner: Math.max(...[...document.querySelectorAll('body *')].map(e => e.getBoundingClientRect().right))})`)
			if got.Page > float64(width) || got.Inner > float64(width) {
				t.Errorf("%s at %d px: the page is %.0f px wide, its content reaches to %.0f px", name, width, got.Page, got.Inner)
			}
		}
	}
}

// contrast computes the lowest contrast of visible texts with what is behind them (WCAG 2.2, 1.4.3: at least 4.5).
const contrast = `(() => {
	const parse = c => c.match(/[\d.]+/g).map(Number);
	const lum = c => { const [r,g,b] = parse(c).map(v => (v/=255) <= .04045 ? v/12.92 : ((v+.055)/1.055)**2.4); return .2126*r+.7152*g+.0722*b };
	const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; const p = parse(c); if (p.length < 4 || p[3] > 0) return c } return 'none' };
	let worst = {Ratio: 99, Text: '', N: 0};
	for (const e of document.querySelectorAll('body *')) {
		if (!e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
		const a = lum(getComputedStyle(e).color), b = lum(back(e));
		const ratio = (Math.max(a,b)+.05)/(Math.min(a,b)+.05);
		worst.N++;
		if (ratio < worst.Ratio) worst = {...worst, Ratio: ratio, Text: e.className + ' ' + e.innerText.slice(0, 40)};
	}
	return {...worst, Back: back(document.body)};
})()`

func TestLightAndDarkCanBeRead(t *testing.T) {
	ctx := browser(t)
	w := watch(t, ctx, render(t, "html", sample()))
	backs := map[string]bool{}
	for _, dark := range []bool{false, true} {
		b := tab{t, ctx}
		b.open(w, 1280, dark, true)
		b.unfold()
		got := eval[struct {
			Ratio float64
			Text  string
			N     int
			Back  string
		}](b, contrast)
		if got.Ratio < 4.5 || got.N < 100 {
			t.Errorf("dark %v: contrast %.2f of %q, of %d texts", dark, got.Ratio, got.Text, got.N)
		}
		backs[got.Back] = true
	}
	if len(backs) != 2 {
		t.Errorf("light and dark have the background %v", backs)
	}
}

func TestThePrintedReportHoldsWhatIsFolded(t *testing.T) {
	ctx := browser(t)
	b := tab{t, ctx}
	b.open(watch(t, ctx, render(t, "html", sample())), 794, true, false)
	folded := eval[int](b, `document.querySelectorAll('details:not([open])').length`)
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print", Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	hidden := eval[int](b, `[...document.querySelectorAll('details table')].filter(e => !e.checkVisibility({contentVisibilityAuto: true}) || e.getBoundingClientRect().height === 0).length`)
	if folded == 0 || hidden > 0 {
		t.Errorf("%d details are folded, %d of their tables are not printed", folded, hidden)
	}
	if back := eval[string](b, `getComputedStyle(document.body).backgroundColor`); back != "rgb(255, 255, 255)" {
		t.Errorf("printed from a dark screen, the paper is %s", back)
	}
	pdf := get(b, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize(), chromedp.PDFPaper(chromedp.PaperA4)))
	if !strings.HasPrefix(string(pdf), "%PDF-") || len(pdf) < 20_000 {
		t.Errorf("no PDF: %d bytes", len(pdf))
	}
	save(t, "print.pdf", pdf)
}

func TestPicturesOfTheReport(t *testing.T) {
	if os.Getenv("UNSECRET_PICTURES") == "" {
		t.Skip("UNSECRET_PICTURES names no folder to put pictures into")
	}
	ctx := browser(t)
	b := tab{t, ctx}
	for name, c := range map[string]struct {
		in    Input
		width int64
		dark  bool
		print bool
	}{
		"light": {sample(), 1280, false, false}, "dark": {sample(), 1280, true, false}, "mobile": {sample(), 390, false, false}, "mobile-dark": {sample(), 390, true, false},
		"printed": {sample(), 794, false, true}, "many": {many(120), 1280, false, false},
	} {
		b.open(watch(t, ctx, render(t, "html", c.in)), c.width, c.dark, true)
		if c.print {
			call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
		}
		const screen = 1400
		b.do(chromedp.EmulateViewport(c.width, screen))
		for i := range 5 {
			eval[chromedp.Void](b, fmt.Sprintf(`scrollTo(0, %d)`, i*screen))
			save(t, fmt.Sprintf("%s-%d.png", name, i+1), get(b, chromedp.CaptureScreenshot()))
		}
	}
}

// save keeps what a person may want to look at.
func save(t *testing.T, name string, data []byte) {
	t.Helper()
	if dir := os.Getenv("UNSECRET_PICTURES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
