package pipeline

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// like gives what is fixed of an open name: the text where it stands, without what is replaced in it. Nil: nothing is.
func like(v *node) []string {
	if v.at.n == nil { // of a classic definition
		if text, ok := v.leaf.only(); ok {
			return fixed(strings.TrimSpace(text))
		}
		return nil
	}
	if v.at.n.Kind != yaml.ScalarNode {
		return nil
	}
	return fixed(strings.TrimSpace(v.at.n.Value))
}

// fixed cuts a text at its macros and template expressions. Where it is not certain what is replaced, nothing is fixed.
func fixed(text string) []string {
	var out []string
	for rest := text; ; {
		i := strings.IndexByte(rest, '$')
		if i < 0 {
			out = append(out, rest)
			break
		}
		var end string
		switch {
		case strings.HasPrefix(rest[i:], "${{"):
			end = "}}"
		case strings.HasPrefix(rest[i:], "$("):
			end = ")"
		default: // a runtime expression is the whole value; anything else nobody knows
			return nil
		}
		n := strings.Index(rest[i:], end)
		if n < 0 || strings.ContainsAny(rest[i+2:i+n], "$(") && end == ")" {
			return nil
		}
		out = append(out, rest[:i])
		rest = rest[i+n+len(end):]
	}
	if !slices.ContainsFunc(out, func(part string) bool { return part != "" }) {
		return nil
	}
	return out
}

// likeEither is what is fixed of a name that two expansions of the same text leave open.
func likeEither(have *Use, u Use) []string {
	switch {
	case !have.Open:
		return u.Like
	case slices.Equal(have.Like, u.Like):
		return have.Like
	}
	return nil
}
