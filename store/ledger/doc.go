// Package ledger is the append-only log without its storage: what a line looks
// like, how lines make a tree, how the tree is signed, and how all of it is
// verified. It is pure but for the key file; no SQL, no clock, no goroutines.
//
//	leaf.go        Body, Leaf, ParseLeaf: an event as bytes
//	opening.go     Opening, Commitment, CheckOpening: personal data, outside the leaf
//	tree.go        Frontier, Append: leaves become tree hashes (RFC 6962)
//	checkpoint.go  Checkpoint, Open: a signed statement of size and root (C2SP)
//	cosignature.go Cosigner, Cosignature: what witnesses add to it (C2SP)
//	policy.go      Policy: how many of which witnesses are enough (C2SP)
//	key.go         Signer, LoadOrCreateKey: who signs
//	proof.go       Inclusion, Consistency: proofs, and how they are checked
//	verify.go      Verify: everything recomputed from stored leaves
//	export.go      WriteExport, VerifyExport: a whole log as one stream
//	span.go        SpanProof: a stretch of leaves, none missing
//	report.go      Report, EvidenceError, InputError: what Verify found
//
// A leaf holds no personal data: a person appears as a random handle and a
// hiding commitment to the payload, which is kept elsewhere and can be
// destroyed without changing the log.
//
// What the log cannot do alone: whoever holds the signing key can rewrite it
// and sign it again. Only a checkpoint kept elsewhere shows that; see [Verify].
package ledger
