package azuredevops

import (
	"github.com/google/uuid"
)

// location is one entry of the list by which the SDK turns location ids into routes. It dereferences the versions
// without a check, so all of them are set.
type location struct {
	ID              string `json:"id"`
	Area            string `json:"area"`
	ResourceName    string `json:"resourceName"`
	RouteTemplate   string `json:"routeTemplate"`
	ResourceVersion int    `json:"resourceVersion"`
	MinVersion      string `json:"minVersion"`
	MaxVersion      string `json:"maxVersion"`
	ReleasedVersion string `json:"releasedVersion"`
}

func at(id, area, resource, template string, version int) location {
	return location{id, area, resource, template, version, "1.0", "7.2", "7.1"}
}

// served are the locations that this server serves, with the ids of the published API.
var served = []location{
	at("e81700f7-3be2-46de-8624-2eb35882fcaa", "Location", "ResourceAreas", "_apis/{resource}/{areaId}", 1),
	at("00d9565f-ed9c-4a06-9a50-00e7896ccab4", "Location", "ConnectionData", "_apis/{resource}", 1),
	at("603fe2ac-9723-48b9-88ad-09305aa6c6e1", "core", "projects", "_apis/{resource}/{*projectId}", 4),
	at("14e48fdc-2c8b-41ce-a0c3-e26f6cc55bd0", "serviceendpoint", "endpoints", "_apis/{area}/{resource}/{endpointId}", 4),
	at("e85f1c62-adfc-4b74-b618-11a150fb195e", "serviceendpoint", "endpoints", "{project}/_apis/{area}/{resource}/{endpointId}", 4),
	at("10a16738-9299-4cd1-9a81-fd23ad6200d0", "serviceendpoint", "executionhistory", "{project}/_apis/{area}/{endpointId}/{resource}", 1),
	at("cc63bb57-2a5f-4a7a-b79c-c142d308657e", "serviceendpoint", "endpointproxy", "{project}/_apis/{area}/{resource}", 1),
	at("5a7938a4-655e-486c-b562-b78c54a7e87b", "serviceendpoint", "types", "_apis/{area}/{resource}", 1),
	at("dbeaf647-6167-421a-bda9-c9327b25e2e6", "build", "definitions", "{project}/_apis/{area}/{resource}/{definitionId}", 7),
	at("7c3df3a1-7e51-4150-8cf7-540347f8697f", "build", "yaml", "{project}/_apis/{area}/definitions/{definitionId}/{resource}", 1),
	at("f5b09dd5-9d54-45a1-8b5a-1c8287d634cc", "distributedtask", "variablegroups", "{project}/_apis/{area}/{resource}/{groupId}", 2),
	at("6c08ffbf-dbf1-4f9a-94e5-a1cbd47005e7", "distributedtask", "taskgroups", "{project}/_apis/{area}/{resource}/{taskGroupId}", 1),
	at("8572b1fc-2482-47fa-8f74-7e3ed53ee54b", "distributedtask", "environments", "{project}/_apis/{area}/{resource}/{environmentId}", 1),
	at("73fba52f-15ab-42b3-a538-ce67a9223a04", "distributedtask", "kubernetes", "{project}/_apis/{area}/environments/{environmentId}/providers/{resource}/{resourceId}", 1),
	at("adcfd8bc-b184-43ba-bd84-7c8c6a2ff421", "distributedtask", "securefiles", "{project}/_apis/{area}/{resource}/{secureFileId}", 1),
	at("a8c47e17-4d56-4a56-92bb-de7ea7dc65be", "distributedtask", "pools", "_apis/{area}/{resource}/{poolId}", 1),
	at("dd3c938f-835b-4971-b99a-db75a47aad43", "distributedtask", "elasticpools", "_apis/{area}/{resource}/{poolId}", 1),
	at("e298ef32-5878-4cab-993c-043836571f42", "distributedtask", "agents", "_apis/{area}/pools/{poolId}/{resource}/{agentId}", 1),
	at("d8f96f24-8ea7-4cb6-baab-2df8fc515665", "Release", "definitions", "{project}/_apis/{area}/{resource}/{definitionId}", 4),
	at("225f7195-f9c7-4d14-ab28-a83f7ff77e1f", "git", "repositories", "{project}/_apis/{area}/{resource}/{repositoryId}", 1),
	at("fb93c0db-47ed-4a31-8c20-47552878fb44", "git", "items", "{project}/_apis/{area}/repositories/{repositoryId}/{resource}/{*path}", 1),
	at("630fd2e4-fb88-4f85-ad21-13f3fd1fbca9", "git", "itemsBatch", "{project}/_apis/{area}/repositories/{repositoryId}/{resource}", 1),
	at("7b28e929-2c99-405d-9c5c-6167a06e6816", "git", "blobs", "{project}/_apis/{area}/repositories/{repositoryId}/{resource}/{sha1}", 1),
	at("2d874a60-a811-4f62-9c9f-963a6ea0a55b", "git", "refs", "{project}/_apis/{area}/repositories/{repositoryId}/{resource}", 1),
	at("ea98d07b-3c87-4971-8ede-a613694ffb55", "git", "pushes", "{project}/_apis/{area}/repositories/{repositoryId}/{resource}/{pushId}", 2),
	at("9946fd70-0d40-406e-b686-b4744cbbcc37", "git", "pullRequests", "{project}/_apis/{area}/repositories/{repositoryId}/{resource}/{pullRequestId}", 1),
	at("ab6e2e5d-a0b7-4153-b64a-a4efe0d49449", "git", "pullRequestThreads", "{project}/_apis/{area}/repositories/{repositoryId}/pullRequests/{pullRequestId}/threads/{threadId}", 1),
	at("b5f6bb4f-8d1e-4d79-8d11-4c9172c99c35", "git", "pullRequestStatuses", "{project}/_apis/{area}/repositories/{repositoryId}/pullRequests/{pullRequestId}/statuses/{statusId}", 1),
	at("c23ddff5-229c-4d04-a80b-0fdce9f360c8", "policy", "evaluations", "{project}/_apis/{area}/{resource}/{evaluationId}", 1),
	at("b5b9a4a4-e6cd-4096-853c-ab7d8b0c4eb2", "pipelinePermissions", "pipelinePermissions", "{project}/_apis/pipelines/{resource}/{resourceType}/{resourceId}", 1),
	at("86c8381e-5aee-4cde-8ae4-25c0c7f5eaea", "PipelinesChecks", "configurations", "{project}/_apis/pipelines/checks/{resource}/{id}", 1),
	at("9461c234-c84c-4ed2-b918-2f0f92ad0a35", "securityroles", "roleassignments", "_apis/{area}/scopes/{scopeId}/{resource}/resources/{resourceId}/{identityId}", 1),
	at("5f3d0e64-f943-4584-8811-77eb495e831e", "PipelinesChecks", "queryconfigurations", "{project}/_apis/pipelines/checks/{resource}", 1),
}

func (c *call) locations() (answer, error) { return list(served), nil }

// resourceAreas is empty, as on a server where all areas live on one host: then clients use their own base URL.
func (c *call) resourceAreas() (answer, error) { return list([]struct{}(nil)), nil }

func (c *call) connectionData() (answer, error) {
	user := map[string]any{
		"id":                  personID(c.token.Login),
		"providerDisplayName": c.token.Login,
		"isActive":            true,
		"isContainer":         false,
	}
	return ok(map[string]any{
		"authenticatedUser": user,
		"authorizedUser":    user,
		"instanceId":        c.org.ID,
		"deploymentType":    "hosted",
	}), nil
}

// personID makes a stable id for a user, who exists in the world only by name.
func personID(login string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("azuredevops:"+login)).String()
}

// identityRef names a person in an answer.
type identityRef struct {
	DisplayName string `json:"displayName"`
	ID          string `json:"id"`
	UniqueName  string `json:"uniqueName"`
}

func personRef(login string) *identityRef {
	if login == "" {
		login = "unknown"
	}
	return &identityRef{DisplayName: login, ID: personID(login), UniqueName: login}
}
