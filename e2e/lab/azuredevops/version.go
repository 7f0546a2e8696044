package azuredevops

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/unsecret-dev/unsecret/internal/lazy"
)

var versionForm = lazy.Regexp(`^(\d+)(?:\.(\d+))?(-preview(?:\.\d+)?)?$`)

const (
	versionTypes   = "Microsoft.VisualStudio.Services.WebApi."
	latestVersion  = 72 // 7.2, in preview
	currentVersion = 71
)

// apiVersion is the version that the caller asks for: a parameter of the Accept header, as the SDK sends it, or of
// the query.
func (c *call) apiVersion() string {
	if v := c.query("api-version"); v != "" {
		return v
	}
	for _, media := range strings.Split(c.r.Header.Get("Accept"), ",") {
		for _, p := range strings.Split(media, ";") {
			if k, v, ok := strings.Cut(strings.TrimSpace(p), "="); ok && strings.EqualFold(k, "api-version") {
				return v
			}
		}
	}
	return ""
}

// checkVersion refuses what the service refuses: changes without a version, versions to come, and a version in
// preview that is not asked for as such. Reads without a version get the newest.
func (c *call) checkVersion() error {
	v := c.apiVersion()
	if v == "" {
		if c.r.Method == http.MethodGet || c.r.Method == http.MethodOptions {
			return nil
		}
		return versionError("VssVersionNotSpecifiedException", "No api-version was supplied for the \""+c.r.Method+"\" request. "+
			"The version must be supplied either as part of the Accept header (e.g. \"application/json; api-version=1.0\") "+
			"or as a query parameter (e.g. \"?api-version=1.0\").")
	}
	number, preview, ok := parseVersion(v)
	switch {
	case !ok:
		return versionError("VssInvalidApiVersionException", "The api-version '"+v+"' is not valid.")
	case number > latestVersion:
		return versionError("VssVersionOutOfRangeException", "The requested REST API version of "+v+
			" is out of range for this server. The latest REST API version this server supports is 7.2.")
	case number > currentVersion && !preview:
		return versionError("VssInvalidPreviewVersionException", "The requested version \""+v+"\" of the resource is under preview. "+
			"The -preview flag must be supplied in the api-version for such requests. For example: \""+v+"-preview\"")
	}
	return nil
}

func parseVersion(v string) (number int, preview, ok bool) {
	m := versionForm().FindStringSubmatch(v)
	if m == nil {
		return 0, false, false
	}
	major, errMajor := strconv.Atoi(m[1])
	minor, errMinor := strconv.Atoi("0" + m[2])
	return major*10 + minor, m[3] != "", errMajor == nil && errMinor == nil
}

func versionError(name, message string) error {
	return &apiError{http.StatusBadRequest, message,
		versionTypes + name + ", Microsoft.VisualStudio.Services.WebApi", eventFramework}
}
