// Package witness holds logs to their word: a C2SP tlog-witness. It cosigns a
// log's checkpoint only if everything it cosigned before is still in it, and so a
// log that was set back or written anew gets no signature any more, whoever has
// its key.
//
//	witness.go  Witness: what is answered to whom
//	request.go  the body of add-checkpoint        pure
//	memory.go   the newest checkpoint of each log, in a file each
//
// It knows the logs' public keys and its own secret key, and nothing of what the
// logs hold. Its memory is all it is good for: a witness whose directory was lost
// or set back must get a new key, because it would cosign what it would have
// refused.
package witness
