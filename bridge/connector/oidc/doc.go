// Package oidc ends sessions in apps that people are signed in to by OpenID
// Connect: it sends them logout tokens, as OpenID Connect Back-Channel Logout 1.0
// describes.
//
//	authority.go  Authority: who we are, by which keys; the JWK set that is published
//	config.go     Config: what an administrator writes; Validate, Open
//	token.go      what is said, to end which sessions                       pure
//	oidc.go       the connector: Find, Do, Check, Probe
//
// Three things decide how it is done:
//
//   - A relying party obeys only the provider that signed somebody in. So exeunt must be
//     that provider for it, or its keys must be among the keys of the organisation's:
//     the role, which must be told.
//   - The answer 200 to a token that names only the person proves nothing: relying
//     parties that keep sessions by sid answer it, and the session lives. So every
//     sid that is known is named, and what is left to the subject alone counts as
//     unconfirmed, unless the relying party is known to keep sessions by subject.
//   - A token is sent once. Each attempt has a token of its own, because relying
//     parties must refuse one that they have seen.
package oidc
