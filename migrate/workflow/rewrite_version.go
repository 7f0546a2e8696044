package workflow

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// firstOIDC is the first version of azure/login with OIDC, released on 2021-10-22.
var firstOIDC = [2]int{1, 4}

// raise lifts a version of azure/login that is too old for OIDC to the configured one: a tag to a tag, a commit to a
// commit with its comment.
func (r *rewriter) raise(f *finding) error {
	s := f.step
	start := f.file.content(s.uses.raw)
	end := f.file.end(s.uses.raw)
	if s.version == "" {
		return fmt.Errorf("uses has no version: %s", text(s.uses.value))
	}
	comment, commentStart, commentEnd := f.file.commentAfter(end)
	known := s.knownVersion()
	if isCommit(s.version) {
		if !tooOld(known) {
			return nil
		}
		commit := r.options.Pins["azure/login@"+r.options.LoginVersion]
		if commit == "" {
			return fmt.Errorf("azure/login is pinned to a commit of %s, which has no OIDC, and no commit of %s is configured", known, r.options.LoginVersion)
		}
		at := start + strings.Index(string(f.file.src[start:end]), s.version)
		r.edit(f.file, f.ID, at, at+len(s.version), commit, "the pinned version of azure/login has no OIDC")
		if versionIn(comment) != "" {
			r.edit(f.file, f.ID, commentStart, commentEnd, strings.Replace(comment, versionIn(comment), r.options.LoginVersion, 1), "name the new version")
		}
		return nil
	}
	if !tooOld(known) {
		return nil
	}
	at := start + strings.LastIndex(string(f.file.src[start:end]), s.version)
	r.edit(f.file, f.ID, at, at+len(s.version), r.options.LoginVersion, fmt.Sprintf("azure/login %s has no OIDC", s.version))
	return nil
}

// knownVersion is the version of a step's action: its tag, or what is known of the commit that it is pinned to; "" where nothing is.
func (s *step) knownVersion() string {
	if !isCommit(s.version) {
		return s.version
	}
	comment, _, _ := s.file.commentAfter(s.file.end(s.uses.raw))
	return cmp.Or(versionIn(comment), loginCommits[strings.ToLower(s.version)])
}

// loginCommits are commits of tags of azure/login that many pin (github.com/Azure/login/tags).
var loginCommits = map[string]string{
	"92a5484dfaf04ca78a94597f4f19fea633851fa2": "v1.4.7",
	"cb79c773a3cfa27f31f25eb3f677781210c9ce3d": "v1.6.1",
	"a65d910e8af852a8061c627c456678983e180302": "v2.2.0",
	"a457da9ea143d694b1b9c7c869ebb04ebe844ef5": "v2",
	"532459ea530d8321f2fb9bb10d1e0bcf23869a43": "v3.0.0",
	"f5d393ae46f8fde4be8b75f32e3fc50e654ad0ca": "v3",
}

var (
	commitForm  = lazy.Regexp(`^[0-9a-fA-F]{40}$`)
	versionForm = lazy.Regexp(`\bv?\d+(\.\d+)*\b`)
)

func isCommit(version string) bool { return len(version) == 40 && commitForm().MatchString(version) }

func versionIn(comment string) string { return versionForm().FindString(comment) }

// tooOld tells whether a tag of azure/login is before the first with OIDC. A bare v1 moves along and has it; a branch such
// as master has it too.
func tooOld(version string) bool {
	return earlier(version, firstOIDC) && strings.TrimPrefix(strings.ToLower(version), "v") != "1"
}

// earlier tells whether a version, as far as it is one, comes before another.
func earlier(version string, than [2]int) bool {
	parts := strings.Split(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(version)), "v"), ".")
	var have [2]int
	for i := range min(len(parts), len(have)) {
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return false
		}
		have[i] = n
	}
	return slices.Compare(have[:], than[:]) < 0
}

// commentAfter gives the comment that follows on the line.
func (d *document) commentAfter(offset int) (comment string, start, end int) {
	stop := d.lineEnd(offset)
	i := strings.Index(string(d.src[offset:stop]), " #")
	if i < 0 {
		return "", 0, 0
	}
	return string(d.src[offset+i+1 : stop]), offset + i + 1, stop
}
