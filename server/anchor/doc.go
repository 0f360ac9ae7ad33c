// Package anchor brings each checkpoint of the log to places outside, where
// whoever runs exeunt cannot take it back, and hears from them when the log is not
// what it was.
//
//	keeper.go    Keeper: every place gets every newest checkpoint, sooner or later
//	place.go     Place, Contradiction
//	config.go    Config: what an administrator writes
//	file.go      a file, or a folder that nothing is overwritten in
//	message.go   a webhook, a syslog receiver
//	witness.go   a C2SP tlog-witness, which answers for what it has seen
//
// A place that is down delays nothing: it is tried again, ever more seldom, and
// shown in the metrics. One that holds another history stops the log from being
// signed.
package anchor
