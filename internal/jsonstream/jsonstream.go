// Package jsonstream writes long JSON texts member by member. encoding/json holds a text as a whole before it writes the first
// byte, and once more to indent it, which for the result of a large scan is more memory than all else.
package jsonstream

import (
	"bufio"
	"bytes"
	"encoding"
	"encoding/json"
	"io"
	"reflect"
	"strings"
)

// Options say how a value is written.
type Options struct {
	// Lists is how many lists deep the value is taken apart; what is in them is encoded as a whole.
	Lists int
	// EscapeHTML and Escape make the text safe: for HTML, as encoding/json does, and as a function does with each part of it.
	EscapeHTML bool
	Escape     func([]byte) []byte
}

// List is a list whose members are made when they are written.
type List func(yield func(member any) bool)

// Write writes what json.Encoder writes with an indentation of two spaces.
func Write(w io.Writer, v any, o Options) error {
	s := &stream{out: bufio.NewWriterSize(w, 64<<10), options: o}
	s.value(reflect.ValueOf(v), o.Lists, "")
	s.text("\n")
	if s.err == nil {
		s.err = s.out.Flush()
	}
	return s.err
}

type stream struct {
	out     *bufio.Writer
	options Options
	buffer  bytes.Buffer
	err     error
}

func (s *stream) text(text string) {
	if s.err == nil {
		_, s.err = s.out.WriteString(text)
	}
}

// value writes a value whose further lines begin with an indentation.
func (s *stream) value(v reflect.Value, lists int, indent string) {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && !v.IsNil() && !isMarshaler(v.Type()) {
		v = v.Elem()
	}
	switch {
	case s.err != nil:
	case !v.IsValid():
		s.text("null")
	case v.Type() == reflect.TypeFor[List]():
		s.list(func(yield func(reflect.Value) bool) {
			v.Interface().(List)(func(member any) bool { return yield(reflect.ValueOf(member)) })
		}, lists, indent)
	case lists == 0 || isMarshaler(v.Type()) || isMarshaler(reflect.PointerTo(v.Type())):
		s.whole(v, indent)
	case v.Kind() == reflect.Slice && !v.IsNil() && v.Type().Elem().Kind() != reflect.Uint8:
		s.list(func(yield func(reflect.Value) bool) {
			for i := 0; i < v.Len() && yield(v.Index(i)); i++ {
			}
		}, lists, indent)
	case v.Kind() == reflect.Struct && isPlain(v.Type()):
		s.object(v, lists, indent)
	default:
		s.whole(v, indent)
	}
}

func isMarshaler(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

// isPlain tells whether the fields of a struct are written one by one: none is embedded or has an option that is not known here.
func isPlain(t reflect.Type) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || options != "" && options != "omitempty" && options != "omitzero" {
			return false
		}
	}
	return true
}

func (s *stream) object(v reflect.Value, lists int, indent string) {
	inner := indent + "  "
	open := "{\n"
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || f.Tag.Get("json") == "-" || options == "omitempty" && isEmpty(v.Field(i)) || options == "omitzero" && isZero(v.Field(i)) {
			continue
		}
		if name == "" {
			name = f.Name
		}
		s.text(open + inner)
		s.whole(reflect.ValueOf(name), inner)
		s.text(": ")
		s.value(v.Field(i), lists, inner)
		open = ",\n"
	}
	s.end(open, "{", "}", indent)
}

func (s *stream) list(members func(yield func(reflect.Value) bool), lists int, indent string) {
	inner := indent + "  "
	open := "[\n"
	members(func(v reflect.Value) bool {
		s.text(open + inner)
		s.value(v, lists-1, inner)
		open = ",\n"
		return s.err == nil
	})
	s.end(open, "[", "]", indent)
}

// end closes what was opened, on a line of its own if something is in it.
func (s *stream) end(open, left, right, indent string) {
	if open == ",\n" {
		s.text("\n" + indent + right)
		return
	}
	s.text(left + right)
}

// isEmpty and isZero are what the options omitempty and omitzero leave out (encoding/json, Marshal).
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct, reflect.Func:
		return false
	}
	return v.IsZero()
}

func isZero(v reflect.Value) bool {
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		return z.IsZero()
	}
	return v.IsZero()
}

func (s *stream) whole(v reflect.Value, indent string) {
	s.buffer.Reset()
	e := json.NewEncoder(&s.buffer)
	e.SetEscapeHTML(s.options.EscapeHTML)
	e.SetIndent(indent, "  ")
	if v.CanAddr() {
		v = v.Addr() // for methods of the pointer
	}
	if s.err = e.Encode(v.Interface()); s.err != nil {
		return
	}
	text := bytes.TrimSuffix(s.buffer.Bytes(), []byte("\n"))
	if s.options.Escape != nil {
		text = s.options.Escape(text)
	}
	_, s.err = s.out.Write(text)
}
