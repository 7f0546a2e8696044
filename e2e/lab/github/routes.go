package github

// routes lists every operation that is served. Anything else is "Not Found", as on the service.
func (s *server) routes() {
	s.handle("/", func(*call) answer { return notFound })
	s.mux.HandleFunc("POST /graphql", s.graphql)
	s.mux.HandleFunc("POST /api/graphql", s.graphql)
	s.mux.HandleFunc("POST /app/installations/{installation}/access_tokens", s.installationToken)
	s.handle("GET /rate_limit", rateLimit)
	s.handle("GET /user", user)
	s.handle("GET /user/repos", ownRepos)
	s.handle("GET /users/{user}/repos", userRepos)

	s.onOrg("GET", "/repos", orgRepos)
	s.onOrg("GET", "/actions/permissions/workflow", orgPermissions)
	s.onOrg("PUT", "/actions/permissions/workflow", setOrgPermissions)
	s.onOrg("GET", "/actions/oidc/customization/sub", orgSubject)
	s.onOrg("PUT", "/actions/oidc/customization/sub", setOrgSubject)

	s.onRepo("GET", "", getRepo)
	s.gitRoutes()
	s.pullRoutes()
	s.storeRoutes()

	s.onRepo("GET", "/environments", environments)
	s.onRepo("GET", "/environments/{env}", environment)
	s.onRepo("PUT", "/environments/{env}", putEnvironment)
	s.onRepo("DELETE", "/environments/{env}", deleteEnvironment)
	s.onRepo("GET", "/actions/permissions/workflow", repoPermissions)
	s.onRepo("PUT", "/actions/permissions/workflow", setRepoPermissions)
	s.onRepo("GET", "/actions/oidc/customization/sub", repoSubject)
	s.onRepo("PUT", "/actions/oidc/customization/sub", setRepoSubject)
	s.onRepo("GET", "/actions/runs", runs)
	s.onRepo("GET", "/actions/runs/{run}", run)
	s.onRepo("GET", "/actions/runs/{run}/jobs", runJobs)
	s.onRepo("POST", "/actions/runs/{run}/cancel", cancelRun)
	s.onRepo("DELETE", "/actions/runs/{run}", deleteRun)
	s.onRepo("GET", "/actions/jobs/{job}/logs", jobLog)
	s.mux.HandleFunc("GET /_logs/{owner}/{repo}/{job}", s.logText)
	s.onRepo("GET", "/actions/workflows", workflows)
	s.onRepo("GET", "/actions/workflows/{workflow}", workflow)
	s.onRepo("GET", "/actions/workflows/{workflow}/runs", runs)
	s.onRepo("POST", "/actions/workflows/{workflow}/dispatches", dispatch)
}

func (s *server) gitRoutes() {
	s.onRepo("GET", "/git/ref/{ref...}", getRef)
	s.onRepo("GET", "/git/matching-refs/{ref...}", matchingRefs)
	s.onRepo("POST", "/git/refs", createRef)
	s.onRepo("PATCH", "/git/refs/{ref...}", updateRef)
	s.onRepo("DELETE", "/git/refs/{ref...}", deleteRef)
	s.onRepo("GET", "/git/blobs/{sha}", getBlob)
	s.onRepo("GET", "/git/trees/{sha...}", getTree)
	s.onRepo("POST", "/git/trees", createTree)
	s.onRepo("GET", "/git/commits/{sha}", getCommit)
	s.onRepo("POST", "/git/commits", createCommit)
	s.onRepo("GET", "/contents/{path...}", getContents)
	s.onRepo("GET", "/commits/{ref}/check-runs", checkRuns)
	s.onRepo("GET", "/check-runs/{check}/annotations", annotations)
	s.onRepo("GET", "/commits/{ref}/status", combinedStatus)
	s.onRepo("GET", "/branches", branches)
	s.onRepo("GET", "/branches/{branch...}", branch)
	s.onRepo("GET", "/rules/branches/{branch...}", branchRules)
}

func (s *server) pullRoutes() {
	s.onRepo("GET", "/pulls", pulls)
	s.onRepo("POST", "/pulls", createPull)
	s.onRepo("GET", "/pulls/{number}", onPull(getPull))
	s.onRepo("PATCH", "/pulls/{number}", onPull(updatePull))
	s.onRepo("GET", "/pulls/{number}/merge", onPull(isMerged))
	s.onRepo("PUT", "/pulls/{number}/merge", onPull(mergePull))
	s.onRepo("PUT", "/pulls/{number}/update-branch", onPull(updateBranch))
	s.onRepo("GET", "/issues/{number}/comments", onPull(comments))
	s.onRepo("POST", "/issues/{number}/comments", onPull(comment))
}

// onRepo registers an operation under /repos/{owner}/{repo} and under /repositories/{id}: clients that know
// only the id, such as go-github for environments, use the second.
func (s *server) onRepo(method, path string, h handler) {
	s.handle(method+" /repos/{owner}/{repo}"+path, onRepo(h))
	s.handle(method+" /repositories/{id}"+path, onRepo(h))
}

// onOrg registers an operation under /orgs/{org}.
func (s *server) onOrg(method, path string, h handler) {
	s.handle(method+" /orgs/{org}"+path, onOrg(h))
}

// storeRoutes registers the secret and variable stores of repositories, environments and organisations.
func (s *server) storeRoutes() {
	s.onRepo("GET", "/actions/organization-secrets", inheritedSecrets)
	s.onRepo("GET", "/actions/organization-variables", inheritedVariables)
	s.secretStore(s.onRepo, "/actions/secrets", repoStore)
	s.secretStore(s.onRepo, "/dependabot/secrets", dependabotStore)
	s.secretStore(s.onRepo, "/environments/{env}/secrets", environmentStore)
	s.secretStore(s.onOrg, "/actions/secrets", orgStore)
	s.secretStore(s.onOrg, "/dependabot/secrets", orgDependabotStore)
	s.variableStore(s.onRepo, "/actions/variables", repoStore)
	s.variableStore(s.onRepo, "/environments/{env}/variables", environmentStore)
	s.variableStore(s.onOrg, "/actions/variables", orgStore)
}

// register is onRepo or onOrg.
type register func(method, path string, h handler)

func (s *server) secretStore(on register, path string, find storeFinder) {
	on("GET", path, onStore(find, listSecrets))
	on("GET", path+"/public-key", onStore(find, publicKey))
	on("GET", path+"/{name}", onStore(find, getSecret))
	on("PUT", path+"/{name}", onStore(find, putSecret))
	on("DELETE", path+"/{name}", onStore(find, deleteSecret))
	on("GET", path+"/{name}/repositories", onStore(find, secretRepositories))
	on("PUT", path+"/{name}/repositories", onStore(find, setSecretRepositories))
}

func (s *server) variableStore(on register, path string, find storeFinder) {
	on("GET", path, onStore(find, listVariables))
	on("POST", path, onStore(find, createVariable))
	on("GET", path+"/{name}", onStore(find, getVariable))
	on("PATCH", path+"/{name}", onStore(find, updateVariable))
	on("DELETE", path+"/{name}", onStore(find, deleteVariable))
	on("GET", path+"/{name}/repositories", onStore(find, variableRepositories))
}
