package execute

// Password is a secret value on its way from the system that minted it to the stores that hold it. It is
// never formatted, marshalled or logged: every such attempt gives "[redacted]". Clear it after use.
type Password struct{ value []byte }

// NewPassword takes over the bytes; the caller must not keep them.
func NewPassword(value []byte) *Password { return &Password{value: value} }

// Reveal calls use with the value. The bytes are valid only during the call.
func (p *Password) Reveal(use func(value []byte) error) error { return use(p.value) }

// Clear overwrites the value.
func (p *Password) Clear() {
	clear(p.value)
	p.value = nil
}

// String implements fmt.Stringer without the value.
func (p *Password) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer without the value.
func (p *Password) GoString() string { return "[redacted]" }

// MarshalText implements encoding.TextMarshaler without the value.
func (p *Password) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }
