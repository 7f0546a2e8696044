package subject

import (
	"strings"

	"github.com/rhysd/actionlint"
)

// maxExpression bounds an expression's text; GitHub takes 21,000 characters (github/docs: Actions limits).
const maxExpression = 21000

// maxNesting bounds brackets, since the parser descends into each.
const maxNesting = 200

// parsed is an expression that was parsed once.
type parsed struct {
	node   actionlint.ExprNode
	length int // up to and with its end mark
}

// parse reads a whole expression; nil where it cannot be read.
func (e *engine) parse(text string) actionlint.ExprNode {
	node, _ := e.parsePrefix(text + "}}")
	return node
}

// parsePrefix reads an expression up to its end mark, and gives the length with the mark.
func (e *engine) parsePrefix(text string) (actionlint.ExprNode, int) {
	if p, ok := e.parsed[text]; ok {
		return p.node, p.length
	}
	p := parseExpr(text)
	e.parsed[text] = p
	return p.node, p.length
}

func parseExpr(text string) parsed {
	if len(text) > maxExpression || strings.Count(text, "(")+strings.Count(text, "[")+strings.Count(text, "!") > maxNesting {
		return parsed{}
	}
	lexer := actionlint.NewExprLexer(text)
	node, err := actionlint.NewExprParser().Parse(lexer)
	if err != nil {
		return parsed{}
	}
	return parsed{node: node, length: lexer.Offset()}
}

// usesStatus tells whether a condition calls a status function; where it does not, success() is implied
// (github/docs: Expressions, status check functions).
func usesStatus(e *engine, text string) bool {
	inner, ok := onlyExpression(text)
	if !ok {
		inner = text
	}
	if strings.Contains(inner, "${{") {
		lower := strings.ToLower(inner)
		for _, name := range []string{"success(", "failure(", "always(", "cancelled("} {
			if strings.Contains(lower, name) {
				return true
			}
		}
		return false
	}
	node := e.parse(inner)
	if node == nil {
		return true
	}
	found := false
	actionlint.VisitExprNode(node, func(n, _ actionlint.ExprNode, entering bool) {
		call, ok := n.(*actionlint.FuncCallNode)
		if !ok || !entering {
			return
		}
		switch strings.ToLower(call.Callee) {
		case "success", "failure", "always", "cancelled":
			found = true
		}
	})
	return found
}
