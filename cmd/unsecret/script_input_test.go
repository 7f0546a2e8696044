package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

func cmdJSON(ts *testscript.TestScript, _ bool, _ []string) {
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	var v any
	ts.Check(dec.Decode(&v))
	if err := dec.Decode(&v); err != io.EOF {
		ts.Fatalf("stdout holds more than one JSON document (%v)", err)
	}
}

// bigFiles are inputs of the kind that a program meets by accident or malice.
var bigFiles = map[string]func() []byte{
	"megabytes": func() []byte {
		return append([]byte(workflowStart), bytes.Repeat([]byte("# fifty megabytes of nothing: azure/login\n"), 50<<20/42)...)
	},
	"lines": func() []byte {
		return append([]byte(workflowStart), bytes.Repeat([]byte("#\n"), 1_000_000)...)
	},
	"bomb": func() []byte {
		var b bytes.Buffer
		b.WriteString("x0: &x0 [azure/login, azure/login]\n")
		for i := range 60 {
			fmt.Fprintf(&b, "x%d: &x%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d, ", i), 10), ", "))
		}
		b.WriteString("on: push\njobs:\n  a:\n    runs-on: x\n    steps: *x60\n")
		return b.Bytes()
	},
	"deep": func() []byte {
		return []byte("on: push\njobs: {azure: " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}\n# azure/login\n")
	},
	"nul":    func() []byte { return []byte(workflowStart + "      - run: echo a\x00b\n") },
	"latin1": func() []byte { return []byte(workflowStart + "      - run: echo gr\xfc\xdfe\n") },
}

const workflowStart = `on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: azure/login@v2
        with:
          creds: ${{ secrets.AZURE_CREDENTIALS }}
`

func cmdBig(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 || bigFiles[args[0]] == nil {
		ts.Fatalf("usage: big KIND FILE")
	}
	name := ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(filepath.Dir(name), 0o700))
	ts.Check(os.WriteFile(name, bigFiles[args[0]](), 0o600))
}

func cmdFullDisk(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+args[1]+"k", "none", dir).CombinedOutput(); err != nil {
		ts.Fatalf("mount: %v: %s", err, out)
	}
	ts.Defer(func() {
		if err := exec.Command("umount", "-l", dir).Run(); err != nil {
			ts.Logf("umount %s: %v", dir, err)
		}
	})
}
