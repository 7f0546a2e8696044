package jsonstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type inner struct {
	Name  string         `json:"name"`
	Tags  []string       `json:"tags"`
	None  []string       `json:"none,omitempty"`
	Other map[string]any `json:"other,omitempty"`
	Deep  []inner        `json:"deep,omitempty"`
}

type embedded struct {
	inner
	Count int `json:"count,string"`
}

type outer struct {
	Schema  string `json:"$schema"`
	Untaged int
	hidden  int
	Left    int       `json:"-"`
	When    time.Time `json:"when"`
	Zero    time.Time `json:"zero,omitzero"`
	Later   time.Time `json:"later,omitzero"`
	Nothing []inner   `json:"nothing"`
	Empty   []inner   `json:"empty"`
	List    []inner   `json:"list"`
	Bytes   []byte    `json:"bytes"`
	Pointer *inner    `json:"pointer"`
	Nil     *inner    `json:"nil"`
	Gone    *inner    `json:"gone,omitempty"`
	Any     any       `json:"any"`
	Flag    bool      `json:"flag,omitempty"`
	Number  float64   `json:"number,omitempty"`
	Fixed   [2]inner  `json:"fixed"`
	Within  embedded  `json:"within"`
	Lists   [][]inner `json:"lists"`
	Secret  secret    `json:"secret"`
}

// secret must not be written.
type secret struct{ Value string }

func (s *secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

type holder struct {
	List   []secret `json:"list"`
	Secret secret   `json:"secret"`
}

func TestMethodsOfAPointerAreCalled(t *testing.T) {
	for lists := range 3 {
		var b bytes.Buffer
		if err := Write(&b, &holder{[]secret{{"x-value"}}, secret{"x-value"}}, Options{Lists: lists}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "x-value") || strings.Count(b.String(), "[redacted]") != 2 {
			t.Errorf("%d lists deep:\n%s", lists, b.String())
		}
	}
}

func sample() outer {
	x := inner{Name: "a<b>&\u2028\u202e", Tags: []string{"x", "\x1b"}, Other: map[string]any{"z": 1, "a": []int{1, 2}}, Deep: []inner{{}, {Name: "y"}}}
	return outer{Schema: "s", hidden: 1, Left: 2, When: time.Unix(1, 0).UTC(), Later: time.Unix(2, 0).UTC(), Empty: []inner{}, List: []inner{x, {}, x}, Bytes: []byte("b"), Pointer: &x,
		Any: []any{x, nil, 1}, Number: 1.5, Within: embedded{inner: x, Count: 3}, Lists: [][]inner{{x}, nil, {}}}
}

func TestWritesWhatTheEncoderWrites(t *testing.T) {
	for name, v := range map[string]any{"all": sample(), "pointer": new(outer), "list": []outer{sample(), {}}, "empty": struct{}{}, "nil": nil, "nothing": []int(nil), "text": "x", "map": map[string]int{"b": 1, "a": 2}} {
		for lists := range 4 {
			for _, escape := range []bool{true, false} {
				var want, got bytes.Buffer
				e := json.NewEncoder(&want)
				e.SetEscapeHTML(escape)
				e.SetIndent("", "  ")
				if err := e.Encode(v); err != nil {
					t.Fatal(err)
				}
				if err := Write(&got, v, Options{Lists: lists, EscapeHTML: escape}); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want.String(), got.String()); d != "" {
					t.Errorf("%s, %d lists deep, escape %v (-encoder +stream):\n%s", name, lists, escape, d)
				}
			}
		}
	}
}

func TestMembersAreMadeWhenTheyAreWritten(t *testing.T) {
	made, most := 0, 0
	v := struct {
		List  List `json:"list"`
		Empty List `json:"empty"`
	}{func(yield func(any) bool) {
		for i := range 100_000 {
			made++
			if !yield(inner{Name: strings.Repeat("x", i%10)}) {
				return
			}
		}
	}, func(func(any) bool) {}}
	w := writer(func(b []byte) (int, error) {
		most = max(most, len(b))
		if made > 50_000 {
			return 0, errors.New("full")
		}
		return len(b), nil
	})
	if err := Write(w, v, Options{Lists: 1}); err == nil || err.Error() != "full" {
		t.Errorf("the error is %v", err)
	}
	if made == 100_000 || most > 1<<20 {
		t.Errorf("%d members were made, and %d bytes written at once", made, most)
	}
	var b bytes.Buffer
	v.List = func(yield func(any) bool) { _ = yield(inner{Name: "a", Tags: []string{}}) && yield(2) }
	if err := Write(&b, v, Options{Lists: 1}); err != nil {
		t.Fatal(err)
	}
	const want = "{\n  \"list\": [\n    {\n      \"name\": \"a\",\n      \"tags\": []\n    },\n    2\n  ],\n  \"empty\": []\n}\n"
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestWhatCannotBeEncodedIsAnError(t *testing.T) {
	if err := Write(new(bytes.Buffer), []any{1, func() {}}, Options{Lists: 1}); err == nil {
		t.Error("a function was written")
	}
}
