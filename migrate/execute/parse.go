package execute

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"time"
)

// lineReader reads records from lines as this program writes them, many times faster than a JSON decoder and an encoder
// that checks it, since a journal of 100,000 records is read before anything else happens. It takes nothing but the one form that
// encoding/json gives a record; what it does not take is for decodeLine to judge. Texts that come again and again are kept once.
type lineReader struct {
	line  []byte
	known map[string]string
	last  string // the hash of the record before, which comes again
	bad   bool
}

func newLineReader() *lineReader { return &lineReader{known: map[string]string{}} }

// read gives the record of a line; false if the line is not in that form.
func (p *lineReader) read(line []byte, r *Record) bool {
	p.line, p.bad = line, false
	*r = Record{}
	p.want(`{"seq":`)
	r.Seq = p.number()
	p.want(`,"time":`)
	r.Time = p.time()
	r.Plan = p.optional(`,"plan":`)
	r.Unit = p.optional(`,"unit":`)
	r.Step = p.optional(`,"step":`)
	p.want(`,"phase":`)
	r.Phase = Phase(p.text())
	r.Before = p.state(`,"before":{`)
	r.After = p.state(`,"after":{`)
	r.Note = p.optional(`,"note":`)
	r.Actor = p.optional(`,"actor":`)
	p.want(`,"prev":`)
	if r.Prev = p.last; p.last == "" || !p.skip(`"`+p.last+`"`) {
		r.Prev = p.value()
	}
	p.want(hashField[:len(hashField)-1])
	r.Hash = p.value()
	p.want(`}`)
	p.last, p.bad = r.Hash, p.bad || r.Hash == ""
	return !p.bad && len(p.line) == 0
}

// skip takes a text away if it comes next.
func (p *lineReader) skip(text string) bool {
	if !bytes.HasPrefix(p.line, []byte(text)) {
		return false
	}
	p.line = p.line[len(text):]
	return true
}

func (p *lineReader) want(text string) { p.bad = p.bad || !p.skip(text) }

func (p *lineReader) number() (n int64) {
	i := 0
	for ; i < len(p.line) && '0' <= p.line[i] && p.line[i] <= '9' && n < math.MaxInt64/10-9; i++ {
		n = n*10 + int64(p.line[i]-'0')
	}
	p.bad = p.bad || i == 0 || p.line[0] == '0'
	p.line = p.line[i:]
	return n
}

func (p *lineReader) time() time.Time {
	text := p.raw()
	t, err := time.Parse(time.RFC3339Nano, string(text))
	var again [40]byte
	if err != nil || t.Location() != time.UTC || !bytes.Equal(t.AppendFormat(again[:0], time.RFC3339Nano), text) {
		p.bad = true
	}
	return t
}

// optional reads a field that is left out where it is empty.
func (p *lineReader) optional(name string) string {
	if p.bad || !p.skip(name) {
		return ""
	}
	s := p.text()
	p.bad = p.bad || s == ""
	return s
}

// state reads an object of texts, whose keys are sorted.
func (p *lineReader) state(name string) State {
	if p.bad || !p.skip(name) {
		return nil
	}
	s := State{}
	for last := ""; !p.bad; {
		key := p.text()
		if p.want(`:`); len(s) > 0 && key <= last {
			p.bad = true
		}
		s[key], last = p.value(), key
		if !p.skip(`,`) {
			p.want(`}`)
			return s
		}
	}
	return nil
}

// raw reads a string literal without escapes, and gives what is between its quotes.
func (p *lineReader) raw() []byte {
	if p.want(`"`); p.bad {
		return nil
	}
	end := bytes.IndexByte(p.line, '"')
	if end < 0 {
		p.bad = true
		return nil
	}
	text := p.line[:end]
	p.line = p.line[end+1:]
	return text
}

// text reads a string literal that comes again in other records.
func (p *lineReader) text() string {
	text, s := p.literal()
	if text == nil {
		return s
	}
	if known, ok := p.known[string(text)]; ok {
		return known
	}
	s = string(text)
	if len(p.known) < 4096 {
		p.known[s] = s
	}
	return s
}

// value reads a string literal that hardly comes again.
func (p *lineReader) value() string {
	text, s := p.literal()
	if text == nil {
		return s
	}
	return string(text)
}

// literal reads a string literal: of a plain one it gives the bytes between the quotes, of any other the text.
func (p *lineReader) literal() (plain []byte, other string) {
	start := p.line
	text := p.raw()
	for _, c := range text {
		if c < ' ' || c > '~' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return nil, p.escaped(start)
		}
	}
	if p.bad {
		return nil, ""
	}
	return text, ""
}

// escaped reads a string literal by the JSON package, and checks that it would be written the same.
func (p *lineReader) escaped(start []byte) string {
	end := 1
	for ; end < len(start) && start[end] != '"'; end++ {
		if start[end] == '\\' {
			end++
		}
	}
	if end >= len(start) {
		p.bad = true
		return ""
	}
	literal := start[:end+1]
	p.line = start[end+1:]
	var s string
	if err := json.Unmarshal(literal, &s); err != nil {
		p.bad = true
		return ""
	}
	if again, err := json.Marshal(s); err != nil || !bytes.Equal(again, literal) {
		p.bad = true
	}
	return s
}

// hashFits checks a line's hash, which is over the line's own bytes: no byte of it can have changed.
func hashFits(line []byte, hash string) bool {
	if len(line) < hashTail || !bytes.HasPrefix(line[len(line)-hashTail:], []byte(hashField)) {
		return false
	}
	h := sha256.New()
	h.Write(line[:len(line)-hashTail])
	h.Write([]byte{'}'})
	var sum [sha256.Size]byte
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], h.Sum(sum[:0]))
	return string(text[:]) == hash
}
