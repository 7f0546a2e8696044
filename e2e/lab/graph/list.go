package graph

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// A page has 100 objects unless $top asks for another number, up to 999 (Microsoft Graph, "List applications").
const (
	defaultPage = 100
	maxPage     = 999
)

// listing is one collection: its objects in their stable order, each known by its id.
type listing struct {
	context    string
	resource   string // the type's name in messages
	properties []string
	filterable []string
	maxPage    int
	ids        []string
	render     func(id string) object
	expand     map[string]func(id string) []any // relations that $expand can name
}

// list answers a collection with $filter, $select, $top, $skiptoken and $count.
// byAppID is a filter on client ids alone, which a large tenant is asked with again and again.
var byAppID = lazy.Regexp(`^appId (?:eq '[^']*'|in ?\((?:'[^']*'(?:, ?)?)+\))$`)

// candidates tells which applications can be in an answer, so that not every one is rendered for a filter that names a few. The
// filter itself decides.
func (c *call) candidates() func(*world.App) bool {
	filter := c.r.URL.Query().Get("$filter")
	if !byAppID().MatchString(filter) {
		return func(*world.App) bool { return true }
	}
	filter = strings.ToLower(filter)
	return func(app *world.App) bool { return strings.Contains(filter, strings.ToLower(app.AppID)) }
}

func (c *call) list(l listing) (any, *refusal) {
	query := c.r.URL.Query()
	filter, e := c.filter(l.resource, l.filterable)
	if e != nil {
		return nil, e
	}
	selected, e := c.selection(l.resource, l.properties)
	if e != nil {
		return nil, e
	}
	top, e := pageSize(query.Get("$top"), l.maxPage)
	if e != nil {
		return nil, e
	}
	from, e := l.position(query.Get("$skiptoken"))
	if e != nil {
		return nil, e
	}
	relation, e := c.expansion(l)
	if e != nil {
		return nil, e
	}
	answer := object{"@odata.context": c.context(l.context)}
	values, next := []any{}, ""
	for _, id := range l.ids[from:] {
		o := l.render(id)
		if !filter.match(o) {
			continue
		}
		if len(values) == top {
			answer["@odata.nextLink"] = c.nextLink(next)
			break
		}
		shown := pick(o, selected)
		if related := l.expand[relation]; related != nil {
			list := related(id)
			shown[relation] = list[:min(len(list), maxExpanded)]
		}
		values, next = append(values, shown), id
	}
	if query.Get("$count") == "true" {
		answer["@odata.count"] = l.count(filter)
	}
	answer["value"] = values
	return answer, nil
}

// maxExpanded is how many related objects $expand gives, without a link to more (Microsoft Graph, "Known issues").
const maxExpanded = 20

// expansion reads $expand, which takes one relation.
func (c *call) expansion(l listing) (string, *refusal) {
	text := c.r.URL.Query().Get("$expand")
	switch {
	case text == "" || c.world.Knobs.Expand == "ignore":
		return "", nil
	case c.world.Knobs.Expand == "refuse":
		return "", badRequest("The query specified in the URI is not valid. The property '%s' cannot be used in the $expand query option.", text)
	case l.expand[text] == nil:
		return "", refuse(http.StatusBadRequest, "BadRequest", "Parsing OData Select and Expand failed: Could not find a property named '%s' on type 'microsoft.graph.%s'.", text, l.resource)
	}
	return text, nil
}

func (l listing) count(filter *predicate) int {
	n := 0
	for _, id := range l.ids {
		if filter.match(l.render(id)) {
			n++
		}
	}
	return n
}

// position finds where a page starts: after the object that the token names.
func (l listing) position(token string) (int, *refusal) {
	if token == "" {
		return 0, nil
	}
	id, err := hex.DecodeString(token)
	i := slices.Index(l.ids, string(id))
	if err != nil || i < 0 {
		return 0, refuse(http.StatusBadRequest, "Directory_ExpiredPageToken", "The specified page token value has expired and cannot be included in your request.")
	}
	return i + 1, nil
}

func (c *call) nextLink(last string) string {
	query := url.Values{}
	for name, v := range c.r.URL.Query() {
		query[name] = v
	}
	query.Set("$skiptoken", hex.EncodeToString([]byte(last)))
	path := strings.TrimPrefix(c.r.URL.Path, "/"+c.r.PathValue("version"))
	return c.root() + path + "?" + query.Encode()
}

func pageSize(text string, limit int) (int, *refusal) {
	if text == "" {
		return min(defaultPage, limit), nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, refuse(http.StatusBadRequest, "BadRequest", "Invalid value '%s' for $top query option found. The $top query option requires a non-negative integer value.", text)
	}
	if n > limit {
		return 0, badRequest("Invalid page size specified: '%d'. Must be between 1 and %d inclusive.", n, limit)
	}
	return n, nil
}

// selection reads $select. Nil means everything.
func (c *call) selection(resource string, properties []string) ([]string, *refusal) {
	text := c.r.URL.Query().Get("$select")
	if text == "" {
		return nil, nil
	}
	var names []string
	for _, name := range strings.Split(text, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(properties, name) {
			return nil, refuse(http.StatusBadRequest, "BadRequest",
				"Parsing OData Select and Expand failed: Could not find a property named '%s' on type 'microsoft.graph.%s'.", name, resource)
		}
		names = append(names, name)
	}
	return names, nil
}

func pick(o object, names []string) object {
	if names == nil {
		return o
	}
	picked := object{}
	for _, name := range names {
		picked[name] = o[name]
	}
	return picked
}

// single answers one object with $select.
func (c *call) single(resource, context string, o object) (any, *refusal) {
	selected, e := c.selection(resource, names(o))
	if e != nil {
		return nil, e
	}
	picked := pick(o, selected)
	if selected != nil {
		context = fmt.Sprintf("%s(%s)", context, strings.Join(selected, ","))
	}
	picked["@odata.context"] = c.context(context + "/$entity")
	return picked, nil
}

func names(o object) []string {
	all := make([]string, 0, len(o))
	for name := range o {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// emptyOf answers a collection that the lab has no members of.
func emptyOf(context string) operation {
	return func(c *call) (any, *refusal) {
		return object{"@odata.context": c.context(context), "value": []any{}}, nil
	}
}
