package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/cmd/unsecret/internal/build"
	"github.com/unsecret-dev/unsecret/internal/jsonstream"
	"github.com/unsecret-dev/unsecret/migrate/execute"
	"github.com/unsecret-dev/unsecret/providers"
	"github.com/unsecret-dev/unsecret/providers/auth"
	"github.com/unsecret-dev/unsecret/providers/transport"
)

// context is that of the running command, for what is read and written beside its arguments.
func (a *app) context() context.Context {
	if a.running == nil {
		return context.Background()
	}
	return a.running
}

// store gives the state that --state names: a directory, or a prefix in Azure Blob Storage.
func (a *app) store() (execute.Store, error) {
	if a.opened == nil {
		s, err := a.openStore()
		if err != nil {
			return nil, err
		}
		a.opened = s
	}
	return a.opened, nil
}

// blobScheme begins the address of a state in Azure Blob Storage.
const blobScheme = "azblob://"

func isBlobState(state string) bool { return strings.HasPrefix(state, blobScheme) }

func (a *app) openStore() (execute.Store, error) {
	if !isBlobState(a.stateDir) {
		return execute.NewDirStore(a.stateDir), nil
	}
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	o := transport.Options{UserAgent: "unsecret/" + build.Version()}
	if a.verbose {
		o.Logf = func(format string, args ...any) { a.progress().log(fmt.Sprintf(format, args...)) }
	}
	pc := providers.Config{
		Cloud: c.Cloud, Transport: o, Getenv: os.Getenv,
		Auth:  providers.Auth{Mode: cmp.Or(c.Auth.Azure, auth.ModeDefault), ClientID: c.Auth.ClientID, ServiceConnectionID: c.Auth.ServiceConnectionID},
		Entra: &providers.Entra{Tenant: c.Entra.Tenant, Authority: c.Entra.Authority},
	}
	s, err := providers.State(pc, a.stateDir, c.State.Endpoint)
	if err != nil {
		return nil, &exitError{code: exitUsage, err: err}
	}
	return s, nil
}

// note remembers at which version a document is, so that save replaces no other.
func (a *app) note(name string) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	_, v, err := s.Load(a.context(), name)
	if errors.Is(err, fs.ErrNotExist) {
		v, err = execute.NoVersion, nil
	}
	if err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	a.remember(name, v)
	return nil
}

func (a *app) remember(name string, v execute.Version) {
	if a.versions == nil {
		a.versions = map[string]execute.Version{}
	}
	a.versions[name] = v
}

// has tells whether the state has a document.
func (a *app) has(name string) (bool, error) {
	err := a.note(name)
	return a.versions[name] != execute.NoVersion, err
}

// save writes a document of the state as a whole or not at all, and not over what another process has written since it was
// read or noted.
func (a *app) save(name string, v any) error {
	write := func(w io.Writer) error {
		return jsonstream.Write(w, v, jsonstream.Options{Lists: 1, EscapeHTML: true})
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	at, err := saveIn(a.context(), s, name, write, a.versions[name])
	if err != nil {
		return fmt.Errorf("save %s: %w; nothing was replaced", s.Place(name), err)
	}
	a.remember(name, at)
	return nil
}

// saveIn writes a document piece by piece, where the store can take it so.
func saveIn(ctx context.Context, s execute.Store, name string, write func(io.Writer) error, at execute.Version) (execute.Version, error) {
	if dir, ok := s.(*execute.DirStore); ok {
		return dir.SaveFrom(ctx, name, write, at)
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return "", err
	}
	return s.Save(ctx, name, b.Bytes(), at)
}

// load reads a document of the state. hint says which command makes it.
func (a *app) load(name, hint string, v any) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	p := s.Place(name)
	b, at, err := s.Load(a.context(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return usageErrorf("there is no %s: run `unsecret %s` first, or name another state directory with --state", p, hint)
	}
	if err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return usageErrorf("%s is not what `unsecret %s` wrote: %s; run it again", p, hint, jsonPlace(b, err))
	}
	a.remember(name, at)
	return nil
}

// readJournal reads the journal without its lock.
func (a *app) readJournal() ([]execute.Record, error) {
	s, err := a.store()
	if err != nil {
		return nil, err
	}
	return execute.ReadJournalIn(a.context(), s)
}

// onRecord, where a test sets it, is called after each record is on disk.
var onRecord func(execute.Record) error

// openJournal opens the journal for a command that writes it, after waiting for another one as long as --wait says.
func (a *app) openJournal(command string) (*execute.Journal, error) {
	s, err := a.store()
	if err != nil {
		return nil, err
	}
	working.Store(a)
	j, err := execute.OpenJournalIn(a.context(), s, execute.JournalOptions{
		Holder: currentUser() + ", unsecret " + command, Wait: a.wait, OnRecord: onRecord,
		Waiting: func(e *execute.LockedError) {
			a.progress().say("waiting for %s, at most %s", e.LockHolder, a.wait)
		},
	})
	if err != nil {
		return nil, err
	}
	if taken := j.TakenOver(); taken != nil {
		a.progress().say("the lock of %s had expired; this is in the journal", taken.LockHolder)
	}
	return j, nil
}

// waitFlag adds --wait to a command that writes the journal.
func (a *app) waitFlag(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&a.wait, "wait", 0, "how long to wait while another process works on this state, such as 5m")
}

// parseSince reads a point in time: a time, a date, or how long ago.
func parseSince(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); err == nil && n == 1 && text == fmt.Sprintf("%dd", days) && days >= 0 {
		return now.AddDate(0, 0, -days), nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, usageErrorf("invalid argument %q for --since: it must be a time such as 2026-11-02T09:00:00Z, a date, or how long ago, such as 36h or 7d", text)
}
