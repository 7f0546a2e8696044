package execute

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/plan"
)

// PlanDocument names the copy of a plan that the state keeps. Its content has the SHA-256 that it is named by.
func PlanDocument(hash string) string { return "plans/" + hash + ".json" }

// Plans gives the plans that a state keeps, by their hash. The error is fs.ErrNotExist where it does not keep it.
type Plans func(hash string) (*plan.Plan, error)

// KeptPlans reads the plans that were carried out, in whole or in part, from a state. Each is read once.
func KeptPlans(ctx context.Context, store Store) Plans {
	type answer struct {
		plan *plan.Plan
		err  error
	}
	var mu sync.Mutex
	known := map[string]answer{}
	return func(hash string) (*plan.Plan, error) {
		mu.Lock()
		defer mu.Unlock()
		a, ok := known[hash]
		if !ok {
			a.plan, a.err = readPlan(ctx, store, hash)
			known[hash] = a
		}
		return a.plan, a.err
	}
}

// planHash is what can be the hash of a plan. It comes from the journal and becomes part of a path.
var planHash = lazy.Regexp(`^[0-9a-f]{64}$`)

func readPlan(ctx context.Context, store Store, hash string) (*plan.Plan, error) {
	if !planHash().MatchString(hash) {
		return nil, fmt.Errorf("read a kept plan: %q is no hash of a plan", hash)
	}
	name := PlanDocument(hash)
	content, _, err := store.Load(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read the plan that the journal names: %w", err)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != hash {
		return nil, fmt.Errorf("%s is not the plan that was carried out: its SHA-256 is not %s; restore it from a backup", store.Place(name), hash)
	}
	p := &plan.Plan{}
	if err := json.Unmarshal(content, p); err != nil {
		return nil, fmt.Errorf("%s: %w", store.Place(name), err)
	}
	if p.Version != plan.Version {
		return nil, fmt.Errorf("%s has version %d, and this program reads version %d: use the program that carried it out", store.Place(name), p.Version, plan.Version)
	}
	return p, nil
}

// keep puts a copy of the plan into the state before the first record that names it: whatever plans are made later, what this one
// did can be judged and taken back.
func (e *Executor) keep() error {
	t := e.top()
	t.keeping.Lock()
	defer t.keeping.Unlock()
	if t.kept {
		return nil
	}
	content, err := json.Marshal(t.Plan)
	if err != nil {
		return fmt.Errorf("keep the plan: %w", err)
	}
	if err := t.Journal.keep(PlanDocument(t.hash), content); err != nil {
		return fmt.Errorf("keep the plan, without which nothing is begun: %w", err)
	}
	t.kept = true
	return nil
}

// keep saves a document that never changes. A copy that was damaged is replaced.
func (j *Journal) keep(name string, content []byte) error {
	ctx := context.Background()
	_, err := j.store.Save(ctx, name, content, NoVersion)
	if !errors.Is(err, ErrConflict) {
		return err
	}
	there, _, err := j.store.Load(ctx, name)
	if err == nil && !bytes.Equal(there, content) {
		_, err = j.store.Save(ctx, name, content, AnyVersion)
	}
	return err
}
