package evidence

import (
	"archive/zip"
	"fmt"

	"github.com/exeunt/exeunt/store/ledger"
)

// Verify reads a zip that is a [Certificate]'s bundle or a [Survey]'s archive, and
// trusts nothing in it; see [VerifyBundle] and [VerifyArchive]. It returns what was
// found, in one sentence, and under which checkpoint.
func Verify(z *zip.Reader, verifierKey string) (fmt.Stringer, ledger.Checkpoint, error) {
	for _, f := range z.File {
		if f.Name == surveyFile {
			v, c, err := VerifyArchive(z, verifierKey)
			return v, c, err
		}
	}
	cert, c, err := VerifyBundle(z, verifierKey)
	return cert, c, err
}
