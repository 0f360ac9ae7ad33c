package peers

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// Xmlsec has xmlsec1 verify the enveloped signature of a message, whose root has
// that name in the protocol's namespace ("LogoutRequest"), with a certificate (PEM).
func Xmlsec(t testing.TB, message, cert []byte, root string) error {
	t.Helper()
	Need(t, "EXEUNT_TEST_SAML")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "message.xml"), message)
	write(t, filepath.Join(dir, "cert.pem"), cert)
	// Without enabled-key-data it would trust the key that the message brings along.
	c := exec.Command("/usr/bin/xmlsec1", "--verify", "--enabled-key-data", "key-name", "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:"+root,
		"--pubkey-cert-pem", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "message.xml"))
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("xmlsec1: %w\n%s", err, said)
	}
	return nil
}
