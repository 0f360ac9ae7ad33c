package evidence

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"unicode"

	"github.com/exeunt/exeunt/store/ledger"
)

// About says what verifying does, for --help.
const About = `Verifies a certificate, a population or the export of a log, without database, network or
trust: every event is hashed and proven to be in the signed log, and what the file claims is
read once more out of the events. Take the key, and an earlier checkpoint, from somewhere
else than the file. Exit code 0: good; 1: the evidence is bad; 2: it could not be judged.`

// Asked is what verifying was asked for on a command line.
type Asked struct {
	key, origin, held, consistency, policy string
}

// Flags defines the flags of verifying.
func Flags(set *flag.FlagSet) *Asked {
	a := &Asked{}
	set.StringVar(&a.key, "key", "", "`file` with the log's public key, from whoever you trust (required)")
	set.StringVar(&a.origin, "origin", "", "`name` that the log must have")
	set.StringVar(&a.held, "checkpoint", "", "`file` with an earlier checkpoint that was kept elsewhere")
	set.StringVar(&a.consistency, "consistency", "", "`file` with the proof that the logs of evidence and checkpoint are one history; an export needs none")
	set.StringVar(&a.policy, "policy", "", "`file` that says which witnesses must have cosigned (c2sp.org/tlog-policy)")
	return a
}

// Verify verifies a file, and returns one sentence and an exit code.
func (a *Asked) Verify(path string) (text string, code int) {
	b := Brought{Origin: a.origin}
	if a.key == "" {
		return "the log's public key is missing: name its file with --key", 2
	}
	for _, f := range []struct {
		what, path string
		into       *[]byte
	}{{"public key", a.key, nil}, {"checkpoint", a.held, &b.Held}, {"proof of consistency", a.consistency, &b.Consistency}, {"policy", a.policy, &b.Policy}} {
		if f.path == "" {
			continue
		}
		raw, err := os.ReadFile(f.path)
		if err != nil {
			return fmt.Sprintf("the %s cannot be read: %v", f.what, err), 2
		}
		if f.into != nil {
			*f.into = raw
		} else {
			b.VerifierKey = strings.TrimSpace(string(raw))
		}
	}
	text, err := Check(path, b)
	var bad *ledger.EvidenceError
	switch {
	case errors.As(err, &bad):
		return shown(fmt.Sprintf("the evidence is BAD (%s at %d): %s", bad.Fault, bad.At, bad)), 1
	case err != nil:
		return shown(fmt.Sprintf("it cannot be judged: %v", err)), 2
	}
	return shown(text), 0
}

// shown is text as a terminal may show it: words of the evidence may be in it, and
// must not write over what is said of them.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case r == '\n':
			return ' '
		}
		return '\uFFFD'
	}, text)
}
