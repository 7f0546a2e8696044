package identify

import (
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
	"github.com/unsecret-dev/unsecret/migrate/inventory"
)

var anyGUID = lazy.Regexp(`(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)

// ClientIDs finds the client ids of known applications in the texts of job logs, each once, in the order of the texts. Nothing
// else of a log is kept.
func ClientIDs(texts []string, known map[inventory.AppID]bool) []inventory.AppID {
	var out []inventory.AppID
	for _, text := range texts {
		for _, found := range anyGUID().FindAllString(text, -1) {
			if id := inventory.AppID(strings.ToLower(found)); known[id] {
				out = appendNew(out, id)
			}
		}
	}
	return out
}
