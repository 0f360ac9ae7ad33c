// Package vault keeps what is written about people unreadable without keys
// that stand elsewhere, and lets one person be forgotten by destroying one key.
// It is pure but for the key file; no SQL, no goroutines.
//
//	keyring.go  Keyring: the key file; epochs begun and destroyed, who was erased
//	file.go     the key file's form, and how it is replaced
//	subject.go  Subject: the key of one person; sealing, opening, wrapping
//
// The keys, from the outside in: a [Keeper], if there is one, seals the key
// file; an epoch's key, in the key file, wraps the keys of subjects, in the
// database; a subject's key seals everything that is kept of that person. Each
// epoch ends: all subject keys are wrapped anew, and the key of the old epoch is
// destroyed. From then on no older copy of the database, wherever it is, can be
// read. So whoever was erased is erased from backups too, and that by a date.
//
// What people are looked up by is kept as a keyed hash ([Keyring.Blind]) whose
// key lives as long as the installation: with that key and an old raw copy of
// the database one could still confirm a guessed name.
package vault
