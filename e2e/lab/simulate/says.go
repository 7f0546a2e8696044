package simulate

import "fmt"

// platformError is an error in the words of the platform or the tool that is played, capitals and full stops included,
// so that a person finds the same text on the web.
type platformError string

func (e platformError) Error() string { return string(e) }

// says makes such an error.
func says(format string, args ...any) error { return platformError(fmt.Sprintf(format, args...)) }
