package azure

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/unsecret-dev/unsecret/migrate/doctor"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

var _ doctor.Prober = (*Client)(nil)

// nobody is the object id of no service principal.
const nobody inventory.ObjectID = "00000000-0000-0000-0000-000000000000"

// Probe implements doctor.Prober: which subscriptions are seen, and whether Resource Graph answers.
func (c *Client) Probe(ctx context.Context) doctor.Source {
	s := doctor.Source{Kind: inventory.SourceAzure, Name: "Azure Resource Manager", URL: c.url}
	reply := transport.Ask(ctx, c.http, c.url+"/subscriptions?api-version=2022-12-01", nil)
	s.Skew = reply.Skew
	answer := reply.Answer(doctor.CheckSubscriptions, "subscriptions")
	var list struct {
		Value []struct{} `json:"value"`
	}
	if reply.Decode(&list) {
		answer.Facts[doctor.FactSeen] = strconv.Itoa(len(list.Value))
	}
	s.Answers = append(s.Answers, answer)
	if reply.Err != nil && reply.Status == 0 {
		return s
	}
	body, err := json.Marshal(map[string]any{"query": query([]inventory.ObjectID{nobody}), "options": map[string]any{"$top": 1}})
	if err != nil {
		return s // two strings and a number are always JSON
	}
	graph := transport.Ask(ctx, c.http, c.url+"/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01", body)
	s.Answers = append(s.Answers, graph.Answer(doctor.CheckResourceGraph, "role assignments through Resource Graph"))
	return s
}
