package world

import (
	"fmt"
	"maps"
	"strings"
	"time"
)

// OpenPull opens a pull request between two branches of a repository.
func (w *World) OpenPull(r *Repo, head, base, title, body, author string) *Pull {
	r.NextNumber++
	id := w.NewNumber()
	p := &Pull{
		ID: id, NodeID: NodeID("PR", r.ID, id), Number: r.NextNumber, Title: title, Body: body,
		Head: head, Base: base, HeadOID: r.Head(head), BaseOID: r.Head(base),
		State: "open", Author: author, Created: w.Clock.Now(),
	}
	r.Pulls = append(r.Pulls, p)
	return p
}

// Pull finds a pull request by its number.
func (r *Repo) Pull(number int) *Pull {
	for _, p := range r.Pulls {
		if p.Number == number {
			return p
		}
	}
	return nil
}

// mergeFiles is a three-way merge of whole files: a file that both sides changed, to different content, is a
// conflict. It gives the merged tree, or the first conflicting path.
func (r *Repo) mergeFiles(base, head string) (files map[string]string, conflict string) {
	ours, theirs, old := r.Tree(base), r.Tree(head), map[string]string{}
	if mb := r.MergeBase(base, head); mb != "" {
		old = r.Tree(mb)
	}
	files = maps.Clone(ours)
	if files == nil {
		files = map[string]string{}
	}
	for _, side := range []map[string]string{old, theirs} {
		for path := range side {
			switch o, t, b := ours[path], theirs[path], old[path]; {
			case t == b || o == t:
			case o != b:
				return nil, path
			case t == "":
				delete(files, path)
			default:
				files[path] = t
			}
		}
	}
	return files, ""
}

// Conflict gives a file that both sides of a pull request changed, or "" if it merges cleanly.
func (r *Repo) Conflict(p *Pull) string {
	_, path := r.mergeFiles(r.Head(p.Base), p.HeadOID)
	return path
}

// Blocked gives the reason why the base branch's protection does not let a pull request in yet, or "".
func (r *Repo) Blocked(p *Pull) string {
	rule := r.Protection[p.Base]
	if rule == nil {
		return ""
	}
	if missing := rule.RequiredReviews - p.Approvals; missing > 0 {
		return fmt.Sprintf("At least %d approving review is required by reviewers with write access.", missing)
	}
	for _, check := range rule.RequiredChecks {
		if !r.checkPassed(check, p.HeadOID) {
			return fmt.Sprintf("Required status check %q is expected.", check)
		}
	}
	if rule.SignedCommits {
		merged := r.ancestors(r.Head(p.Base))
		for oid := range r.ancestors(p.HeadOID) {
			if !r.Commits[oid].Signed && !merged[oid] {
				return "Commits must have verified signatures."
			}
		}
	}
	return ""
}

func (r *Repo) checkPassed(check, head string) bool {
	for _, run := range r.Runs {
		for _, j := range run.Jobs {
			if run.HeadOID == head && j.Name == check && j.Conclusion == "success" {
				return true
			}
		}
	}
	return false
}

// Merge merges a pull request, without looking at protection, with a merge commit or with all its changes
// squashed into one commit. It gives the commit's oid.
func (w *World) Merge(r *Repo, p *Pull, message, by string, squash bool) (string, error) {
	if p.State != "open" {
		return "", fmt.Errorf("merge pull request %s#%d: it is not open", r.FullName(), p.Number)
	}
	oid, conflict := r.mergeCommit(p, message, by, w.Clock.Now(), squash)
	if conflict != "" {
		return "", fmt.Errorf("merge pull request %s#%d: both %s and %s changed %s", r.FullName(), p.Number, p.Base, p.Head, conflict)
	}
	now := w.Clock.Now()
	p.State, p.Merged, p.MergedAt, p.ClosedAt, p.MergeCommit, p.MergedBy = "closed", true, now, now, oid, by
	r.SetRef("refs/heads/"+p.Base, oid)
	return oid, nil
}

