package azuredevops

import (
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// historyPage is how many records a page has unless the caller says otherwise.
const historyPage = 50

type recordJSON struct {
	EndpointID string        `json:"endpointId"`
	Data       executionJSON `json:"data"`
}

type executionJSON struct {
	ID         int       `json:"id"`
	PlanType   string    `json:"planType"`
	Definition ownerJSON `json:"definition"`
	Owner      ownerJSON `json:"owner"`
	StartTime  time.Time `json:"startTime"`
	FinishTime time.Time `json:"finishTime"`
	Result     string    `json:"result"`
}

type ownerJSON struct {
	Links linksJSON `json:"_links"`
	ID    int       `json:"id"`
	Name  string    `json:"name"`
}

type linksJSON struct {
	Web  hrefJSON `json:"web"`
	Self hrefJSON `json:"self"`
}

type hrefJSON struct {
	Href string `json:"href"`
}

// listHistory lists the uses of a connection in this project, newest first. The continuation token is the id of the
// first record of the next page; 0 begins, as in the published example.
func (c *call) listHistory() (answer, error) {
	conn := c.find(c.vars["id"])
	if conn == nil || refIn(conn, c.project.ID) == nil {
		return answer{}, notFound(typeNameOfMissing, "Service connection with id %s does not exist, or you do not have access to it.", c.vars["id"])
	}
	top, err := c.number(historyPage, "top", "$top")
	if err != nil {
		return answer{}, err
	}
	from, err := c.number(0, "continuationToken")
	if err != nil {
		return answer{}, err
	}
	if top == 0 {
		top = historyPage
	}
	uses := usesIn(conn, c.project.ID, from)
	next := ""
	if len(uses) > top {
		next = strconv.Itoa(uses[top].ID)
		uses = uses[:top]
	}
	records := make([]recordJSON, len(uses))
	for i, e := range uses {
		records[i] = c.record(conn, e)
	}
	a := list(records)
	a.next = next
	return a, nil
}

func usesIn(conn *world.Connection, projectID string, from int) []*world.Execution {
	var uses []*world.Execution
	for _, e := range conn.History {
		if strings.EqualFold(e.ProjectID, projectID) && (from == 0 || e.ID <= from) {
			uses = append(uses, e)
		}
	}
	sort.SliceStable(uses, func(i, j int) bool { return uses[i].ID > uses[j].ID })
	return uses
}

func (c *call) record(conn *world.Connection, e *world.Execution) recordJSON {
	definition, run := "build/Definitions", "build/Builds"
	if e.PlanType == "Release" {
		definition, run = "Release/definitions", "Release/releases"
	}
	return recordJSON{conn.ID, executionJSON{
		ID: e.ID, PlanType: e.PlanType, Result: e.Result, StartTime: e.Start.UTC(), FinishTime: e.Finish.UTC(),
		Definition: ownerJSON{c.links(e, definition, e.DefinitionID), e.DefinitionID, e.DefinitionName},
		Owner:      ownerJSON{c.links(e, run, e.ID), e.ID, strconv.Itoa(e.ID)},
	}}
}

func (c *call) links(e *world.Execution, kind string, id int) linksJSON {
	base := c.w.Endpoints.AzureDevOps + "/" + url.PathEscape(c.org.Name)
	return linksJSON{
		Web:  hrefJSON{fmt.Sprintf("%s/_permalink/_build/index?collectionId=%s&projectId=%s&id=%d", base, c.org.ID, e.ProjectID, id)},
		Self: hrefJSON{fmt.Sprintf("%s/%s/_apis/%s/%d", base, e.ProjectID, kind, id)},
	}
}
