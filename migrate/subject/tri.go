package subject

// tri is a truth value of three-valued logic. Unknown means that both can be, so that nothing may be
// concluded from it.
type tri uint8

const (
	unknown tri = iota
	no
	yes
)

func truth(b bool) tri {
	if b {
		return yes
	}
	return no
}

func (t tri) not() tri {
	switch t {
	case yes:
		return no
	case no:
		return yes
	default:
		return unknown
	}
}

func (t tri) and(u tri) tri {
	switch {
	case t == no || u == no:
		return no
	case t == yes && u == yes:
		return yes
	default:
		return unknown
	}
}

func (t tri) or(u tri) tri { return t.not().and(u.not()).not() }

// value gives the truth value as the value of an expression.
func (t tri) value() value {
	if t == unknown {
		return unknownValue
	}
	return boolValue(t == yes)
}
