package execute

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// Phase is what a journal record tells of a step.
type Phase string

// The phases of a record.
const (
	PhaseIntent   Phase = "intent"   // the change is about to be made
	PhaseDone     Phase = "done"     // it was made, and read back
	PhaseFailed   Phase = "failed"   // it was not made
	PhaseUndone   Phase = "undone"   // a rollback took it back
	PhaseObserved Phase = "observed" // something that others did, a proof, or a decision of the operator
)

// State is what is known of an object, as far as it is not secret, by field.
type State map[string]string

// Record is one line of the journal.
type Record struct {
	Seq    int64     `json:"seq"` // 1 for the first
	Time   time.Time `json:"time"`
	Plan   string    `json:"plan,omitempty"`
	Unit   string    `json:"unit,omitempty"` // of a pull request: "repository:OWNER/NAME", since several units share it
	Step   string    `json:"step,omitempty"`
	Phase  Phase     `json:"phase"`
	Before State     `json:"before,omitempty"`
	After  State     `json:"after,omitempty"`
	Note   string    `json:"note,omitempty"`
	Actor  string    `json:"actor,omitempty"`
	Prev   string    `json:"prev"` // hash of the record before; of the first: 64 zeros
	Hash   string    `json:"hash,omitempty"`
}

// firstPrev stands for the hash of the record before the first.
const firstPrev = "0000000000000000000000000000000000000000000000000000000000000000"

// normalize brings the record into the form in which it will be read again: a text from outside that is not valid UTF-8
// would otherwise change when it is written.
func (r *Record) normalize() error {
	if len(r.Before) == 0 {
		r.Before = nil
	}
	if len(r.After) == 0 {
		r.After = nil
	}
	if r.valid() {
		return nil
	}
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write journal record %d: %w", r.Seq, err)
	}
	*r = Record{}
	if err := json.Unmarshal(b, r); err != nil {
		return fmt.Errorf("write journal record: %w", err)
	}
	return nil
}

// valid tells whether all texts are valid UTF-8.
func (r *Record) valid() bool {
	for _, s := range []string{r.Plan, r.Unit, r.Step, string(r.Phase), r.Note, r.Actor, r.Prev} {
		if !utf8.ValidString(s) {
			return false
		}
	}
	for _, state := range []State{r.Before, r.After} {
		for key, value := range state {
			if !utf8.ValidString(key) || !utf8.ValidString(value) {
				return false
			}
		}
	}
	return true
}

// hashField is what stands behind the content of a record's line: its hash, the last field, and the end of the object.
const (
	hashField = `,"hash":"`
	hashTail  = len(hashField) + 2*sha256.Size + len(`"}`)
)

// seal brings the record into the form in which it will be read again, and gives it its hash, the SHA-256 of its JSON
// without the hash, and its line.
func (r *Record) seal(line *[]byte) error {
	r.Hash = ""
	if err := r.normalize(); err != nil {
		return err
	}
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write journal record %d: %w", r.Seq, err)
	}
	h := sha256.Sum256(content)
	r.Hash = hex.EncodeToString(h[:])
	*line = append(append(content[:len(content)-1], hashField...), r.Hash...)
	*line = append(*line, "\"}\n"...)
	return nil
}

// encode gives the record's line, with its newline.
func (r Record) encode() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write journal record %d: %w", r.Seq, err)
	}
	return append(b, '\n'), nil
}

// DamageError tells that a journal was changed by something other than this program. A torn last line, which a crash
// leaves behind, is no damage.
type DamageError struct {
	Line   int
	Reason string

	link bool // the line itself is sound, but does not follow the one before
}

// Error names the line and what to do.
func (e *DamageError) Error() string {
	return fmt.Sprintf("journal: line %d is damaged: %s; nothing is written to a damaged journal: restore the file from a backup, "+
		"or keep it as evidence and start with a new state directory and a new scan", e.Line, e.Reason)
}

// decodeLine reads one line and checks its hash.
func decodeLine(p *lineReader, line []byte, number int, r *Record) *DamageError {
	if p.read(line, r) && hashFits(line, r.Hash) {
		return nil
	}
	return judgeLine(line, number, r)
}

// judgeLine says what is wrong with a line, if anything is.
func judgeLine(line []byte, number int, r *Record) *DamageError {
	damage := func(format string, args ...any) *DamageError {
		return &DamageError{Line: number, Reason: fmt.Sprintf(format, args...)}
	}
	*r = Record{}
	if err := json.Unmarshal(line, r); err != nil {
		return damage("it is not a record: %v", err)
	}
	if again, err := r.encode(); err != nil || !bytes.Equal(again[:len(again)-1], line) {
		return damage("it is not as this program writes it")
	}
	if !hashFits(line, r.Hash) {
		return damage("its hash does not fit its content")
	}
	return nil
}

// follows checks that a record is the next one of the chain.
func follows(r *Record, seq int64, prev string) *DamageError {
	switch {
	case r.Seq != seq:
		return &DamageError{Line: int(seq), Reason: fmt.Sprintf("it has sequence number %d", r.Seq)}
	case r.Prev != prev:
		return &DamageError{Line: int(seq), Reason: "it does not follow the record before: one was changed, removed or inserted", link: true}
	}
	return nil
}

// checkTorn tells a line that a crash cut short from one that was changed: a cut line is the beginning of a JSON object
// and nothing else.
func checkTorn(tail []byte, line int) *DamageError {
	if !bytes.HasPrefix([]byte(`{"seq":`), tail[:min(len(tail), 7)]) {
		return &DamageError{Line: line, Reason: "it has no end and is not the beginning of a record"}
	}
	dec := json.NewDecoder(bytes.NewReader(tail))
	var r Record
	if err := dec.Decode(&r); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		return &DamageError{Line: line, Reason: fmt.Sprintf("it has no end and is not the beginning of a record: %v", err)}
	}
	if dec.More() || int(dec.InputOffset()) != len(tail) {
		return &DamageError{Line: line, Reason: "something follows the last record"}
	}
	return nil // the whole record, but for its newline: it was never acknowledged
}
