package saml

import (
	"crypto/elliptic"
	"crypto/x509"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRound sends what we write through what we read, on every binding and with
// every kind of key.
func TestRound(t *testing.T) {
	request, response := aRequest(), aResponse()
	request.Asynchronous = true
	request.Name.NameQualifier, request.Name.SPNameQualifier = "the idp", `us & "them" <`
	for name, key := range map[string]Pair{"RSA": idpKey(), "P-256": ellipticKey(t, elliptic.P256()),
		"P-384": ellipticKey(t, elliptic.P384()), "P-521": ellipticKey(t, elliptic.P521())} {
		for _, b := range []Binding{SOAP, POST, Redirect} {
			w := newWorld()
			p := w.partners[RoleIdP][idpID]
			p.Signing = []*x509.Certificate{newKey().Certificate, key.Certificate} // in rollover
			w.partners[RoleIdP][idpID] = p
			m, err := w.bring(b, true, sent(t, b, true, request.Element(), key))
			answer, err2 := w.bring(b, false, sent(t, b, false, response.Element(), key))
			if err != nil || err2 != nil {
				t.Fatalf("%s, %s: %v, %v", name, b, err, err2)
			}
			if d := cmp.Diff(&request, m.Request); d != "" {
				t.Errorf("%s, %s: %s", name, b, d)
			}
			if d := cmp.Diff(&response, answer.Response); d != "" {
				t.Errorf("%s, %s: %s", name, b, d)
			}
			if m.From.Name != "idp" || m.Binding != b || len(w.memory) == 0 {
				t.Errorf("%s, %s: from %q by %q, remembered %d", name, b, m.From.Name, m.Binding, len(w.memory))
			}
			for _, until := range w.memory {
				if until.Before(at.Add(2 * skew)) {
					t.Errorf("%s: forgotten after %v", b, until.Sub(at))
				}
			}
		}
	}
}
