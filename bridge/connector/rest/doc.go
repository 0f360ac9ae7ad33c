// Package rest shuts doors in apps with an HTTP API of their own kind. What is
// particular to a vendor is a [Recipe], a YAML document: how an account is
// found, which effects can be brought about, and how each is proven. Built-in
// recipes are in package recipes.
//
// A recipe, from text to connector:
//
//	recipe.go       Recipe and its parts: the format, and the source of its JSON Schema
//	decode.go       YAML -> Recipe, strictly, all mistakes at once
//	leaf.go         Expr, Text, Body, Span, Verify: the parts that read themselves
//	expr.go         CEL: variables, scopes, compilation, evaluation
//	text.go         ${…} with its values: in paths, queries, bodies
//	lint.go         what the structure does not show: hosts, auth, lookups …
//	lint_action.go  … actions and cases
//	problem.go      Problem: a mistake, where it is and what to do
//	load.go         Load, Lint, Schema
//	replay.go       Test: a recipe's own cases, without a network
//	script.go       the app in those cases
//
// The connector:
//
//	config.go       Config: registration; params and secrets
//	connector.go    capabilities, probe
//	find.go         Find
//	do.go           Do
//	check.go        Check
//	request.go      one request with its values; exchange
//	answer.go       what an answer means: classes and outcomes
//	pages.go        lists of several pages
//	auth.go         credentials
//
// A recipe is somebody else's word about what is destroyed, so it can do little:
// its expressions are checked when it is loaded, cost a bounded amount and
// always end; its values are placed, never pasted; it names hosts literally or
// leaves them to whoever registers the app; and it cannot say that something is
// proven without a request that shows it.
package rest
