package workflow

import "testing"

func TestAnInputThatIsReadStaysDeclared(t *testing.T) {
	const head, steps = "name: a\ndescription: a\n", "runs:\n  using: composite\n  steps:\n    - shell: bash\n      run: "
	before := head + "inputs:\n  id:\n    description: i\n  secret:\n    description: s\n" + steps + "go ${{ inputs.id }} ${{ inputs.secret }}\n"
	for _, test := range []struct {
		name, after string
		refused     bool
	}{
		{"what is not read may go", head + "inputs:\n  id:\n    description: i\n" + steps + "go ${{ inputs.id }}\n", false},
		{"what is read by its name in quotes", head + "inputs:\n  secret:\n    description: s\n" + steps + "go ${{ inputs['ID'] }}\n", true},
		{"what a comment names may go", head + steps + "go # ${{ inputs.id }}\n", false},
		{"a longer name is another input", head + "inputs:\n  ids:\n    description: i\n" + steps + "go ${{ inputs.ids }}\n", false},
		{"all declarations", head + steps + "go ${{ inputs.id }}\n", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			was, err := readFile("action.yml", []byte(before))
			if err != nil {
				t.Fatal(err)
			}
			now, err := readFile("action.yml", []byte(test.after))
			if err != nil {
				t.Fatal(err)
			}
			if err := readsDeclared(was, now); (err != nil) != test.refused {
				t.Errorf("got %v, refused should be %v", err, test.refused)
			}
		})
	}
}
