package subject

import (
	"strings"

	"github.com/rhysd/actionlint"
)

// stepOutput gives an output of a step of the job, where a script writes nothing but literals.
func (s scope) stepOutput(step, name string) value {
	key := s.f.key + jobID(s.job) + ".steps." + step + ".outputs." + name
	for _, st := range s.job.Steps {
		if st == nil || st.ID == nil || !strings.EqualFold(st.ID.Value, step) {
			continue
		}
		run, ok := st.Exec.(*actionlint.ExecRun)
		if !ok || run.Run == nil {
			break
		}
		texts, ok := writtenOutputs(run, name)
		if !ok {
			break
		}
		if st.If != nil {
			texts = append(texts, "")
		}
		return s.oneText(key, texts)
	}
	return s.open(key, false)
}
