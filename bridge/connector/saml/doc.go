// Package saml ends sessions by SAML 2.0 single logout. All XML of exeunt that comes
// from others is read here, and nowhere else.
//
//	message.go     Request, Response, Message, Partner: what is said, and by whom
//
//	scan.go        bytes -> tree: limits, and the one parser                   pure
//	signature.go   sealOf, by: what an enveloped signature covers; Sign        pure
//	redirect.go    readQuery, RedirectURL: the binding that signs a query      pure
//	read.go        what was signed -> Request, Response; SOAP envelopes        pure
//	decrypt.go     EncryptedID, after the signature only                       pure
//	verify.go      Verifier: all of it in its order; clock, audience, memory
//	write.go       messages as XML, SOAP envelopes, pages with a form
//	encrypt.go     encryptName: names for a partner's eyes
//
//	authority.go   Authority: who we are, our keys, our partners
//	metadata.go    what we publish about ourselves
//	partner.go     where a partner's metadata comes from, and what makes it trusted
//	descriptor.go  a partner's metadata -> Partner
//
//	config.go      Config: one app; its mistakes
//	connector.go   Find, Check, Probe
//	logout.go      Do: LogoutRequests by SOAP, until no session is left
//
//	desk.go        Desk: who answers /saml/slo and /saml/metadata
//	inbound.go     a LogoutRequest -> a case, and what may be said of it
//	chain.go       a browser that is led from app to app, and back
//	refusals.go    what was refused, in the log
//
// # What is of crewjam/saml, and what is not
//
// Of github.com/crewjam/saml are the forms of what we write: messages, metadata,
// bindings, statuses, formats of names; what its types lack is added to their
// elements. Whatever reads is ours. Its v0.5.1 has nothing that takes a
// LogoutRequest, signs or verifies a query, or speaks SOAP for logout; it unmarshals
// the bytes that came and not the tree that was verified, keeps the last of several
// SessionIndexes, takes an answer to anything and from any year, and panics when an
// Issuer is missing. Its encryption fares no better: see encryptName and decryptName.
//
// # Rules, and the attack behind each
//
// XML signatures have been got round for twenty years, and almost always in one of
// two ways: what was verified was not what was read, or nothing was verified at all.
// So a message goes through these rules in this order, and none of them can be
// configured away. docs/security.md names the test of each.
//
//  1. Limits before a tree: 256 KiB, 32 deep, 1000 elements, 64 attributes; of a
//     query 32 KiB, which inflate to 64. Ten kilobytes of a redirect inflate to a
//     million nested elements, and cost half a minute and half a gigabyte without.
//  2. No DOCTYPE or other directive, no processing instruction, comment or CDATA
//     section; UTF-8; one root. Entities read files and multiply; a comment in
//     a name ends it for one reader and not for another, and is not part of what is
//     signed; a second root is looked at by those who look for the last.
//  3. One parser: the scan, the round trip and the tree all take the tokens of
//     encoding/xml, and what does not survive being written again is refused, as are
//     attributes that are there twice and colons in names. Two parsers that differ
//     about one byte verify one message and obey another.
//  4. One Signature in the whole message, a direct child. goxmldsig takes the first
//     one anywhere that fits, so a signed message could be wrapped in another.
//  5. Its parts are exactly SignedInfo, SignatureValue and at most one KeyInfo; in
//     SignedInfo is one Reference, to the ID of the message; no ID is there twice,
//     in any spelling. What stands in ds:Object, or is found by another reader's
//     notion of an ID, is covered by no digest and would be read all the same.
//  6. RSA or ECDSA with SHA-2; the transforms are enveloped-signature and exclusive
//     canonicalisation without comments, in this order. SHA-1 can be made to
//     collide, HMAC would take the public certificate for its key, XPath and XSLT
//     select what is verified, or run.
//  7. KeyInfo is dropped unread. Each key that was registered for the issuer is tried
//     alone, per role: the attacker's own certificate is in every KeyInfo, and the
//     key of an app does not make it an identity provider. The certificate only
//     carries the key, so whether it has expired is not asked.
//  8. Only what goxmldsig returns is read from here on: the canonical form that was
//     digested, parsed again, without the signature. Of that, only direct children,
//     each in its place by the schema, and the whole text of each or nothing.
//  9. By redirect the signature is of the raw query. Each parameter that counts may be
//     there once, its name not escaped, and never both messages: else the one that
//     is verified is not the one that is read. A signature in the message does not
//     replace the one beside it.
//  10. A signature is asked for on every binding, of requests and of responses alike.
//     Most holes in logout of the last years were one path on which it was not.
//  11. Version, Issuer, Destination (ours as it is published, not as a Host header has
//     it), IssueInstant and NotOnOrAfter: a good message to another, or of
//     yesterday, is not one to us, now.
//  12. An EncryptedID is decrypted only after the signature is good, by AES-GCM and
//     RSA-OAEP; by AES-CBC only for partners registered so. Whoever may have
//     ciphertexts of their own decrypted learns others' from how that fails.
//  13. Each message is good once, which is remembered last and outlasts a restart:
//     what is not good leaves no trace and cannot fill the memory.
//  14. Reasons are for our log; whoever sent the message learns nothing of them.
//     RelayState is a key to look something up by, of 80 bytes at most, and never an
//     address.
package saml
