// Exeunt-verify verifies evidence of exeunt, for whoever would rather not run
// exeunt itself: it needs no database, no network and no trust in whoever made the
// evidence. It does what "exeunt verify" does, with the same code:
//
//	CGO_ENABLED=0 go build ./store/evidence/exeunt-verify
//	exeunt-verify --key log.key.pub [--checkpoint earlier] certificate.zip
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/exeunt/exeunt/store/evidence"
)

func main() {
	flags := flag.NewFlagSet("exeunt-verify", flag.ContinueOnError)
	asked := evidence.Flags(flags)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "exeunt-verify --key FILE [flags] EVIDENCE\n\n%s\n\n", evidence.About)
		flags.PrintDefaults()
	}
	switch err := flags.Parse(os.Args[1:]); {
	case err == flag.ErrHelp:
		os.Exit(0)
	case err != nil:
		os.Exit(2)
	case flags.NArg() != 1:
		flags.Usage()
		os.Exit(2)
	}
	text, code := asked.Verify(flags.Arg(0))
	if code == 0 {
		fmt.Println(text)
	} else {
		fmt.Fprintln(os.Stderr, "exeunt-verify: "+text)
	}
	os.Exit(code)
}
