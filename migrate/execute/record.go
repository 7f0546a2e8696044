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

// sum is the SHA-256 of the record's JSON without its own hash.
func (r Record) sum() (string, error) {
	r.Hash = ""
	b, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("hash journal record %d: %w", r.Seq, err)
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), nil
}

// normalize brings the record into the form in which it will be read again: a text from outside that is not valid UTF-8
// would otherwise change when it is written.
func (r *Record) normalize() error {
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
}

// Error names the line and what to do.
func (e *DamageError) Error() string {
	return fmt.Sprintf("journal: line %d is damaged: %s; nothing is written to a damaged journal: restore the file from a backup, "+
		"or keep it as evidence and start with a new state directory and a new scan", e.Line, e.Reason)
}

// decodeJournal reads the records and checks the chain. good is the length of the bytes that are complete records; what
// follows is a torn last line. With a DamageError come the records before the damage.
func decodeJournal(data []byte) (records []Record, good int, err error) {
	prev := firstPrev
	for line := 1; good < len(data); line++ {
		end := bytes.IndexByte(data[good:], '\n')
		if end < 0 {
			return records, good, checkTorn(data[good:], line)
		}
		r, err := decodeLine(data[good:good+end], int64(line), prev)
		if err != nil {
			return records, good, err
		}
		records, prev, good = append(records, r), r.Hash, good+end+1
	}
	return records, good, nil
}

func decodeLine(line []byte, seq int64, prev string) (Record, error) {
	damage := func(format string, args ...any) (Record, error) {
		return Record{}, &DamageError{Line: int(seq), Reason: fmt.Sprintf(format, args...)}
	}
	var r Record
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return damage("it is not a record: %v", err)
	}
	again, err := r.encode()
	if err != nil || !bytes.Equal(again[:len(again)-1], line) {
		return damage("it is not as this program writes it")
	}
	sum, err := r.sum()
	switch {
	case err != nil || sum != r.Hash:
		return damage("its hash does not fit its content")
	case r.Seq != seq:
		return damage("it has sequence number %d", r.Seq)
	case r.Prev != prev:
		return damage("it does not follow the record before: one was changed, removed or inserted")
	}
	return r, nil
}

// checkTorn tells a line that a crash cut short from one that was changed: a cut line is the beginning of a JSON object
// and nothing else.
func checkTorn(tail []byte, line int) error {
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
