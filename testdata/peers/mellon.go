package peers

import (
	"os"
	"path/filepath"
	"testing"
)

// Mellon starts Apache with mod_auth_mellon. It is the careless one: it takes
// requests that nobody signed, and for one request it ends one session and answers
// that all is well, though others of the same person live on.
func Mellon(t testing.TB, idp *IdP) *SP {
	t.Helper()
	Need(t, "EXEUNT_TEST_SAML")
	dir, entityID, key := folder(t), "https://mellon.example/sp", NewKey(t, "mellon.example")
	private, cert := key.PEM()
	write(t, filepath.Join(dir, "sp.key"), private)
	write(t, filepath.Join(dir, "sp.pem"), cert)
	write(t, filepath.Join(dir, "idp.xml"), idp.Metadata())
	s := apache(t, dir, func(s site) {
		fill(t, "mellon/module.conf", filepath.Join(dir, "module.conf"), s)
		fill(t, "mellon/sp.xml", filepath.Join(dir, "sp.xml"), struct{ URL, EntityID, Certificate string }{s.URL, entityID, key.Base64()})
	})
	metadata, err := os.ReadFile(filepath.Join(dir, "sp.xml"))
	if err != nil {
		t.Fatal(err)
	}
	return &SP{EntityID: entityID, URL: s.URL, Metadata: metadata, Cookie: "mellon-cookie", t: t}
}
