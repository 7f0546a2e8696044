package workflow

import (
	"strings"

	"github.com/rhysd/actionlint"
)

// truth is the three-valued result of a condition: what is not certain is unknown.
type truth int

const (
	unknown truth = iota
	alwaysTrue
	alwaysFalse
)

// constant evaluates an `if:` value as far as it is constant.
func constant(value string) (truth, []ref) {
	switch trimmed := strings.TrimSpace(value); {
	case strings.EqualFold(trimmed, "false"):
		return alwaysFalse, nil
	case trimmed == "", strings.EqualFold(trimmed, "true"):
		return alwaysTrue, nil
	}
	if !containsFold(value, "false") {
		return unknown, nil
	}
	node, refs := condition(value)
	return evaluate(node), refs
}

func evaluate(n actionlint.ExprNode) truth {
	switch n := n.(type) {
	case *actionlint.BoolNode:
		if n.Value {
			return alwaysTrue
		}
		return alwaysFalse
	case *actionlint.NotOpNode:
		switch evaluate(n.Operand) {
		case alwaysTrue:
			return alwaysFalse
		case alwaysFalse:
			return alwaysTrue
		}
	case *actionlint.LogicalOpNode:
		return evaluateLogical(n)
	}
	return unknown
}

func evaluateLogical(n *actionlint.LogicalOpNode) truth {
	left, right := evaluate(n.Left), evaluate(n.Right)
	decides := alwaysFalse // of &&
	if n.Kind == actionlint.LogicalOpNodeKindOr {
		decides = alwaysTrue
	}
	switch {
	case left == decides || right == decides:
		return decides
	case left == unknown || right == unknown:
		return unknown
	}
	return left
}
