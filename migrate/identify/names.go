package identify

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

// nameIndex holds the words of every application's name, tags and notes.
type nameIndex struct {
	apps map[inventory.AppID]appWords
}

type appWords struct {
	name  map[string]bool // words of the display name
	notes map[string]bool // of tags and notes
	text  string          // all of it, lower case
}

// term is a name that a secret's place has, as words.
type term struct {
	what  string // "repository contoso/shop"
	words []string
	full  string // OWNER/NAME, which says more than its words
	kind  Kind
	named int // how many applications' names have all the words
	noted int // and how many tags or notes
}

func newNameIndex(apps []Application) *nameIndex {
	x := &nameIndex{apps: make(map[inventory.AppID]appWords, len(apps))}
	for _, a := range apps {
		beside := strings.Join(append(slices.Clone(a.Tags), a.Notes), " ")
		x.apps[a.AppID] = appWords{name: wordSet(a.DisplayName), notes: wordSet(beside), text: strings.ToLower(a.DisplayName + " " + beside)}
	}
	return x
}

// common are words that say nothing about which application is meant: they are in the names of secrets, applications and
// repositories everywhere.
var common = wordSet("azure az aad arm sp spn service principal credentials credential creds client secret secrets password pass login app application id deploy deployment " +
	"pipeline pipelines github gh actions action ci cd repo the and for of with key token")

// words splits a name at everything that is no letter or digit, and where a small letter meets a capital one.
func words(text string) []string {
	var out []string
	var cur []rune
	var last rune
	flush := func() {
		if len(cur) > 0 {
			out = append(out, strings.ToLower(string(cur)))
		}
		cur = nil
	}
	for _, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) || unicode.IsUpper(r) && unicode.IsLower(last) {
			flush()
		}
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			cur = append(cur, r)
		}
		last = r
	}
	flush()
	return out
}

func wordSet(text string) map[string]bool {
	out := map[string]bool{}
	for _, w := range words(text) {
		out[w] = true
	}
	return out
}

// telling are the words of a name that distinguish it.
func telling(text string) []string {
	var out []string
	for _, w := range words(text) {
		if !common[w] && len(w) > 1 {
			out = appendNew(out, w)
		}
	}
	return out
}

// terms are the names to look for, with how many applications have each.
func (x *nameIndex) terms(q *question) []term {
	var out []term
	for _, r := range q.repositories {
		_, name, _ := strings.Cut(string(r), "/")
		out = append(out, term{what: "repository " + string(r), words: telling(name), full: strings.ToLower(string(r)), kind: KindName})
	}
	if q.open.Store.Level == inventory.LevelOrganization {
		out = append(out, term{what: "organisation " + q.open.Store.Owner, words: telling(q.open.Store.Owner), kind: KindName})
	}
	out = append(out, term{what: "secret " + q.open.Store.Name, words: telling(q.open.Store.Name), kind: KindSecretName})
	out = slices.DeleteFunc(out, func(t term) bool { return len(t.words) == 0 && t.full == "" })
	for i := range out {
		for _, a := range x.apps {
			if hasAll(a.name, out[i].words) {
				out[i].named++
			}
			if hasAll(a.notes, out[i].words) {
				out[i].noted++
			}
		}
	}
	return out
}

func hasAll(set map[string]bool, words []string) bool {
	return len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !set[w] })
}

// rare weighs a name by how many applications have it: what is in every name distinguishes nothing.
func rare(n, one, few, many int) (weight int, why string) {
	switch {
	case n <= 1:
		return one, "no other application is named so"
	case n <= 3:
		return few, fmt.Sprintf("%d applications are named so", n)
	default:
		return many, fmt.Sprintf("%d applications are named so, which tells little", n)
	}
}

// named weighs an application's display name, tags and notes against the names of the secret's place.
func (q *question) named(a Application) []Evidence {
	have := q.e.names.apps[a.AppID]
	var out []Evidence
	for _, t := range q.terms {
		e, ok := t.found(have)
		if !ok {
			continue
		}
		if env := q.environmentIn(have); t.kind == KindName && env != "" {
			e.Weight += 10
			e.Text += " and environment " + env
		}
		out = append(out, e)
	}
	return out
}

func (t term) found(have appWords) (Evidence, bool) {
	if t.full != "" && mentions(have.text, t.full) {
		return Evidence{t.kind, 45, "its name, tags or notes name " + t.what, "they name it in full"}, true
	}
	switch {
	case hasAll(have.name, t.words):
		w, why := rare(t.named, 30, 20, 8)
		if t.kind == KindSecretName {
			w /= 2
		}
		return Evidence{t.kind, w, "its display name has the words of " + t.what, why}, true
	case hasAll(have.notes, t.words):
		w, why := rare(t.noted, 20, 12, 4)
		if t.kind == KindSecretName {
			w /= 2
		}
		return Evidence{t.kind, w, "its tags or notes have the words of " + t.what, why}, true
	}
	return Evidence{}, false
}

// mentions finds OWNER/NAME in a text where it is not a part of a longer name.
func mentions(text, full string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], full)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(full)
		if !partOfName(text[:start], true) && !partOfName(text[end:], false) {
			return true
		}
		at = start + 1
	}
}

func partOfName(s string, end bool) bool {
	if s == "" {
		return false
	}
	b := s[0]
	if end {
		b = s[len(s)-1]
	}
	if b == '.' && !end && (len(s) == 1 || s[1] == ' ' || s[1] == '\n' || strings.HasPrefix(s, ".git")) {
		return false // the end of a sentence, or of an address
	}
	return b == '-' || b == '_' || b == '.' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z'
}

// environmentIn gives the environment of the secret that an application's name has, if any.
func (q *question) environmentIn(have appWords) string {
	for _, env := range q.environments {
		if w := words(env); hasAll(have.name, w) || hasAll(have.notes, w) {
			return env
		}
	}
	return ""
}
