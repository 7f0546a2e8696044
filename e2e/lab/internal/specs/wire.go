package specs

import (
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
)

// Service says whose habits Wire adapts a document to.
type Service int

// The services whose descriptions differ from what they send.
const (
	AzureDevOps Service = iota + 1
	ARM
)

// Wire adapts an Azure DevOps or ARM document to what the services send: both use a bare {"type":"object"} for
// "any JSON", and Azure DevOps wraps the lists that it declares as arrays into {"count":n,"value":[…]} and answers
// some POSTs with 201 where 200 is declared.
func Wire(d *openapi3.T, service Service) {
	r := relaxer{}
	for name, s := range d.Components.Schemas {
		if service == AzureDevOps {
			patchSchema(name, s.Value)
		}
		r.relax(s)
	}
	if service != AzureDevOps {
		return
	}
	for _, item := range d.Paths.Map() {
		for method, op := range item.Operations() {
			wireOperation(method, op)
		}
	}
}

func patchSchema(name string, s *openapi3.Schema) {
	switch name {
	case "JObject", "JToken": // Newtonsoft tokens: any JSON
		*s = openapi3.Schema{}
	case "Change": // item is declared string and sent as an object
		s.Properties["item"] = anyJSON()
	}
}

func wireOperation(method string, op *openapi3.Operation) {
	ok := op.Responses.Value("200")
	if ok == nil {
		return
	}
	if op.Extensions["x-response-oneOf"] != nil { // one object or a list of them
		ok.Value.Content = openapi3.NewContentWithJSONSchemaRef(anyJSON())
	}
	for _, mt := range ok.Value.Content {
		if s := mt.Schema; s != nil && s.Value.Type.Is("array") {
			mt.Schema = wrapped(s)
		}
	}
	if method == http.MethodPost && op.Responses.Value("201") == nil {
		op.Responses.Set("201", ok)
	}
}

func wrapped(list *openapi3.SchemaRef) *openapi3.SchemaRef {
	return openapi3.NewSchemaRef("", openapi3.NewObjectSchema().
		WithProperty("count", openapi3.NewIntegerSchema()).
		WithPropertyRef("value", list).
		WithRequired([]string{"value"}))
}

func anyJSON() *openapi3.SchemaRef { return openapi3.NewSchemaRef("", &openapi3.Schema{}) }

// relaxer opens every bare object schema once; schemas refer to each other in cycles.
type relaxer map[*openapi3.Schema]bool

func (seen relaxer) relax(r *openapi3.SchemaRef) {
	if r == nil || r.Value == nil || seen[r.Value] {
		return
	}
	s := r.Value
	seen[s] = true
	if s.Type.Is("object") && len(s.Properties)+len(s.AllOf) == 0 && s.AdditionalProperties.Schema == nil {
		s.Type = nil
	}
	for _, p := range s.Properties {
		seen.relax(p)
	}
	for _, p := range s.AllOf {
		seen.relax(p)
	}
	seen.relax(s.Items)
	seen.relax(s.AdditionalProperties.Schema)
}