func (r *Repo) mergeCommit(p *Pull, message, by string, at time.Time, squash bool) (oid, conflict string) {
	base := r.Head(p.Base)
	files, conflict := r.mergeFiles(base, p.HeadOID)
	if conflict != "" {
		return "", conflict
	}
	parents := []string{base, p.HeadOID}
	if squash {
		parents = parents[:1]
	}
	return r.addCommit(Commit{
		Tree: r.addTree(files, ""), Parents: parents, Message: message,
		Author: by, Time: at.Truncate(time.Second), Signed: true,
	}), ""
}

// TestMerge makes the commit that an open pull request would merge as, which the service keeps under
// refs/pull/N/merge. It is empty if there is a conflict.
func (w *World) TestMerge(r *Repo, p *Pull) string {
	at := w.Clock.Now()
	if head := r.Commits[p.HeadOID]; head != nil {
		at = head.Time // the same commit as long as neither side moves
	}
	oid, _ := r.mergeCommit(p, "Merge "+p.HeadOID+" into "+r.Head(p.Base), p.Author, at, false)
	if oid != "" {
		r.Refs[fmt.Sprintf("refs/pull/%d/merge", p.Number)] = oid
	}
	return oid
}

// Changes counts what a pull request changes: lines added and deleted, and files.
func (r *Repo) Changes(p *Pull) (added, deleted, files int) {
	theirs, old := r.Tree(p.HeadOID), r.Tree(r.MergeBase(p.BaseOID, p.HeadOID))
	count := func(oid string) map[string]int {
		lines := map[string]int{}
		for line := range strings.Lines(string(r.Blobs[oid])) {
			lines[line]++
		}
		return lines
	}
	compare := func(before, after string) {
		b, a := count(before), count(after)
		for line, n := range a {
			added += max(0, n-b[line])
		}
		for line, n := range b {
			deleted += max(0, n-a[line])
		}
		files++
	}
	for path, oid := range theirs {
		if old[path] != oid {
			compare(old[path], oid)
		}
	}
	for path, oid := range old {
		if theirs[path] == "" {
			compare(oid, "")
		}
	}
	return added, deleted, files
}

// MergePull approves and merges a pull request as a reviewer would: required reviews are given, but required
// checks and signatures are not overridden.
func (w *World) MergePull(r *Repo, number int) error {
	p := r.Pull(number)
	if p == nil {
		return fmt.Errorf("merge pull request %s#%d: there is none", r.FullName(), number)
	}
	p.Approvals++
	if rule := r.Protection[p.Base]; rule != nil {
		p.Approvals = max(p.Approvals, rule.RequiredReviews)
	}
	if why := r.Blocked(p); why != "" {
		return fmt.Errorf("merge pull request %s#%d: %s", r.FullName(), number, why)
	}
	squash := r.Protection[p.Base] != nil && r.Protection[p.Base].LinearHistory
	message := fmt.Sprintf("Merge pull request #%d from %s/%s\n\n%s", number, r.Owner, p.Head, p.Title)
	_, err := w.Merge(r, p, message, "octo-reviewer", squash)
	return err
}

// UpdatePullBranch merges the base branch into a pull request's head, as "Update branch" does.
func (w *World) UpdatePullBranch(r *Repo, p *Pull, by string) (string, error) {
	base := r.Head(p.Base)
	files, conflict := r.mergeFiles(p.HeadOID, base)
	if conflict != "" {
		return "", fmt.Errorf("update branch of %s#%d: both %s and %s changed %s", r.FullName(), p.Number, p.Base, p.Head, conflict)
	}
	oid := r.addCommit(Commit{
		Tree: r.addTree(files, ""), Parents: []string{p.HeadOID, base},
		Message: fmt.Sprintf("Merge branch '%s' into %s", p.Base, p.Head),
		Author:  by, Time: w.Clock.Now().Truncate(time.Second), Signed: true,
	})
	r.SetRef("refs/heads/"+p.Head, oid)
	return oid, nil
}
