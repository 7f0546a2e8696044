package script

import (
	"strings"
	"testing"
)

func one(t *testing.T, shell Shell, text, name string) Command {
	t.Helper()
	for _, c := range Find(shell, text).Commands {
		if c.Name == name && (name != "az" || c.Is("az", "login")) {
			return c
		}
	}
	t.Fatalf("no command %s in %q: %+v", name, text, Find(shell, text))
	return Command{}
}

func TestFlagsOfALogin(t *testing.T) {
	for _, test := range []struct {
		name, text           string
		shell                Shell
		password             string
		simple, first, parse bool
	}{
		{"plain", "az login --service-principal -u a -p b --tenant c", Bash, "b", true, true, true},
		{"double quotes", "set -e\naz login --service-principal -u \"$A\" -p \"$B\" --tenant c\n", Bash, "$B", true, true, true},
		{"equals", "az login --service-principal --username=a --password='b' --tenant=c", Bash, "b", true, true, true},
		{"continued", "az login \\\n  --service-principal \\\n  -u a \\\n  -p b \\\n  -t c\naz account show", Bash, "b", true, true, true},
		{"after another command", "az group list\naz login --service-principal -u a -p b -t c", Bash, "b", true, false, true},
		{"in a condition", "if true; then az login --service-principal -u a -p b -t c; fi", Bash, "b", false, false, true},
		{"in a list", "az login --service-principal -u a -p b -t c && az group list", Bash, "b", false, false, true},
		{"in a function", "f() { az login --service-principal -u a -p b -t c; }\nf", Bash, "b", false, false, true},
		{"with sudo", "sudo az login --service-principal -u a -p b -t c", Bash, "b", false, false, true},
		{"does not parse", "if [ ; then\naz login --service-principal -u a -p \"b\" -t c", Bash, "b", false, false, false},
		{"PowerShell", "az login --service-principal `\n -u a `\n -p 'b' -t c\n", PowerShell, "b", true, true, true},
		{"PowerShell in a block", "if ($x) { az login --service-principal -u a -p b -t c }", PowerShell, "b", false, false, true},
		{"cmd", "az login --service-principal -u a -p %B% -t c", Cmd, "%B%", true, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := one(t, test.shell, test.text, "az")
			w, ok := c.Flag("-p", "--password")
			if !ok || w.Text != test.password {
				t.Errorf("password %q, %v; want %q", w.Text, ok, test.password)
			}
			if c.Simple != test.simple || c.First != test.first || c.Certain != test.parse {
				t.Errorf("simple %v first %v certain %v; want %v %v %v", c.Simple, c.First, c.Certain, test.simple, test.first, test.parse)
			}
			if !strings.HasPrefix(test.text[c.Start:], "az") || !c.Is("az", "login") {
				t.Errorf("the command begins at %q", test.text[c.Start:c.End])
			}
		})
	}
}

func TestCallInCmdIsPartOfItsCommand(t *testing.T) {
	text := "@echo off\r\ncall az login --service-principal -u a -p %B% -t c\r\ncall az group list\r\n"
	c := one(t, Cmd, text, "az")
	if w, ok := c.Flag("-p"); !ok || w.Text != "%B%" || !c.Is("az", "login") || !c.Simple || !c.First {
		t.Errorf("got %+v, password %q", c, w.Text)
	}
	if !strings.HasPrefix(text[c.Start:], "call az login") {
		t.Errorf("the command begins at %q", text[c.Start:c.End])
	}
}

func TestConnectAzAccountInPowerShell(t *testing.T) {
	text := "$pw = ConvertTo-SecureString 'abc' -AsPlainText -Force\n$cred = New-Object PSCredential($env:ID, $pw)\nConnect-AzAccount -ServicePrincipal -Credential $cred -Tenant $env:T | Out-Null\n$env:ARM_CLIENT_SECRET = 'x'"
	s := Find(PowerShell, text)
	c := one(t, PowerShell, text, "connect-azaccount")
	if w, ok := c.Flag("-Credential"); !ok || w.Text != "$cred" {
		t.Errorf("credential %q %v", w.Text, ok)
	}
	if len(s.Assignments) != 3 || s.Assignments[0].Name != "pw" || s.Assignments[2].Name != "ARM_CLIENT_SECRET" || !s.Assignments[2].Exported {
		t.Errorf("assignments %+v", s.Assignments)
	}
}

func TestRedirectionsAndHereDocuments(t *testing.T) {
	text := "echo \"ARM_CLIENT_SECRET=abc\" >> $GITHUB_ENV\ncat <<EOF >> \"$GITHUB_ENV\"\nA=b\nEOF\nexport X=y\n"
	s := Find(Bash, text)
	if len(s.Commands) != 2 || s.Commands[0].To != "$GITHUB_ENV" || s.Commands[1].Input == nil || s.Commands[1].Input.Text != "A=b\n" {
		t.Errorf("%+v", s.Commands)
	}
	if len(s.Assignments) != 1 || !s.Assignments[0].Exported {
		t.Errorf("%+v", s.Assignments)
	}
}

func FuzzFind(f *testing.F) {
	f.Add(0, "az login -u a -p \"b")
	f.Add(1, "@\"\nx\n\"@ | Connect-AzAccount `\n -A (b")
	f.Add(2, "set A=b ^\n && az login")
	f.Fuzz(func(t *testing.T, shell int, text string) {
		s := Find(Shell(shell&3), text)
		for _, c := range s.Commands {
			if c.Start < 0 || c.End > len(text) || c.Start > c.End {
				t.Fatalf("range %d-%d of %d", c.Start, c.End, len(text))
			}
			for _, w := range c.Words {
				if w.Start < c.Start || w.End > len(text) || w.Start > w.End {
					t.Fatalf("word %+v of %+v", w, c)
				}
			}
		}
	})
}
