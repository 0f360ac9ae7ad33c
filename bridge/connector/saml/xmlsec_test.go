package saml

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"github.com/exeunt/exeunt/testdata/peers"
)

// xmlsec is the program of the xmlsec library: a second opinion, on libxml2. Debian's
// Shibboleth and mellon stand on relatives of it.
type xmlsec struct {
	testing.TB
	program, folder string
}

func newXMLSec(t testing.TB) xmlsec {
	peers.Need(t, "EXEUNT_TEST_SAML")
	return xmlsec{t, "/usr/bin/xmlsec1", t.TempDir()}
}

func (x xmlsec) file(name string, data []byte) string {
	path := filepath.Join(x.folder, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		x.Fatal(err)
	}
	return path
}

func (x xmlsec) private(key Pair) string {
	der, err := x509.MarshalPKCS8PrivateKey(key.Private)
	if err != nil {
		x.Fatal(err)
	}
	return x.file("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func (x xmlsec) certificate(key Pair) string {
	return x.file("certificate.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: key.Certificate.Raw}))
}

func (x xmlsec) run(arguments ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	command := exec.Command(x.program, arguments...)
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if err != nil {
		x.Logf("xmlsec1 %s: %s", arguments[0], stderr.String())
	}
	return stdout.Bytes(), err
}

func idsOf(el *etree.Element) []string {
	return []string{"--id-attr:ID", el.NamespaceURI() + ":" + el.Tag}
}

// verify has it verify a signature by that key, and by no other that the message brings along.
func (x xmlsec) verify(el *etree.Element, message []byte, key Pair) error {
	arguments := append([]string{"--verify", "--enabled-key-data", "rsa,ecdsa", "--pubkey-cert-pem", x.certificate(key)}, idsOf(el)...)
	_, err := x.run(append(arguments, x.file("message.xml", message))...)
	return err
}

// TestXMLSecVerifiesOurs, and not if anything was changed.
func TestXMLSecVerifiesOurs(t *testing.T) {
	x := newXMLSec(t)
	for name, key := range map[string]Pair{"RSA": idpKey(), "P-256": ellipticKey(t, elliptic.P256()),
		"P-384": ellipticKey(t, elliptic.P384()), "P-521": ellipticKey(t, elliptic.P521())} {
		us := NewAuthority(Options{EntityID: idpID, BaseURL: "https://us.example", Keys: []string{keyFile(t, key)}, Now: time.Now})
		if err := us.Load(false); err != nil {
			t.Fatal(err)
		}
		metadata, err := us.Metadata(time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		description, err := parseMetadata(metadata)
		if err != nil {
			t.Fatal(err)
		}
		all := map[*etree.Element][]byte{description: metadata}
		for _, el := range []*etree.Element{aRequest().Element(), aResponse().Element(), encrypted(t, true)} {
			all[el] = bytesOf(t, signed(t, el, key))
		}
		for el, message := range all {
			if err := x.verify(el, message, key); err != nil {
				t.Errorf("%s, %s: %v", name, el.Tag, err)
			}
			if x.verify(el, bytes.Replace(message, []byte(idpID), []byte(spID), 1), key) == nil {
				t.Errorf("%s, %s: good although it was changed", name, el.Tag)
			}
			if x.verify(el, message, newKey()) == nil {
				t.Errorf("%s, %s: good by another key", name, el.Tag)
			}
		}
	}
}

// TestXMLSecSigns what we verify, by each method that is allowed.
func TestXMLSecSigns(t *testing.T) {
	x := newXMLSec(t)
	const more = "http://www.w3.org/2001/04/xmldsig-more#"
	keys := map[string]Pair{"rsa": idpKey(), "ecdsa": ellipticKey(t, elliptic.P384())}
	for _, kind := range []string{"rsa", "ecdsa"} {
		for method, digest := range map[string]string{
			"-sha256": nsEncryption + "sha256", "-sha384": more + "sha384", "-sha512": nsEncryption + "sha512",
		} {
			for _, prefixes := range []string{"", "samlp"} {
				el := again(t, signed(t, aRequest().Element(), keys[kind])) // as a template
				info := el.FindElement("./Signature/SignedInfo")
				set(info.FindElement("./SignatureMethod"), "Algorithm", more+kind+method)
				set(info.FindElement("./Reference/DigestMethod"), "Algorithm", digest)
				info.FindElement("./Reference/DigestValue").SetText("")
				el.FindElement("./Signature/SignatureValue").SetText("")
				take(el, "./Signature/KeyInfo")
				if prefixes != "" {
					list := info.FindElement("./Reference/Transforms/Transform[2]").CreateElement("ec:InclusiveNamespaces")
					list.CreateAttr("xmlns:ec", exclusive)
					list.CreateAttr("PrefixList", prefixes)
				}
				message, err := x.run(append([]string{"--sign", "--pkcs8-pem", x.private(keys[kind])},
					append(idsOf(el), x.file("template.xml", bytesOf(t, el)))...)...)
				if err != nil {
					t.Fatal(err)
				}
				w := newWorld()
				p := w.partners[RoleIdP][idpID]
				p.Signing = []*x509.Certificate{newKey().Certificate, keys[kind].Certificate}
				w.partners[RoleIdP][idpID] = p
				if m, err := w.receive(POST, true, message); err != nil || m.Request.Name != aRequest().Name {
					t.Errorf("%s%s, prefixes %q: %v", kind, method, prefixes, err)
				}
				changed := bytes.Replace(message, []byte("ada@"), []byte("eve@"), 1)
				if _, err := newWorld().receive(POST, true, changed); err == nil {
					t.Errorf("%s%s: good although it was changed", kind, method)
				}
			}
		}
	}
}

// TestXMLSecDecryptsOurs: names that we encrypt are read by whoever has the key.
func TestXMLSecDecryptsOurs(t *testing.T) {
	x := newXMLSec(t)
	for _, authenticated := range []bool{true, false} {
		plain, err := x.run("--decrypt", "--pkcs8-pem", x.private(ourKey()), x.file("message.xml", bytesOf(t, encrypted(t, authenticated))))
		if err != nil || !strings.Contains(string(plain), ">ada@example.com</saml:NameID>") {
			t.Errorf("%v: %s", err, plain)
		}
	}
}

// TestXMLSecEncrypts what we decrypt.
func TestXMLSecEncrypts(t *testing.T) {
	x := newXMLSec(t)
	for method, bits := range map[string]string{
		nsEncryption11 + "aes128-gcm": "128", nsEncryption11 + "aes192-gcm": "192", gcm: "256",
		nsEncryption + "aes128-cbc": "128", nsEncryption + "aes192-cbc": "192", cbc: "256",
	} {
		el := encrypted(t, true)
		data := take(el, "./EncryptedID/EncryptedData")
		set(data.FindElement("./EncryptionMethod"), "Algorithm", method)
		for _, value := range data.FindElements(".//CipherValue") {
			value.SetText("")
		}
		name := nameElement(aRequest().Name)
		out, err := x.run("--encrypt", "--pubkey-cert-pem", x.certificate(ourKey()), "--session-key", "aes-"+bits,
			"--xml-data", x.file("name.xml", bytesOf(t, name)), x.file("template.xml", bytesOf(t, data)))
		if err != nil {
			t.Fatal(err)
		}
		doc := etree.NewDocument()
		if err := doc.ReadFromBytes(out); err != nil {
			t.Fatal(err)
		}
		el.FindElement("./EncryptedID").AddChild(doc.Root())
		w := newWorld()
		p := w.partners[RoleIdP][idpID]
		p.CBC = true
		w.partners[RoleIdP][idpID] = p
		m, err := w.SOAP(t.Context(), soap(bytesOf(t, signed(t, el, idpKey()))))
		if err != nil || m.Request.Name != aRequest().Name {
			t.Errorf("%s: %v", method, err)
		}
	}
}
