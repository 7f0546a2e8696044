package main

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/unsecret-dev/unsecret/migrate/execute"
)

func newApprove(a *app) *cobra.Command {
	var note, output string
	cmd := &cobra.Command{
		Use:   "approve UNIT...",
		Short: "Approve what the plan does with units",
		Long: `Writes to the journal that you have reviewed units of the plan and consent to what it does with them. Where
the configuration asks for approvals (plan.approval: unit, or revoke), apply and revoke wait for them. An approval is
about the unit as it stands in the plan now: a plan that does something else with it needs another one.

Approvals can also be given by a file, ` + execute.ApprovalsFile + ` in the state: a list of unit, hash (as status shows it), by and note.`,
		Example: `  unsecret approve contoso-pipelines-33666908 --note CHG-1234`,
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return a.approve(args, note, output) },
	}
	cmd.Flags().StringVar(&note, "note", "", "a `text` for the journal, such as the number of the change")
	a.waitFlag(cmd)
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

func (a *app) approve(units []string, note, output string) error {
	x := execution{only: units, output: output}
	if err := checkOutput(output, "table", "json"); err != nil {
		return err
	}
	p, err := a.loadPlan()
	if err != nil {
		return err
	}
	if err := x.check(a, p); err != nil {
		return err
	}
	e, done, err := a.openExecutor(p, execute.Outside{}, "approve", func() {})
	if err != nil {
		return err
	}
	defer done()
	r, err := e.Approve(units, note)
	if err != nil {
		return err
	}
	err = a.showResult(r, x)
	var code *exitError
	if errors.As(err, &code) && code.err == nil {
		return nil // what a unit waits for besides is no failure of an approval
	}
	return err
}

// approvals reads the approvals that a file gives.
func (a *app) approvals() ([]execute.Approval, error) {
	s, err := a.store()
	if err != nil {
		return nil, err
	}
	content, _, err := s.Load(a.context(), execute.ApprovalsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out, err := execute.ParseApprovals(content)
	if err != nil {
		return nil, usageErrorf("%w", err)
	}
	return out, nil
}
