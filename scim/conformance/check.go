package conformance

import (
	"slices"
	"strings"
)

// Level says how much a check weighs.
type Level string

const (
	Must    Level = "MUST"    // the RFC demands it of every server
	Feature Level = "feature" // the server announces it, so it must work
	Should  Level = "SHOULD"  // the RFC recommends it, or leaves room
	Dialect Level = "dialect" // not in the RFC: what large clients send, for information
)

// Counts reports whether a failure at this level means that the server does not
// conform.
func (l Level) Counts() bool { return l == Must || l == Feature }

// Outcome is how a check ended.
type Outcome string

const (
	Pass  Outcome = "pass"
	Fail  Outcome = "fail"
	Skip  Outcome = "skip"  // not offered, so the server says
	Error Outcome = "error" // it could not be found out
)

// Check is one question that the suite asks.
type Check struct {
	ID    string // RFC, section and subject: "7644-3.5.2.1-add-multi-valued"
	Level Level
	Gap   []int  // rows of the list of what servers built on common libraries lack; may be empty
	Title string // what must be true
	Harm  string // what a client of a server that fails suffers, in one sentence

	needs []need
	run   func(*T)
}

// Section is the section that the check is about: "RFC 7644 §3.5.2.1".
func (c Check) Section() string {
	rfc, rest, _ := strings.Cut(c.ID, "-")
	section, _, _ := strings.Cut(rest, "-")
	return "RFC " + rfc + " §" + section
}

// Checks returns all checks, in the order in which they run.
func Checks() []Check {
	return slices.Concat(
		discoveryChecks(), mediaChecks(), errorChecks(), hostileChecks(),
		createChecks(), uniqueChecks(), readChecks(), valueChecks(), multiValuedChecks(),
		operatorChecks(), filterChecks(), attributeChecks(), sortChecks(), pagingChecks(), cursorChecks(), searchChecks(),
		putChecks(), patchChecks(), addChecks(), removeChecks(), replaceChecks(), patchExtensionChecks(),
		deleteChecks(), versionChecks(), groupChecks(), bulkChecks(), bulkLimitChecks(), meChecks(),
		leaverChecks(), dialectChecks())
}

// need returns why a check makes no sense on a server, or "".
type need func(facts) string

// announced needs a feature of the ServiceProviderConfig. If there is no such
// document, what nearly every server has is taken to be there.
func announced(feature string, otherwise bool) need {
	return func(f facts) string {
		supported, said := f.supports(feature)
		switch {
		case said && !supported:
			return "the ServiceProviderConfig says that " + feature + " is not supported"
		case !said && !otherwise:
			return "the ServiceProviderConfig does not announce " + feature
		}
		return ""
	}
}

func canPatch(f facts) string  { return announced("patch", true)(f) }
func canFilter(f facts) string { return announced("filter", true)(f) }
func canSort(f facts) string   { return announced("sort", false)(f) }
func canETag(f facts) string   { return announced("etag", false)(f) }
func canBulk(f facts) string   { return announced("bulk", false)(f) }

func canCursor(f facts) string {
	if f.provider.at("pagination", "cursor") != true {
		return "the ServiceProviderConfig does not announce cursor paging"
	}
	return ""
}

func hasGroups(f facts) string {
	if f.groups == "" {
		return "there is no resource type for groups"
	}
	return ""
}

func hasEnterprise(f facts) string {
	if !f.extension(enterpriseURN) {
		return "the User resource type has no enterprise extension"
	}
	return ""
}

// has needs attributes of users, such as "emails" or "name.givenName".
func has(names ...string) need {
	return func(f facts) string {
		for _, name := range names {
			if !f.has(name) {
				return "the User schema has no " + name
			}
		}
		return ""
	}
}

// writes needs a writable attribute of users of a type, wherever it is.
func writes(kind string) need {
	return func(f facts) string {
		if _, _, ok := f.writable(kind); !ok {
			return "no schema of users has a writable attribute of type " + kind
		}
		return ""
	}
}
