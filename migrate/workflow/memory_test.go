package workflow

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// What a scan finds shares no memory with what it has read, which the next scan writes over.
func TestResultsStayWhenTheMemoryIsUsedAgain(t *testing.T) {
	next := Tree{Files: []File{{Path: "z.yml", Content: []byte("on: push\njobs:\n  z:\n    steps:\n      - run: |\n          azure " + strings.Repeat("z", 1<<17) + "\n")}}}
	eachTree(t, func(t *testing.T, tree Tree) {
		r := Scan(tree, Options{Subjects: true})
		before := marshal(t, r)
		Scan(next, Options{})
		if after := marshal(t, r); after != before {
			t.Errorf("%s: was %s, is %s", tree.Files[0].Path, before, after)
		}
	})
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An expression that is remembered is what it is when it is read.
func TestRememberedExpressionsAreThoseThatAreRead(t *testing.T) {
	var remembered = remembered{known: make(map[string]segment)}
	check := func(t *testing.T, body string) {
		t.Helper()
		want := parseExpression(body)
		for range 2 {
			if got := remembered.parse(body); !reflect.DeepEqual(got, want) {
				t.Errorf("%q: %+v, want %+v", body, got, want)
			}
		}
	}
	for _, body := range []string{" secrets.A || '' }} x", " format('}}{0}', secrets.A) }}", " secrets['}}'] }} }}", " 'a", " a b }}", "}}", " secrets.A || ''", " fromJSON(secrets.A).b }}${{ x }}"} {
		check(t, body)
	}
	eachTree(t, func(t *testing.T, tree Tree) {
		for _, f := range tree.Files {
			for rest := string(f.Content); ; {
				_, body, ok := strings.Cut(rest, "${{")
				if !ok {
					break
				}
				check(t, body[:min(len(body), 1000)])
				rest = body
			}
		}
	})
	if n := len(remembered.known); n == 0 || n > maxRemembered {
		t.Errorf("%d expressions are remembered", n)
	}
}
