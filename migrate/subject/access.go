package subject

import (
	"strings"

	"github.com/rhysd/actionlint"
)

// access evaluates a variable with its properties, such as github.event.inputs.stage or matrix['env'].
func (s scope) access(node actionlint.ExprNode) value {
	if s.depth > maxDepth {
		return unknownValue
	}
	path, ok := s.path(node)
	if ok {
		return s.lookup(path)
	}
	switch n := node.(type) {
	case *actionlint.ObjectDerefNode:
		return field(s.eval(n.Receiver), n.Property)
	case *actionlint.IndexAccessNode:
		return index(s.eval(n.Operand), s.eval(n.Index))
	default:
		return unknownValue
	}
}

// path gives the names of an access that starts at a context.
func (s scope) path(node actionlint.ExprNode) ([]string, bool) {
	switch n := node.(type) {
	case *actionlint.VariableNode:
		return []string{n.Name}, true
	case *actionlint.ObjectDerefNode:
		p, ok := s.path(n.Receiver)
		return append(p, n.Property), ok
	case *actionlint.IndexAccessNode:
		p, ok := s.path(n.Operand)
		if !ok {
			return nil, false
		}
		name, ok := s.eval(n.Index).literal()
		return append(p, strings.ToLower(name)), ok
	default:
		return nil, false
	}
}

func field(v value, name string) value {
	switch {
	case v.kind == kindUnknown, v.kind == kindObject && v.fields == nil && v.list == nil:
		return unknownValue
	case v.kind == kindObject && v.fields != nil:
		if f, ok := v.fields[name]; ok {
			return f
		}
	}
	return nullValue
}

func index(v, i value) value {
	if v.kind == kindUnknown || i.kind == kindUnknown {
		return unknownValue
	}
	if name, ok := i.literal(); ok {
		return field(v, strings.ToLower(name))
	}
	if i.kind == kindNumber && v.kind == kindObject && i.number >= 0 && int(i.number) < len(v.list) {
		return v.list[int(i.number)]
	}
	if i.kind == kindNumber {
		return nullValue
	}
	return unknownValue
}

// deref follows the rest of a path into a value.
func deref(v value, path []string) value {
	for _, name := range path {
		v = field(v, name)
	}
	return v
}

// lookup gives a context's value. What is not known before a run is a symbol, so that two conditions on it
// cannot both hold against each other.
func (s scope) lookup(path []string) value {
	switch {
	case path[0] == "github" && len(path) > 1:
		return s.github(path[1:])
	case path[0] == "inputs" && len(path) > 1:
		return deref(s.input(path[1]), path[2:])
	case path[0] == "matrix" && len(path) > 1:
		return deref(s.matrix(path[1]), path[2:])
	case path[0] == "needs" && len(path) > 2:
		return s.needs(path[1:])
	case path[0] == "steps" && len(path) == 4 && path[2] == "outputs":
		return s.stepOutput(path[1], path[3])
	case (path[0] == "vars" || path[0] == "secrets") && len(path) == 2:
		return s.open(strings.Join(path, "."), false)
	default:
		return unknownValue
	}
}

// open is a text about which nothing is known.
func (s scope) open(name string, loose bool) value {
	return symbolValue(s.w.symbol(name, func() *symbol { return &symbol{lang: oneOf(anyText), loose: loose} }), whole)
}

// needs gives the result or an output of a job before.
func (s scope) needs(path []string) value {
	job := s.f.job(path[0])
	if job == nil {
		return nullValue
	}
	switch {
	case path[1] == "result" && s.ran(job) == no:
		return textValue("skipped")
	case path[1] == "result":
		return symbolValue(s.w.symbol(s.f.key+"needs."+path[0]+".result", func() *symbol {
			return &symbol{lang: oneOf(literal("success"), literal("failure"), literal("cancelled"), literal("skipped"))}
		}), whole)
	case path[1] == "outputs" && len(path) == 3:
		return s.jobOutput(job, path[2])
	default:
		return unknownValue
	}
}

// jobOutput evaluates an output where the job before defines it.
func (s scope) jobOutput(job *actionlint.Job, name string) value {
	key := s.f.key + "needs." + jobID(job) + ".outputs." + name
	if job.WorkflowCall != nil || s.w.busy[key] {
		return s.open(key, false)
	}
	if s.ran(job) == no {
		return nullValue
	}
	o, ok := job.Outputs[name]
	if !ok || o.Value == nil {
		return nullValue
	}
	s.w.busy[key] = true
	defer delete(s.w.busy, key)
	v := scope{w: s.w, f: s.f, job: job, depth: s.depth + 1}.template(o.Value.Value)
	if v.kind == kindUnknown {
		return s.open(key, false)
	}
	return v.text()
}

