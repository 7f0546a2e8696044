package simulate

import (
	"strings"
	"testing"
)

func TestReaderBoundsWhatAFileUnfoldsTo(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		prev := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+prev+",", 9), ",") + "]\n"
	}
	for name, src := range map[string]string{
		"bomb": bomb, "deep": strings.Repeat("[", 5000), "large": "a: " + strings.Repeat("x", maxBytes),
		"self": "a: &a [*a]", "list key": "[a]: b", "nothing": "", "comment": "# x", "tab": "a:\n\tb: c", "NUL": "a: \x00",
	} {
		if n, err := readYAML([]byte(src)); err == nil {
			t.Errorf("%s is read as %v", name, n)
		}
	}
}

func TestReaderTakesByteOrderMarkLineEndsAndMergeKeys(t *testing.T) {
	t.Parallel()
	n, err := readYAML([]byte("\ufeffbase: &b\r\n  x: 1\r\n  y: 2\r\nuse:\r\n  <<: *b\r\n  y: 3\r\n\"on\": push\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := n.get("use").get("x").str() + n.get("use").get("y").str() + n.get("ON").str(); got != "13push" {
		t.Errorf("got %q", got)
	}
}

func FuzzWorkflow(f *testing.F) {
	f.Add("on: push\njobs:\n  x:\n    runs-on: u\n    steps:\n      - run: |\n          if [ -n \"$A\" ]; then az login --service-principal -u $A -p \"${B:-c}\" -t x; fi\n          echo \"a=$(jq -r .b <<< '{}')\" >> $GITHUB_ENV\n")
	f.Add("on: {push: {branches: ['a/**', '!b']}}\njobs: {x: {uses: ./.github/workflows/x.yml, with: {a: 1}}}\n")
	f.Add("a: &a {b: c}\non: [push]\njobs: {x: {<<: *a, runs-on: x, strategy: {matrix: {a: [1,2], include: [{a: 3}]}}, steps: [{run: '$x = \"y\"'}]}}\n")
	f.Fuzz(func(t *testing.T, src string) {
		wf := readWorkflow(".github/workflows/x.yml", []byte(src))
		if wf.broken != nil || wf.invalid != nil {
			return
		}
		r := fuzzRun(wf)
		inv := &invocation{file: &file{wf: wf}, inputs: newObject(), secrets: newObject(), needs: newObject()}
		for _, j := range wf.jobs {
			if j.uses != "" {
				return
			}
		}
		_ = conclude(r.invoke(inv))
	})
}

func FuzzScript(f *testing.F) {
	for _, seed := range []string{
		"az login --service-principal -u $A -p \"$(cat x | jq -r '.y')\" \\\n --tenant ${T%%.*}", "cat <<EOF >> $GITHUB_ENV\na=$A\nEOF", "if [[ \"$A\" == x* ]] && true; then\n echo a=b >>$GITHUB_OUTPUT\nelif ! [ -z '' ]; then :\nelse `x`\nfi",
		"$s = ConvertTo-SecureString $env:A -AsPlainText -Force\nConnect-AzAccount -ServicePrincipal -Credential $c -Tenant x", "docker login x.azurecr.io -u a --password-stdin <<< \"$B\" 2>&1 | tee -a $GITHUB_ENV", "printf '%s=%s\\n' a b >> \"$GITHUB_ENV\"; export A='x' B=\"y\"",
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, src string, pwsh bool) {
		r := fuzzRun(&workflow{})
		j := &jobRun{env: newObject().set("A", "a"), written: newObject(), seen: map[string]error{}}
		j.out = r.addJob(&invocation{}, &job{id: "x"}, nil, scope{})
		fr := &frame{r: r, j: j, env: newObject(), steps: newObject()}
		a := &site{f: fr, env: newObject().set("A", "a"), outputs: newObject()}
		_ = a.script(src, map[bool]string{true: "pwsh"}[pwsh])
	})
}
