package terraform

import (
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

// version is major, minor and patch.
type version [3]int

func (v version) String() string {
	return strconv.Itoa(v[0]) + "." + strconv.Itoa(v[1]) + "." + strconv.Itoa(v[2])
}

func (v version) less(w version) bool {
	for i := range v {
		if v[i] != w[i] {
			return v[i] < w[i]
		}
	}
	return false
}

var condition = lazy.Regexp(`^(=|!=|>=|>|<=|<|~>)?\s*v?(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?(?:[-+][0-9A-Za-z.+-]*)?$`)

// reaches tells whether a constraint lets a version be chosen that is least or later. Without a lock, the newest one that fits is chosen
// (Terraform's documentation: Version Constraints). It is not readable where it is empty or no constraint.
func reaches(constraint string, least version) (yes, readable bool) {
	yes = true
	for part := range strings.SplitSeq(constraint, ",") {
		m := condition().FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return false, false
		}
		var v version
		given := 0
		for i, digits := range m[2:5] {
			if digits != "" {
				v[i], _ = strconv.Atoi(digits) // digits they are
				given = i + 1
			}
		}
		yes = yes && room(m[1], v, given, least)
	}
	return yes, true
}

// room tells whether one condition leaves room for a version from least on.
func room(operator string, v version, given int, least version) bool {
	switch operator {
	case "", "=", "<=":
		return !v.less(least)
	case "<":
		return least.less(v)
	case "~>": // the last part that is given may grow
		if given == 1 {
			return true
		}
		next := version{v[0] + 1}
		if given == 3 {
			next = version{v[0], v[1] + 1}
		}
		return least.less(next)
	}
	return true
}
