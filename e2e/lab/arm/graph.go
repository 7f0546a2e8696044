package arm

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// maxRows is how many rows a page has at most, and unless the caller asks for fewer (Microsoft Learn: Work with large
// Azure resource data sets).
const maxRows = 1000

type queryInput struct {
	Query         string   `json:"query"`
	Subscriptions []string `json:"subscriptions"`
	Options       struct {
		Top                      *int   `json:"$top"`
		Skip                     int    `json:"$skip"`
		SkipToken                string `json:"$skipToken"`
		ResultFormat             string `json:"resultFormat"`
		AuthorizationScopeFilter string `json:"authorizationScopeFilter"`
	} `json:"options"`
}

type queryResult struct {
	TotalRecords    int    `json:"totalRecords"`
	Count           int    `json:"count"`
	ResultTruncated string `json:"resultTruncated"`
	SkipToken       string `json:"$skipToken,omitempty"`
	Data            any    `json:"data"`
	Facets          []any  `json:"facets"`
}

// row is one role assignment in the columns that the query about principals projects.
type row struct {
	PID       string    `json:"pid"`
	RoleName  string    `json:"roleName"`
	Scope     string    `json:"scope"`
	ID        string    `json:"id"`
	CreatedOn time.Time `json:"createdOn"`
	RD        string    `json:"rd"`

	Condition        string `json:"condition"`
	ConditionVersion string `json:"conditionVersion"`
}

var (
	principalList = lazy.Regexp(`(?i)\bpid\s+in~?\s*\(([^)]*)\)`)
	quoted        = lazy.Regexp(`'([^']*)'|"([^"]*)"`)
)

// resources answers a Resource Graph query. It does not understand the language: it serves the one question about
// role assignments, and takes the principals from its "pid in~ ('…', …)".
func (c *call) resources() answer {
	var in queryInput
	if err := json.Unmarshal(c.body, &in); err != nil {
		return refuseQuery("InvalidRequestContent", "The request content was invalid and could not be deserialized: "+err.Error())
	}
	if data, other := c.otherQuery(in.Query); other {
		if !c.token.May("Reader") {
			data = []any{}
		}
		return ok(queryResult{TotalRecords: len(data), Count: len(data), ResultTruncated: "false", Facets: []any{}, Data: data})
	}
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(in.Query)), "authorizationresources") {
		return refuseQuery("InvalidQuery", "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error before retrying.")
	}
	start, problem := startOf(in)
	if problem != "" {
		return refuseQuery("InvalidSkipToken", problem)
	}
	rows := c.rows(in)
	start = min(start, len(rows))
	end := min(start+pageSize(in), len(rows))
	result := queryResult{TotalRecords: len(rows), Count: end - start, ResultTruncated: "false", Facets: []any{}}
	if end < len(rows) {
		result.SkipToken = skipToken(in.Query, end)
	}
	result.Data = format(rows[start:end], in.Options.ResultFormat)
	a := ok(result)
	// The service's quota is 15 queries in 5 seconds for each user.
	a.header = http.Header{"X-Ms-User-Quota-Remaining": {"14"}, "X-Ms-User-Quota-Resets-After": {"00:00:05"}}
	return a
}

func (c *call) rows(in queryInput) []row {
	wanted, filtered := principals(in.Query)
	rows := []row{}
	for _, r := range c.w.Roles {
		if !c.token.May("Reader") || filtered && !slices.Contains(wanted, strings.ToLower(r.PrincipalID)) || !inScope(in, r) {
			continue
		}
		rows = append(rows, row{r.PrincipalID, r.Role, r.Scope, assignmentID(r), r.Created.UTC(), strings.ToLower(definitionID(r)), r.Condition, r.ConditionVersion})
	}
	return rows
}

// principals are the ids, in lower case, that the query asks for; not filtered means all.
func principals(query string) (ids []string, filtered bool) {
	m := principalList().FindStringSubmatch(query)
	if m == nil {
		return nil, false
	}
	for _, q := range quoted().FindAllStringSubmatch(m[1], -1) {
		ids = append(ids, strings.ToLower(q[1]+q[2]))
	}
	return ids, true
}

// inScope is whether the assignment is in the subscriptions asked for. What is inherited from above them is only
// answered with a scope filter that says so.
func inScope(in queryInput, r *world.RoleAssignment) bool {
	sub := subscriptionOf(r.Scope)
	if sub == "" {
		return strings.Contains(strings.ToLower(in.Options.AuthorizationScopeFilter), "above")
	}
	return len(in.Subscriptions) == 0 || slices.ContainsFunc(in.Subscriptions, func(id string) bool {
		return strings.EqualFold(sub, "/subscriptions/"+id)
	})
}

func pageSize(in queryInput) int {
	if in.Options.Top == nil || *in.Options.Top <= 0 || *in.Options.Top > maxRows {
		return maxRows
	}
	return *in.Options.Top
}

// startOf is where the page begins. A skip token is good only for the query that gave it.
func startOf(in queryInput) (start int, problem string) {
	if in.Options.SkipToken == "" {
		return max(in.Options.Skip, 0), ""
	}
	b, err := base64.StdEncoding.DecodeString(in.Options.SkipToken)
	if err != nil {
		return 0, "The skip token is not valid."
	}
	of, position, _ := strings.Cut(string(b), ":")
	start, err = strconv.Atoi(position)
	if err != nil || start < 0 || of != fingerprint(in.Query) {
		return 0, "The skip token does not belong to this query."
	}
	return start, ""
}

func skipToken(query string, start int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%d", fingerprint(query), start))
}

func fingerprint(query string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(query)))[:16] }

type column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// format gives rows as objects, or as the older table of columns and cells.
func format(rows []row, as string) any {
	if as != "table" {
		return rows
	}
	cells := make([][]any, len(rows))
	for i, r := range rows {
		cells[i] = []any{r.PID, r.RoleName, r.Scope, r.ID, r.CreatedOn, r.RD, r.Condition, r.ConditionVersion}
	}
	return map[string]any{"rows": cells, "columns": []column{{"pid", "string"}, {"roleName", "string"},
		{"scope", "string"}, {"id", "string"}, {"createdOn", "datetime"}, {"rd", "string"}, {"condition", "string"}, {"conditionVersion", "string"}}}
}

// refuseQuery is how Resource Graph says no: the reason is a detail.
func refuseQuery(code, message string) answer {
	return answer{status: http.StatusBadRequest, body: map[string]armError{"error": {
		Code: "BadRequest", Message: "Please provide below info when asking for support.", Details: []detail{{code, message}}}}}
}
