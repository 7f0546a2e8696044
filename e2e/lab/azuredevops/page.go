package azuredevops

import "strconv"

// paged answers one page of a list, as $top and continuationToken (or $skip) ask for it. The token of the next page
// is its place in the list.
func paged[T, S any](c *call, all []T, size int, show func(T) S) (answer, error) {
	start, err := c.number(0, "continuationToken", "$skip")
	if err != nil {
		return answer{}, err
	}
	top, err := c.number(size, "$top")
	if err != nil {
		return answer{}, err
	}
	if top == 0 {
		top = size
	}
	start = min(start, len(all))
	end := min(start+top, len(all))
	shown := make([]S, 0, end-start)
	for _, v := range all[start:end] {
		shown = append(shown, show(v))
	}
	a := list(shown)
	if end < len(all) {
		a.next = strconv.Itoa(end)
	}
	return a, nil
}

// number gives the first of these query parameters that is set.
func (c *call) number(otherwise int, names ...string) (int, error) {
	for _, name := range names {
		v := c.query(name)
		if v == "" {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return 0, argument("The value '%s' is not valid for %s.", v, name)
		}
		return n, nil
	}
	return otherwise, nil
}
