package peers

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

// Shibboleth starts a Shibboleth SP: shibd, and Apache with mod_shib. It verifies
// what it is told strictly, and ends all sessions of a person at once. It answers
// 500 with HTML to what it refuses.
func Shibboleth(t testing.TB, idp *IdP) *SP {
	t.Helper()
	Need(t, "EXEUNT_TEST_SAML")
	dir, entityID := folder(t), "https://shibboleth.example/sp"
	private, cert := NewKey(t, "shibboleth.example").PEM()
	write(t, filepath.Join(dir, "sp.key"), private)
	write(t, filepath.Join(dir, "sp.pem"), cert)
	write(t, filepath.Join(dir, "idp.xml"), idp.Metadata())
	config := filepath.Join(dir, "shibboleth2.xml")
	fill(t, "shibboleth/shibboleth2.xml", config, struct{ Dir, EntityID, IdP string }{dir, entityID, idp.EntityID})

	shibd := start(t, dir, "/usr/sbin/shibd", "-F", "-f", "-c", config, "-p", filepath.Join(dir, "shibd.pid"), "-w", "30")
	// Whoever connects and says nothing while shibd starts breaks its memory now and
	// then, so it is only seen whether it listens.
	if !shibd.ready(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "shibd.sock"))
		return err == nil
	}) {
		t.Fatal("shibd does not start")
	}
	s := apache(t, dir, func(s site) { fill(t, "shibboleth/module.conf", filepath.Join(dir, "module.conf"), s) })
	sp := &SP{EntityID: entityID, URL: s.URL, Metadata: []byte(fetch(s.URL + "/Shibboleth.sso/Metadata")),
		Cookie: "_shibsession_" + hex.EncodeToString([]byte("default"+entityID)), t: t}
	if len(sp.Metadata) == 0 {
		t.Fatal("Shibboleth has no metadata")
	}
	return sp
}
