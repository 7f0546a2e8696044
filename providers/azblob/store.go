package azblob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/appendblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// Scope is what a token for Azure Storage is asked for, in every cloud
// (Microsoft Learn: Authorize with Microsoft Entra ID, "https://storage.azure.com/").
const Scope = "https://storage.azure.com/.default"

// maxBlocks is how many appends a blob takes before the journal goes on in the next: Azure's limit is 50,000
// (Microsoft Learn: Append Block).
const maxBlocks = 49_000

// Config is what a Store needs.
type Config struct {
	Address Address
	URL     string       // the account's blob endpoint, as Address.URL gives it
	HTTP    *http.Client // from package transport with XML set: it authenticates, paces and repeats
}

// Store is a state in Azure Blob Storage. It implements execute.Store.
type Store struct {
	address   Address
	base      string
	options   policy.ClientOptions
	maxBlocks int
	leaseTime time.Duration
}

var _ execute.Store = (*Store)(nil)

// New makes a Store. It sends nothing.
func New(c Config) (*Store, error) {
	if c.HTTP == nil {
		return nil, errors.New("azblob: an HTTP client is needed")
	}
	options := policy.ClientOptions{
		Transport: c.HTTP,
		Retry:     policy.RetryOptions{MaxRetries: -1}, // the transport repeats
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}
	return &Store{address: c.Address, base: strings.TrimRight(c.URL, "/"), options: options, maxBlocks: maxBlocks, leaseTime: execute.LeaseTime}, nil
}

// Place implements execute.Store.
func (s *Store) Place(name string) string {
	return "azblob://" + path.Join(s.address.String()[len("azblob://"):], name)
}

// url gives a blob's address. The names are checked by ParseAddress, or constants, so nothing is to be escaped but what the
// prefix may hold.
func (s *Store) url(name string) string {
	return s.base + "/" + s.address.Container + "/" + strings.ReplaceAll(path.Join(s.address.Prefix, name), "+", "%2B")
}

func (s *Store) blob(name string) (*blob.Client, error) {
	return blob.NewClientWithNoCredential(s.url(name), &blob.ClientOptions{ClientOptions: s.options})
}

func (s *Store) block(name string) (*blockblob.Client, error) {
	return blockblob.NewClientWithNoCredential(s.url(name), &blockblob.ClientOptions{ClientOptions: s.options})
}

func (s *Store) append(name string) (*appendblob.Client, error) {
	return appendblob.NewClientWithNoCredential(s.url(name), &appendblob.ClientOptions{ClientOptions: s.options})
}

// Load implements execute.Store. The version is the blob's ETag.
func (s *Store) Load(ctx context.Context, name string) ([]byte, execute.Version, error) {
	c, err := s.blob(name)
	if err != nil {
		return nil, "", err
	}
	r, err := c.DownloadStream(ctx, nil)
	if err != nil {
		return nil, "", s.failed("read", name, err)
	}
	content, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return nil, "", s.failed("read", name, err)
	}
	if r.ETag == nil {
		return nil, "", fmt.Errorf("read %s: the answer has no ETag, so it could not be replaced safely", s.Place(name))
	}
	return content, execute.Version(*r.ETag), nil
}

// Save implements execute.Store. After a lost answer it looks whether the content is there.
func (s *Store) Save(ctx context.Context, name string, content []byte, at execute.Version) (execute.Version, error) {
	c, err := s.block(name)
	if err != nil {
		return "", err
	}
	r, err := c.Upload(transport.WithIdempotent(ctx), streaming.NopCloser(bytes.NewReader(content)),
		&blockblob.UploadOptions{AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: onlyAt(at)}})
	if err == nil && r.ETag != nil {
		return execute.Version(*r.ETag), nil
	}
	if err != nil {
		err = s.failed("write", name, err)
	}
	if err == nil || errors.Is(err, execute.ErrConflict) || errors.Is(err, execute.ErrUnknownOutcome) {
		there, version, readErr := s.Load(ctx, name)
		if readErr == nil && bytes.Equal(there, content) {
			return version, nil
		}
	}
	return "", err
}

func onlyAt(at execute.Version) *blob.ModifiedAccessConditions {
	switch at {
	case execute.AnyVersion:
		return nil
	case execute.NoVersion:
		return &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}
	}
	return &blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(at))}
}

// segment names a part of the journal. The first has the name that the journal has in a directory as well.
func segment(n int) string {
	if n == 1 {
		return execute.JournalFile
	}
	return fmt.Sprintf("journal-%05d.jsonl", n)
}

// ReadJournal implements execute.Store.
func (s *Store) ReadJournal(ctx context.Context) ([]byte, error) {
	content, _, err := s.readSegments(ctx)
	return content, err
}

// readSegments reads the whole journal, and gives the lengths of its segments. Where one is missing the others are read all the same: the chain
// breaks there, so that nothing is written any more, and what is missing is not taken for the journal's end.
func (s *Store) readSegments(ctx context.Context) (content []byte, sizes []int64, err error) {
	for n := 1; ; n++ {
		part, _, err := s.Load(ctx, segment(n))
		if errors.Is(err, fs.ErrNotExist) {
			later, err := s.later(ctx, n)
			for _, name := range later {
				if part, _, err = s.Load(ctx, name); err != nil {
					break
				}
				content = append(content, part...)
			}
			return content, sizes, err
		}
		if err != nil {
			return nil, nil, err
		}
		content, sizes = append(content, part...), append(sizes, int64(len(part)))
	}
}

// later gives the journal's segments behind one that is not there, in their order.
func (s *Store) later(ctx context.Context, n int) ([]string, error) {
	c, err := container.NewClientWithNoCredential(s.base+"/"+s.address.Container, &container.ClientOptions{ClientOptions: s.options})
	if err != nil {
		return nil, err
	}
	var out []string
	prefix := path.Join(s.address.Prefix, "journal-")
	for pages := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix}); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s.failed("list", execute.JournalFile, err)
		}
		for _, b := range page.Segment.BlobItems {
			if name := path.Base(*b.Name); path.Join(s.address.Prefix, name) == *b.Name && name > segment(max(n, 2)) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}
