package workflow

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

func TestPrefilterLosesNoLogin(t *testing.T) {
	for _, folder := range []string{"workflows", "workflows-without-azure", "actions", "migrations"} {
		for _, tree := range corpus(t, folder) {
			f := tree.Files[0]
			if IsCandidate(f.Content) {
				continue
			}
			read, err := readFile(f.Path, f.Content)
			if err != nil {
				continue
			}
			a := &analysis{tree: tree, byPath: map[string]*file{}, files: []*file{read}}
			a.link()
			a.find()
			a.weighAll()
			for _, l := range a.result().Logins {
				t.Errorf("the prefilter passes over %s %s", l.ID, l.Kind)
			}
		}
	}
}

// The search by pairs of bytes finds what a plain search finds.
func TestPrefilterFindsEachMarkAnywhere(t *testing.T) {
	words := []string{"ARM_", "arm_", "ACR_", "acr_", "publish-profile", "kubelogin", "client_secret", "CLIENT_SECRET", "clientSecret", "ClientSecret",
		"CLIENTSECRET", "clientsecret", "client-secret", "Client_Secret", "CLIENT-SECRET", "Client-Secret", "rincipal", "RINCIPAL", "windows.net", "ccountKey", "aks-set-context", "k8s-set-context",
		"Azure", "az ", "AZCOPY"}
	for _, w := range words {
		for before := range 40 {
			text := strings.Repeat("x", before) + w
			for _, after := range []string{"", "y", " client yy publish-profil windows.ne rincipa"} {
				if !TouchesAzure([]byte(text + after)) {
					t.Errorf("%q is passed over", text+after)
				}
			}
			if TouchesAzure([]byte(text[:len(text)-1])) {
				t.Errorf("%q is taken for a mark", text[:len(text)-1])
			}
		}
	}
}

// What the prefilter knows of uses is what a plain pattern finds.
func TestPrefilterFindsEachUseOfOwnFiles(t *testing.T) {
	plain := regexp.MustCompile(`uses["' :\t]*\./|uses.*/\.github/workflows/`)
	parts := []string{"uses", ": ", "'", "./", "/.github/workflows/", ".", "/", "x", "\n", " ", "us", "es"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		var text strings.Builder
		for range 1 + random.IntN(9) {
			text.WriteString(parts[random.IntN(len(parts))])
		}
		if got, want := usesOwn([]byte(text.String())), plain.MatchString(text.String()); got != want {
			t.Fatalf("%q: %v, want %v", text.String(), got, want)
		}
	}
}

// A line of any length is passed over in a time that grows as its length.
func TestPrefilterIsNotSlowedByLongLines(t *testing.T) {
	start := time.Now()
	for _, part := range []string{"uses", "uses /", "./", "/.github/workflows/", " /", "s: ./", "_", "z", "client_secre"} {
		IsCandidate(bytes.Repeat([]byte(part), maxFileSize/len(part)))
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %s", d)
	}
}

func TestPathsOfWorkflowsAndActions(t *testing.T) {
	for path, want := range map[string][2]bool{
		".github/workflows/a.yml":            {true, false},
		".github/workflows/a.yaml":           {true, false},
		".github/workflows/sub/a.yml":        {false, false},
		".github/workflows/a.txt":            {false, false},
		"workflows/a.yml":                    {false, false},
		"action.yml":                         {false, true},
		".github/actions/login/action.yaml":  {false, true},
		".github/actions/login/reaction.yml": {false, false},
	} {
		if got := [2]bool{IsWorkflowPath(path), IsActionPath(path)}; got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestSameWorldGivesTheSameResult(t *testing.T) {
	tree := flatten(corpus(t, "workflows"))
	first := Scan(tree, Options{})
	for range 2 {
		again := Scan(tree, Options{})
		if len(again.Logins) != len(first.Logins) {
			t.Fatalf("%d logins, then %d", len(first.Logins), len(again.Logins))
		}
		for i := range again.Logins {
			if a, b := first.Logins[i], again.Logins[i]; a.ID != b.ID || a.Reason != b.Reason || a.Conversion != b.Conversion {
				t.Errorf("%s %s, then %s %s", a.ID, a.Reason, b.ID, b.Reason)
			}
		}
	}
	seen := map[inventory.LoginID]bool{}
	for _, l := range first.Logins {
		if seen[l.ID] {
			t.Errorf("%s is listed twice", l.ID)
		}
		seen[l.ID] = true
	}
}
