package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/unsecret-dev/unsecret/migrate/scan"
)

// partsFile is what a scan that was interrupted has read.
const partsFile = "scan-parts.jsonl"

// partsPath names the file in which a scan keeps what it has read. It is always on this machine: with a state in Azure Blob Storage it is
// in the user's cache directory, under a name that is made of the state's address.
func (a *app) partsPath() (string, error) {
	if !isBlobState(a.stateDir) {
		return filepath.Join(a.stateDir, partsFile), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	h := sha256.Sum256([]byte(a.stateDir))
	return filepath.Join(dir, "unsecret", "scan-"+hex.EncodeToString(h[:8])+".jsonl"), nil
}

// openParts opens what an interrupted scan has left and tells of it. Where it cannot be kept the scan goes on without.
func (a *app) openParts(c *config, set *connection, fresh bool) (*scan.Parts, error) {
	name, err := a.partsPath()
	if err != nil {
		a.progress().say("if this scan is interrupted it cannot be continued: %v", err)
		return nil, nil
	}
	scope, err := json.Marshal([]any{toolName(), c.Cloud, c.AzureDevOps, c.GitHub.Endpoint, c.GitHub.Host, c.GitHub.Organizations, c.GitHub.Repositories, c.Entra, c.Azure, c.Auth, c.Scan.SignInDays})
	if err != nil {
		return nil, fmt.Errorf("encode what is scanned: %w", err)
	}
	parts, err := scan.OpenParts(name, scan.PartsOptions{Scope: string(scope), Now: set.now, Fresh: fresh || c.Scan.ContinueHours < 0, Keep: time.Duration(c.Scan.ContinueHours) * time.Hour})
	switch {
	case errors.Is(err, scan.ErrPartsBusy):
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("%w; wait for it, or name another state directory with --state", err)}
	case err != nil:
		a.progress().say("if this scan is interrupted it cannot be continued: %v", err)
		return nil, nil
	}
	if n := parts.Continues(); n > 0 {
		a.progress().say("continuing the scan of %s, which has read %s; --fresh reads everything again", parts.Since().Local().Format("2006-01-02 15:04"), plural(n, "object"))
	}
	return parts, nil
}

// keepParts leaves what was read for the next scan.
func (a *app) keepParts(parts *scan.Parts) {
	if err := parts.Close(); err != nil {
		a.progress().say("not all that was read could be kept for the next scan: %v", err)
	}
}

// finishParts tells what was taken over, and forgets it where the scan is complete.
func (a *app) finishParts(parts *scan.Parts) {
	if taken, changed := parts.Used(); taken+changed > 0 {
		a.progress().say("%s taken over from the interrupted scan, %d read again since they have changed", plural(taken, "object"), changed)
	}
	kept, err := parts.Finish()
	switch {
	case err != nil:
		a.progress().say("what the scan has kept for a continuation could not be put away: %v", err)
	case kept:
		a.progress().say("a service did not answer everything: scan again, and only what is missing is read")
	}
}
