// Package cli is the command line, and the only place that knows everybody: it
// wires configuration, store, bridge, SCIM and the front together.
//
//	cli.go        Main, Run: commands, exit codes, the one line of an error
//	serve.go      exeunt serve: signals, reload, what is printed
//	running.go    one exeunt in this process: start, apply, stop in two stages
//	notary.go     the log's checkpoints: signed, brought outside; the alarm
//	first.go      what is made when there is no configuration: tokens, advice
//	demo.go       exeunt demo: one performance
//	demo_stage.go the apps, exeunt between them, and the five people
//	demo_sessions.go those of the apps that people are signed in to from elsewhere
//	demo_acts.go  what happens in it, act by act
//	demo_forget.go the last acts: certified, and forgotten
//	config.go     exeunt config check, schema; how every command finds its file
//	app.go        exeunt app check
//	case.go       exeunt case list, show, retry, restore
//	erase.go      exeunt erase request, list, show, verify, approve, refuse, acknowledge, extend
//	hold.go       exeunt hold place, list, lift, review
//	export.go     the log's events brought to a SIEM; exeunt export
//	evidence.go   exeunt case certificate, evidence population
//	log.go        exeunt log verify, tail, export, continue
//	prune.go      exeunt log prune
//	verify.go     exeunt verify, log export
//	backup.go     exeunt backup, restore
//	keys.go       exeunt keys show, rotate
//	erase_link.go exeunt erase link
//	retained.go   exeunt retained ask, list, destroy
//	session.go    exeunt session list
//	recipe.go     exeunt recipe test, schema
//	saml.go       exeunt saml metadata
//	scim.go       exeunt scim check
//	token.go      exeunt token new, list, revoke
//	witness.go    exeunt witness
//	health.go     exeunt health, for containers without a shell
//	version.go    exeunt version
//	client.go     how commands speak to a running exeunt
//
// Commands that only read open the database themselves, read-only, so that they
// work beside a running exeunt and without one. What changes something goes
// through the running exeunt.
package cli
