// Package server is the front: one listener with four doors (SCIM, the API,
// the job console, health and metrics), and the configuration that says who
// may come in.
//
//	server.go                Server: options, settings that may change, every route
//	auth.go                  who is calling: what is shown, at which door, from where
//	auth_jwt.go              access tokens: read, judged, whose they are
//	auth_issuer.go           the keys of their issuers: found, fetched, kept
//	auth_certificate.go      client certificates, and the end of TLS
//	auth_address.go          where a request comes from, also behind proxies
//	auth_slow.go             who shows wrong credentials again and again; what is remembered of addresses
//	schemes.go               what of this SCIM clients are told
//	gate.go                  what each request passes: id, log line, rate, places, panics
//	room.go                  how long bodies may be, and how much memory all of them take
//	api.go                   /v1: cases, retry, restore, checkpoint
//	api_erasures.go          /v1/erasures: request, verify, approve, refuse, acknowledge, extend
//	api_holds.go             /v1/holds: place, lift, review
//	api_evidence.go          certificates, and all departures of a period
//	api_links.go             /v1/erasures/links, and /erase, where a person asks to be forgotten
//	api_log.go               /v1/log: proofs, tiles, events, for auditors
//	api_retained.go          /v1/retained, and the purposes of it
//	api_sessions.go          /v1/sessions: feeds tell of them, operators see what is known
//	api_backup.go            /v1/backups: the log is told of one
//	api_tokens.go            /v1/tokens: issue, list, revoke
//	saml.go                  /saml/…: who may send how much there; what is answered is saml.Desk's
//	oidc.go                  /oidc/jwks: the keys that logout tokens are signed with
//	health.go                /healthz and /readyz
//	metrics.go               /metrics, and Metrics, which watches departures for it
//	errors.go                every error that leaves: bridge.Error -> problem+json or SCIM
//	tokens.go                the form of tokens: prefix, id, secret, checksum
//	config.go                Config: the one struct of the one file
//	config_sources.go        how sources come in, TLS, networks
//	config_sources_check.go  what may be wrong with that
//	config_laws.go           laws and calendars of one's own; deadlines that cannot be met
//	config_feeds.go          who may tell of sessions, and where none is told of
//	config_saml.go           who we are in SAML, and who may have people signed out
//	config_oidc.go           who we are in OpenID Connect, and by which keys
//	config_check.go          what may be wrong with its values
//	config_decode.go         YAML into structs, every mistake with its place
//	config_secret.go         file: and env: references
//	config_suggest.go        "did you mean"
//	config_schema.go         the JSON Schema for editors
//
// Deliberately absent: any call to an app: requests only store and read; the
// engine does the work. The one thing that is fetched here is issuers' keys.
package server
