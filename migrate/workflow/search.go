package workflow

import (
	"strings"
	"sync"
)

// search finds whether one of several strings is in a text by looking at two bytes of each few places: as many as the
// shortest string is long (S. Wu, U. Manber: A Fast Algorithm for Multi-Pattern Searching, 1994).
type search struct {
	anyCase bool                // the strings are in lower case, and are found in any
	table   func() *searchTable // made when something is searched first
}

type searchTable struct {
	shortest int
	shift    [1 << 12]uint8 // by a hash of two bytes: how far the end of the next possible place is
	ends     map[int][]string
}

// newSearch makes a search for strings of at least two bytes.
func newSearch(marks ...string) *search {
	return &search{table: sync.OnceValue(func() *searchTable { return newSearchTable(marks) })}
}

// newSearchAnyCase makes a search for strings of ASCII characters, given in lower case, that are found in any case.
func newSearchAnyCase(marks ...string) *search {
	s := newSearch(marks...)
	s.anyCase = true
	return s
}

func newSearchTable(marks []string) *searchTable {
	t := &searchTable{shortest: len(marks[0]), ends: make(map[int][]string)}
	for _, m := range marks {
		t.shortest = min(t.shortest, len(m))
	}
	last := t.shortest - 1
	for i := range t.shift {
		t.shift[i] = uint8(last)
	}
	for _, m := range marks {
		for i := 1; i <= last; i++ {
			h := pair(m[i-1], m[i])
			t.shift[h] = min(t.shift[h], uint8(last-i))
		}
		h := pair(m[last-1], m[last])
		t.ends[h] = append(t.ends[h], m)
	}
	return t
}

// pair is the same for a letter in both cases.
func pair(a, b byte) int { return (int(a|0x20)<<5 ^ int(b|0x20)) & (1<<12 - 1) }

// in tells whether one of the strings is in the text.
func in[T string | []byte](s *search, text T) bool {
	t := s.table()
	last := t.shortest - 1
	for i := last; i < len(text); {
		h := pair(text[i-1], text[i])
		switch shift := int(t.shift[h]); shift {
		case last: // nearly always; without waiting for the table, a processor goes on from here to the next place
			i += last
			continue
		case 0:
		default:
			i += shift
			continue
		}
		start := i - last
		for _, m := range t.ends[h] {
			if start+len(m) > len(text) {
				continue
			}
			if found := text[start : start+len(m)]; string(found) == m || s.anyCase && strings.EqualFold(string(found), m) {
				return true
			}
		}
		i++
	}
	return false
}

// containsAny tells whether one of a few strings is in another.
func containsAny(s string, list []string) bool {
	for _, x := range list {
		if strings.Contains(s, x) {
			return true
		}
	}
	return false
}

// containsFold tells whether a string contains a word of ASCII letters in any case. The word is given in lower case.
func containsFold(s, word string) bool {
	upper := word[0] &^ 0x20
	for i := 0; i+len(word) <= len(s); i++ {
		if s[i]&^0x20 == upper && strings.EqualFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}