// input gives an input of the workflow: from the caller, or from whoever starts it.
func (s scope) input(name string) value {
	switch {
	case s.f.parent != nil:
		return s.passed(name)
	case s.w.trigger.event == "workflow_dispatch":
		return s.dispatched(name)
	case s.w.trigger.event == "":
		return s.openInput(name)
	default:
		return nullValue
	}
}

// passed evaluates what the calling job passes for an input, or the input's default.
func (s scope) passed(name string) value {
	def := callInput(s.f.workflow, name)
	if def == nil {
		return nullValue
	}
	if in, ok := s.f.call.WorkflowCall.Inputs[name]; ok && in.Value != nil {
		parent := scope{w: s.w, f: s.f.parent, job: s.f.call, depth: s.depth + 1}
		return typed(parent.template(in.Value.Value), def.Type)
	}
	if def.Default != nil {
		return typed(s.template(def.Default.Value), def.Type)
	}
	return typed(textValue(""), def.Type)
}

func callInput(w *actionlint.Workflow, name string) *actionlint.WorkflowCallEventInput {
	e, ok := w.FindWorkflowCallEvent()
	if !ok {
		return nil
	}
	for _, in := range e.Inputs {
		if in.ID == name {
			return in
		}
	}
	return nil
}

// typed gives an input the type that the called workflow declares.
func typed(v value, t actionlint.WorkflowCallEventInputType) value {
	switch {
	case v.kind == kindUnknown:
		return v
	case t == actionlint.WorkflowCallEventInputTypeBoolean && v.kind == kindText:
		if text, ok := v.literal(); ok {
			return boolValue(strings.EqualFold(text, "true"))
		}
		return unknownValue
	case t == actionlint.WorkflowCallEventInputTypeNumber:
		n, ok := v.asNumber()
		if !ok {
			return unknownValue
		}
		return numberValue(n)
	case t == actionlint.WorkflowCallEventInputTypeString:
		return v.text()
	default:
		return v
	}
}

// openInput is an input of a workflow whose callers are not known.
func (s scope) openInput(name string) value {
	def := callInput(s.f.workflow, name)
	if def == nil {
		return nullValue
	}
	if def.Type == actionlint.WorkflowCallEventInputTypeBoolean {
		return s.yesOrNo(s.f.key + "inputs." + name)
	}
	return s.typedOpen(name, def.IsRequired(), def.Default, def.Type == actionlint.WorkflowCallEventInputTypeNumber)
}

// dispatched gives an input of workflow_dispatch: one of its choices, or any text.
func (s scope) dispatched(name string) value {
	def, ok := s.w.trigger.inputs[name]
	if !ok || def == nil {
		return nullValue
	}
	switch def.Type {
	case actionlint.WorkflowDispatchEventInputTypeBoolean:
		return s.yesOrNo(s.f.key + "inputs." + name)
	case actionlint.WorkflowDispatchEventInputTypeChoice:
		return s.oneText(s.f.key+"inputs."+name, values(def.Options))
	case actionlint.WorkflowDispatchEventInputTypeEnvironment:
		if len(s.f.engine.options.Environments) > 0 {
			return s.oneText(s.f.key+"inputs."+name, s.f.engine.options.Environments)
		}
	}
	required := def.Required != nil && def.Required.Value
	return s.typedOpen(name, required, def.Default, def.Type == actionlint.WorkflowDispatchEventInputTypeNumber)
}

// typedOpen is an input that can be any text; a required one is never empty.
func (s scope) typedOpen(name string, required bool, def *actionlint.String, loose bool) value {
	return symbolValue(s.w.symbol(s.f.key+"inputs."+name, func() *symbol {
		sym := &symbol{lang: oneOf(anyText), loose: loose}
		if required {
			sym.lang = oneOf(someText)
		}
		if def != nil && def.Value != "" {
			sym.known = []string{def.Value}
		}
		return sym
	}), whole)
}

func (s scope) yesOrNo(key string) value {
	i, ok := s.w.pick(key, 2)
	if !ok {
		return unknownValue
	}
	return boolValue(i == 0)
}

// oneText is one of several texts; the world decides for one.
func (s scope) oneText(key string, texts []string) value {
	if len(texts) == 0 {
		return textValue("")
	}
	if i, ok := s.w.pick(key, len(texts)); ok {
		return textValue(texts[i])
	}
	return symbolValue(s.w.symbol(key, func() *symbol { return &symbol{lang: oneOf(prefixed("", texts)...)} }), whole)
}
