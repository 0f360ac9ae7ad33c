package saml

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"

	"github.com/exeunt/exeunt/bridge"
)

// The people of these tests: we are https://us.example, and idp, sp and other are partners.
const (
	us       = "https://us.example/saml"
	endpoint = "https://us.example/saml/slo"
	idpID    = "https://idp.example"
	spID     = "https://sp.example"
	otherID  = "https://other.example"
)

var at = time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)

// made are the keys of all tests: they take long to make.
var made = sync.OnceValue(func() (keys [5]Pair) {
	for i := range keys {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = certified(private)
	}
	return keys
})

// certified has a certificate that expired long ago: nobody is to care.
func certified(private crypto.Signer) Pair {
	return signedFor(private, at.AddDate(-3, 0, 0), at.AddDate(-2, 0, 0))
}

func signedFor(private crypto.Signer, from, until time.Time) Pair {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return Pair{Private: private, Certificate: certificate}
}

func ellipticKey(t testing.TB, curve elliptic.Curve) Pair {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certified(private)
}

func ourKey() Pair   { return made()[0] }
func idpKey() Pair   { return made()[1] }
func spKey() Pair    { return made()[2] }
func otherKey() Pair { return made()[3] }
func newKey() Pair   { return made()[4] }

// world is a verifier with partners and a memory.
type world struct {
	*Verifier
	partners map[Role]map[string]Partner
	memory   map[[32]byte]time.Time
	now      time.Time
}

func newWorld() *world {
	w := &world{memory: map[[32]byte]time.Time{}, now: at, partners: map[Role]map[string]Partner{
		RoleIdP: {idpID: {Name: "idp", EntityID: idpID, Role: RoleIdP, Signing: []*x509.Certificate{idpKey().Certificate}}},
		RoleSP: {
			spID:    {Name: "sp", EntityID: spID, Role: RoleSP, Signing: []*x509.Certificate{spKey().Certificate}},
			otherID: {Name: "other", EntityID: otherID, Role: RoleSP, Signing: []*x509.Certificate{otherKey().Certificate}},
		}}}
	w.Verifier = &Verifier{Endpoint: endpoint,
		Trust: func(issuer string, role Role) (Partner, bool) { p, ok := w.partners[role][issuer]; return p, ok },
		Keys:  func() []Pair { return []Pair{ourKey()} },
		Now:   func() time.Time { return w.now },
		Fresh: func(_ context.Context, key [32]byte, until time.Time) (bool, error) {
			if w.memory[key].After(w.now) {
				return false, nil
			}
			w.memory[key] = until
			return true, nil
		}}
	return w
}

func aRequest() Request {
	return Request{ID: NewID(), Issuer: idpID, Destination: endpoint, Issued: at, NotOnOrAfter: at.Add(5 * time.Minute),
		Name:    bridge.NameID{Value: "ada@example.com", Format: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"},
		Indexes: []string{"s1", "s2"}}
}

func aResponse() Response {
	return Response{ID: NewID(), Issuer: idpID, Destination: endpoint, Issued: at, InResponseTo: "_asked",
		Status: StatusSuccess, Second: StatusPartialLogout}
}

// instant writes a time as messages and metadata have it.
func instant(t time.Time) string { return crewjam.RelaxedTime(t).String() }

// bytesOf is a message on the wire of a binding with an enveloped signature.
func bytesOf(t testing.TB, el *etree.Element) []byte {
	t.Helper()
	b, err := write(el)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func signed(t testing.TB, el *etree.Element, key Pair) *etree.Element {
	t.Helper()
	el, err := Sign(el, key)
	if err != nil {
		t.Fatal(err)
	}
	return el
}

func soap(message []byte) []byte {
	return []byte(`<e:Envelope xmlns:e="` + nsSOAP + `"><e:Body>` + string(message) + `</e:Body></e:Envelope>`)
}

func form(param string, message []byte) []byte {
	return []byte(url.Values{param: {base64.StdEncoding.EncodeToString(message)}, "RelayState": {"state"}}.Encode())
}

// receive brings a message with an enveloped signature to the verifier by a binding.
func (w *world) receive(b Binding, request bool, message []byte) (Message, error) {
	return w.bring(b, request, enclosed(b, request, message))
}

// queryOf returns the query of a link.
func queryOf(t testing.TB, el *etree.Element, request bool, relayState string, key Pair) string {
	t.Helper()
	link, err := RedirectURL(endpoint, el, request, relayState, key)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(link, "?")
	return query
}

// reason returns why a message was refused; "" if it was not.
func reason(t testing.TB, err error) Reason {
	t.Helper()
	var r *Refusal
	if err != nil && !errors.As(err, &r) {
		t.Fatalf("not a refusal: %v", err)
	}
	if r == nil {
		return ""
	}
	return r.Reason
}

// until waits for a condition.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	late := time.After(20 * time.Second)
	for !is() {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("it did not come to be that %s", what)
		}
	}
}
