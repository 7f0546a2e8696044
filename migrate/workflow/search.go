package workflow

import "strings"

// search finds whether one of several strings is in a text by looking at two bytes of each few places: as many as the
// shortest string is long (S. Wu, U. Manber: A Fast Algorithm for Multi-Pattern Searching, 1994).
type search struct {
	shortest int
	shift    [1 << 12]uint8 // by a hash of two bytes: how far the end of the next possible place is
	ends     map[int][]string
}

// newSearch makes a search for strings of at least two bytes.
func newSearch(marks ...string) *search {
	s := &search{shortest: len(marks[0]), ends: make(map[int][]string)}
	for _, m := range marks {
		s.shortest = min(s.shortest, len(m))
	}
	last := s.shortest - 1
	for i := range s.shift {
		s.shift[i] = uint8(last)
	}
	for _, m := range marks {
		for i := 1; i <= last; i++ {
			h := pair(m[i-1], m[i])
			s.shift[h] = min(s.shift[h], uint8(last-i))
		}
		h := pair(m[last-1], m[last])
		s.ends[h] = append(s.ends[h], m)
	}
	return s
}

func pair(a, b byte) int { return (int(a)<<5 ^ int(b)) & (1<<12 - 1) }

// in tells whether one of the strings is in the text.
func in[T string | []byte](s *search, text T) bool {
	for i := s.shortest - 1; i < len(text); {
		h := pair(text[i-1], text[i])
		if shift := s.shift[h]; shift > 0 {
			i += int(shift)
			continue
		}
		start := i - s.shortest + 1
		for _, m := range s.ends[h] {
			if start+len(m) <= len(text) && string(text[start:start+len(m)]) == m {
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
