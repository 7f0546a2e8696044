package azuredevops

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // git names its objects so
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/google/uuid"

	sdk "github.com/microsoft/azure-devops-go-api/azuredevops/v7"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/migrate/scan"
)

// The routes that read many files of a repository at once (Azure DevOps Services REST API: Items - Get Items Batch; Blobs - Get Blobs Zip).
var (
	gitItemsBatch = uuid.MustParse("630fd2e4-fb88-4f85-ad21-13f3fd1fbca9")
	gitBlobs      = uuid.MustParse("7b28e929-2c99-405d-9c5c-6167a06e6816")
)

// batchFailures is how often reading many files at once may fail in a row before it is not tried any more.
const batchFailures = 3

// batchLeast is the number of files that are still asked for together after a question for more has failed.
const batchLeast = 3

// Files implements scan.AzurePipelines: one request for the files' object ids and one for their contents, whatever their number. What
// comes is taken only where git's hash of it is the one that was asked for, so that neither the names in the archive nor its order matter. What does not come is
// not in the result: it is to be read by itself.
func (c *Client) Files(ctx context.Context, repository scan.DevOpsRepository, branch string, paths []string) map[string][]byte {
	if c.batchesFailed.Load() >= batchFailures {
		return nil
	}
	files, err := c.files(ctx, repository, branch, paths)
	switch {
	case err == nil:
		c.batchesFailed.Store(0)
		return files
	case errors.Is(err, execute.ErrNotFound) && len(paths) >= 2*batchLeast:
		// One that is missing fails the question for all: the halves without it come.
		files = map[string][]byte{}
		maps.Copy(files, c.Files(ctx, repository, branch, paths[:len(paths)/2]))
		maps.Copy(files, c.Files(ctx, repository, branch, paths[len(paths)/2:]))
		return files
	case !errors.Is(err, execute.ErrNotFound):
		c.batchesFailed.Add(1)
	}
	return nil
}

func (c *Client) files(ctx context.Context, repository scan.DevOpsRepository, branch string, paths []string) (map[string][]byte, error) {
	byOID, err := c.objects(ctx, repository, branch, paths)
	if err != nil || len(byOID) == 0 {
		return nil, err
	}
	oids := make([]string, 0, len(byOID))
	for oid := range byOID {
		oids = append(oids, oid)
	}
	archive, err := c.blobs(ctx, repository, oids)
	if err != nil {
		return nil, err
	}
	found := make(map[string][]byte, len(paths))
	for _, f := range archive {
		content, err := unpack(f)
		if err != nil {
			return nil, err
		}
		for _, path := range byOID[blobOID(content)] {
			found[path] = content
		}
	}
	return found, nil
}

// objects gives the paths of the files that are there, by object id.
func (c *Client) objects(ctx context.Context, repository scan.DevOpsRepository, branch string, paths []string) (map[string][]string, error) {
	type descriptor struct {
		Path        string `json:"path"`
		Recursion   string `json:"recursionLevel"`
		Version     string `json:"version,omitempty"`
		VersionType string `json:"versionType,omitempty"`
	}
	var asked []descriptor
	for _, p := range paths {
		d := descriptor{Path: "/" + strings.TrimLeft(p, "/"), Recursion: "none"}
		if branch != "" {
			d.Version, d.VersionType = branch, "branch"
		}
		asked = append(asked, d)
	}
	body, err := json.Marshal(map[string]any{"itemDescriptors": asked})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Value [][]struct {
			OID  string `json:"objectId"`
			Type string `json:"gitObjectType"`
			Path string `json:"path"`
		} `json:"value"`
	}
	route := map[string]string{"project": string(repository.Project.ID), "repositoryId": repository.ID}
	if err := c.send(ctx, call{method: http.MethodPost, location: gitItemsBatch, version: preview, route: route, body: bytes.NewReader(body)}, &answer); err != nil {
		return nil, err
	}
	byOID := map[string][]string{}
	for i, items := range answer.Value {
		if i < len(paths) && len(items) == 1 && strings.EqualFold(items[0].Type, "blob") && strings.TrimLeft(items[0].Path, "/") == strings.TrimLeft(paths[i], "/") {
			byOID[items[0].OID] = append(byOID[items[0].OID], paths[i])
		}
	}
	return byOID, nil
}

// blobs gives the archive of these objects.
func (c *Client) blobs(ctx context.Context, repository scan.DevOpsRepository, oids []string) ([]*zip.File, error) {
	body, err := json.Marshal(oids)
	if err != nil {
		return nil, err
	}
	route := map[string]string{"project": string(repository.Project.ID), "repositoryId": repository.ID}
	response, err := c.endpoints.Client.Send(ctx, http.MethodPost, gitBlobs, preview, route, nil, bytes.NewReader(body), sdk.MediaTypeApplicationJson, "application/zip", nil)
	if err != nil {
		return nil, classify(err, false)
	}
	defer response.Body.Close()
	packed, err := io.ReadAll(response.Body) // the transport bounds it
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	archive, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	return archive.File, nil
}

// unpack gives a file of an archive that is not larger than a pipeline's file can be.
func unpack(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("it has more than %d bytes, which no pipeline has", maxFile)
	}
	return content, err
}

// blobOID is git's name of a file's content.
func blobOID(content []byte) string {
	h := sha1.New() //nolint:gosec // git names its objects so
	fmt.Fprintf(h, "blob %d\x00", len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}
