package github

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/inventory"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

const (
	// logJobs and logBytes bound what is read of one run.
	logJobs  = 20
	logBytes = 16 << 20
)

// JobLogs implements identify.Repositories. The service answers with the address of a file on another host, which is valid for a minute
// (GitHub Docs: "Download job logs for a workflow run").
func (c *Client) JobLogs(ctx context.Context, repo inventory.RepositoryName, run int64) ([]string, error) {
	owner, name, err := split(repo)
	if err != nil {
		return nil, err
	}
	jobs, err := c.jobs(ctx, repo, run, logJobs)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, j := range jobs {
		text, err := c.jobLog(ctx, owner, name, j.GetID())
		if isNotFound(err) || transport.Status(err) == http.StatusGone {
			continue // too old
		}
		if err != nil {
			return nil, fmt.Errorf("github: reading the log of job %s in run %d of %s: %w", j.GetName(), run, repo, err)
		}
		texts = append(texts, text)
	}
	return texts, nil
}

func (c *Client) jobLog(ctx context.Context, owner, name string, job int64) (string, error) {
	address, response, err := c.rest.Actions.GetWorkflowJobLogs(ctx, owner, name, job, 0)
	if response != nil && (response.StatusCode == http.StatusGone || response.StatusCode == http.StatusNotFound) {
		return "", nil
	}
	if err != nil {
		return "", classify(err, false)
	}
	if address.Scheme != "https" && !transport.Loopback(address.Hostname()) {
		return "", fmt.Errorf("the log is at %s://%s, which is not encrypted", address.Scheme, address.Host)
	}
	return download(ctx, address)
}

// download reads a file whose address is itself the permission to read it: no token goes there, and the address goes into no
// error.
func download(ctx context.Context, address *url.URL) (string, error) {
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return "", errors.New("its address cannot be read")
	}
	response, err := client.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return "", fmt.Errorf("download it from %s: %w", address.Host, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("download it from %s: HTTP %d", address.Host, response.StatusCode)
	}
	var b strings.Builder
	if _, err := io.Copy(&b, io.LimitReader(response.Body, logBytes)); err != nil {
		return "", fmt.Errorf("download it from %s: %w", address.Host, err)
	}
	return b.String(), nil
}
