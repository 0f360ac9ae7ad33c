// Package conformance asks a SCIM server, over HTTP and from outside, whether it
// keeps RFC 7643, RFC 7644 and RFC 9865. It is what `exeunt scim check` runs
// against anybody's server, and what our own tests run against ours.
//
// It knows nothing of the server but its URL and what its discovery documents
// say. What they say is not offered is skipped, what they say is offered must
// work.
//
//	check.go      Check, Level, Outcome; the list of all checks; what a check needs
//	suite.go      Run: look around, run the checks one by one, clean up
//	wire.go       HTTP within bounds: time, size, redirects, 429, no secrets
//	facts.go      what the discovery documents say
//	fixture.go    T, the one check under way: its people, groups and verdicts
//	resource.go   reading answers
//	report.go     table, JSON, JUnit
//	markdown.go   the table in docs/scim.md
//
// The checks stand by subject in check_*.go. Each has an ID that begins with the
// section it is about, such as 7644-3.5.2.1-add-multi-valued, and one sentence
// about what a client of a server that fails it will suffer.
//
// Whatever a check creates has a random name that begins with "xc-", and is
// removed at the end, also after a failure or when the run is cut off.
package conformance
