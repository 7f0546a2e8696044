package azuredevops

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/unsecret-dev/unsecret/e2e/lab/world"
)

// batchesAllowed refuses what reads many files at once, as the knob says.
func (c *call) batchesAllowed() error {
	if c.w.Knobs.NoGitBatches {
		return &apiError{http.StatusForbidden, "TF401027: You need the Git 'GenericRead' permission to perform this action.",
			"Microsoft.TeamFoundation.Git.Server.GitNeedsPermissionException, Microsoft.TeamFoundation.Git.Server", eventFramework}
	}
	return nil
}

// itemsBatch gives the items that a body names, each with what is below it as its recursion level asks. One that is missing fails the request.
func (c *call) itemsBatch() (answer, error) {
	r, err := c.repo()
	if err == nil {
		err = c.batchesAllowed()
	}
	if err != nil {
		return answer{}, err
	}
	var in struct {
		ItemDescriptors []struct{ Path, RecursionLevel, Version, VersionType string }
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return answer{}, argument("The body is not valid JSON.")
	}
	shown := [][]itemJSON{}
	for _, d := range in.ItemDescriptors {
		ref := ""
		if d.Version != "" {
			ref = "refs/heads/" + d.Version
		}
		commit := r.Git.Resolve(ref)
		if commit == "" {
			return answer{}, argument("The version %s could not be resolved.", d.Version)
		}
		entry, found := r.Git.AtPath(r.Git.Commits[commit].Tree, d.Path)
		if !found {
			return answer{}, notFound("Microsoft.TeamFoundation.Git.Server.GitItemNotFoundException, Microsoft.TeamFoundation.Git.Server",
				"TF401174: The item '%s' could not be found in the repository '%s' at the version specified by '<%s>'", d.Path, r.Git.Name, commit)
		}
		shown = append(shown, []itemJSON{c.item(r, commit, "/"+strings.Trim(d.Path, "/"), entry)})
	}
	return list(shown), nil
}

// blobsZip gives blobs in an archive. Its names are not documented; the lab's are none that a client could know.
func (c *call) blobsZip() (answer, error) {
	r, err := c.repo()
	if err == nil {
		err = c.batchesAllowed()
	}
	if err != nil {
		return answer{}, err
	}
	var oids []string
	if err := json.Unmarshal(c.body, &oids); err != nil {
		return answer{}, argument("The body is not valid JSON.")
	}
	packed, err := archive(r, oids)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, raw: packed}, nil
}

func archive(r *world.DevOpsRepo, oids []string) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, oid := range oids {
		content, there := r.Git.Blobs[oid]
		if !there {
			return nil, argument("The object %s does not exist.", oid)
		}
		f, err := w.Create(fmt.Sprintf("file-%d", i))
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
