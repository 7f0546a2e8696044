package github

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/migrate/scan"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// blobBatch is how many files one further query reads.
const blobBatch = 60

// localAction finds the steps that use an action of the same repository.
var localAction = lazy.Regexp(`(?m)\buses:\s*["']?\./([A-Za-z0-9._/-]+)`)

// actionRounds is how often actions that a file uses by their path are followed: what workflows use, what those
// actions use, and once more.
const actionRounds = 3

// prepare takes the files that came with the repository, and notes which others are wanted.
func (r *reading) prepare(c *Client) {
	r.content.Repository = c.repository(r.node)
	r.workflows()
	r.root("action.yml", r.node.ActionYml)
	r.root("action.yaml", r.node.ActionYaml)
	r.wanted = append(r.listed(), r.used()...)
}

// actions brings the wanted files of many repositories with as few queries as possible.
func (c *Client) actions(ctx context.Context, readings []*reading) error {
	for range actionRounds {
		var wanted []want
		for _, r := range readings {
			wanted = append(wanted, r.wanted...)
		}
		if err := c.fetch(ctx, wanted); err != nil {
			return err
		}
		for _, r := range readings {
			r.wanted = r.used()
		}
	}
	return nil
}

// want is one file that is still to be read.
type want struct {
	reading *reading
	path    string
	oid     string // empty: not known to exist
}

// workflows takes the workflow files. Those in sub-directories are no workflows
// (GitHub Docs: Workflow syntax, "you must store workflow files in the .github/workflows directory").
func (r *reading) workflows() {
	if r.node.Workflows == nil {
		return
	}
	for _, e := range r.node.Workflows.Entries {
		if e.Type != "blob" || !isYAML(e.Name) {
			continue
		}
		blob := blobNode{}
		if e.Object != nil {
			blob = e.Object.blobNode
		}
		blob.OID = e.OID
		r.add(".github/workflows/"+e.Name, blob)
	}
}

func isYAML(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".yml" || ext == ".yaml"
}

func (r *reading) root(name string, blob *blobNode) {
	r.have[name] = true
	if blob != nil && blob.Typename == "Blob" {
		r.add(name, *blob)
	}
}

// add takes a file; its text only where it is the blob's bytes for certain, which the blob's id proves.
func (r *reading) add(name string, blob blobNode) {
	r.have[name] = true
	f := scan.FileContent{Path: name, OID: blob.OID}
	if blob.Text != nil && blobID([]byte(*blob.Text)) == blob.OID {
		f.Content = []byte(*blob.Text)
	} else if blob.ByteSize == 0 && blob.OID == blobID(nil) {
		f.Content = []byte{}
	}
	r.content.Files = append(r.content.Files, f)
}

// blobID is the object id that git gives to a file's content.
func blobID(content []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

func isAction(name string) bool { return name == "action.yml" || name == "action.yaml" }

// listed gives the actions in .github/actions/NAME and one level below.
func (r *reading) listed() []want {
	var wanted []want
	var walk func(prefix string, entries []entryNode)
	walk = func(prefix string, entries []entryNode) {
		for _, e := range entries {
			name := prefix + "/" + e.Name
			switch {
			case e.Type == "tree" && e.Object != nil:
				walk(name, e.Object.Entries)
			case e.Type == "blob" && isAction(e.Name) && e.OID != "":
				r.have[name] = true
				wanted = append(wanted, want{reading: r, path: name, oid: e.OID})
			}
		}
	}
	if r.node.Actions != nil {
		walk(".github/actions", r.node.Actions.Entries)
	}
	return wanted
}

// used gives the actions that the files so far use by a path and that are not known yet.
func (r *reading) used() []want {
	var wanted []want
	for _, f := range r.content.Files {
		for _, match := range localAction().FindAllSubmatch(f.Content, -1) {
			dir := path.Clean(string(match[1]))
			if isYAML(dir) || strings.HasPrefix(dir, "..") {
				continue // a reusable workflow, or a path that leads out
			}
			for _, name := range []string{"action.yml", "action.yaml"} {
				full := path.Join(dir, name)
				if !r.have[full] {
					r.have[full] = true
					wanted = append(wanted, want{reading: r, path: full})
				}
			}
		}
	}
	return wanted
}

// fetch reads wanted files with one query for many. A text that cannot be trusted is left to settle.
func (c *Client) fetch(ctx context.Context, wanted []want) error {
	for some := range slices.Chunk(wanted, blobBatch) {
		if err := c.fetchBatch(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) fetchBatch(ctx context.Context, wanted []want) error {
	asked := ctx
	if len(wanted) > 1 {
		asked = transport.WithoutRepeat(ctx)
	}
	data := map[string]*struct {
		Object *blobNode `json:"object"`
	}{}
	err := c.graphql(asked, blobQuery(wanted), nil, &data)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && len(wanted) > 1 && !final(err) {
		half := len(wanted) / 2
		return errors.Join(c.fetchBatch(ctx, wanted[:half]), c.fetchBatch(ctx, wanted[half:]))
	}
	for i, w := range wanted {
		node := data[fmt.Sprintf("f%d", i)]
		switch {
		case err != nil:
			w.reading.content.Files = append(w.reading.content.Files, scan.FileContent{Path: w.path, OID: w.oid, Err: fmt.Errorf("github: reading %s: %w", w.path, err)})
		case node != nil && node.Object != nil && node.Object.Typename == "Blob":
			w.reading.add(w.path, *node.Object)
		case w.oid != "":
			w.reading.add(w.path, blobNode{OID: w.oid})
		}
	}
	return nil
}

// blobQuery asks for each file under an alias of its own.
func blobQuery(wanted []want) string {
	var b strings.Builder
	b.WriteString("query {\n")
	for i, w := range wanted {
		by := "expression: " + quote("HEAD:"+w.path)
		if w.oid != "" {
			by = "oid: " + quote(w.oid)
		}
		fmt.Fprintf(&b, "  f%d: node(id: %s) { ... on Repository { object(%s) { __typename oid ... on Blob { byteSize isBinary isTruncated text } } } }\n",
			i, quote(w.reading.content.Ref.NodeID), by)
	}
	b.WriteString("}")
	return b.String()
}

// quote writes a string as GraphQL does, which is how JSON does.
func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string always marshals
	return string(quoted)
}

// settle fetches by its id every file whose text could not be trusted, and puts the repository's files in order.
func (c *Client) settle(ctx context.Context, r *reading) error {
	files := r.content.Files
	for i := range files {
		if files[i].Content != nil || files[i].Err != nil {
			continue
		}
		content, err := c.Blob(ctx, r.content.Repository.Name, files[i].OID)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if content == nil && err == nil {
			content = []byte{}
		}
		files[i].Content, files[i].Err = content, err
	}
	slices.SortFunc(files, func(a, b scan.FileContent) int { return strings.Compare(a.Path, b.Path) })
	r.content.Files = files
	for _, f := range files {
		if f.Err == nil {
			r.content.Repository.Files = append(r.content.Repository.Files, inventory.File{Path: f.Path, OID: f.OID, Size: len(f.Content)})
		}
	}
	r.node = nil
	return nil
}
