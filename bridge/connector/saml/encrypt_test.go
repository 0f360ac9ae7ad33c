package saml

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// encrypted is our request with its name encrypted to ourselves, and not signed yet.
func encrypted(t testing.TB, authenticated bool) *etree.Element {
	t.Helper()
	el := aRequest().Element()
	if err := encryptName(el, Partner{Encrypt: ourKey().Certificate, GCM: authenticated}); err != nil {
		t.Fatal(err)
	}
	return el
}

func cipherText(el *etree.Element, path string) *etree.Element {
	return el.FindElement("./EncryptedID/EncryptedData/" + path + "CipherData/CipherValue")
}

const inKey = "KeyInfo/EncryptedKey/"

// change edits the bytes of a cipher text.
func change(el *etree.Element, edit func([]byte) []byte) {
	b, err := base64.StdEncoding.DecodeString(el.Text())
	if err != nil {
		panic(err)
	}
	el.SetText(base64.StdEncoding.EncodeToString(edit(b)))
}

// TestEncryptedNames on each binding: what is encrypted is what was signed.
func TestEncryptedNames(t *testing.T) {
	for _, authenticated := range []bool{true, false} {
		for _, b := range []Binding{SOAP, POST, Redirect} {
			el := encrypted(t, authenticated)
			if strings.Contains(string(bytesOf(t, el)), "ada@") {
				t.Fatal("it is not encrypted")
			}
			w := newWorld()
			p := w.partners[RoleIdP][idpID]
			p.CBC = true
			w.partners[RoleIdP][idpID] = p
			// The right key is not the first.
			w.Keys = func() []Pair { return []Pair{ellipticKey(t, elliptic.P256()), newKey(), ourKey()} }
			m, err := w.bring(b, true, sent(t, b, true, el, idpKey()))
			if err != nil || m.Request.Name != aRequest().Name || len(m.Request.Indexes) != 2 {
				t.Errorf("%s: %v %+v", b, err, m.Request)
			}
		}
	}
}

// TestEncryptedNameStandsAlone: it brings its namespaces along, for those who read it
// without its surroundings.
func TestEncryptedNameStandsAlone(t *testing.T) {
	name, err := decryptName(take(encrypted(t, true), "./EncryptedID"), []Pair{ourKey()}, false)
	if err != nil || !is(name, nsAssertion, "NameID") {
		t.Error(err, name)
	}
}

// TestEncryptionAttacks: nothing of it panics, and all of it is refused alike.
func TestEncryptionAttacks(t *testing.T) { try(t, encryptionAttacks(t)) }

func encryptionAttacks(t testing.TB) (all []attack) {
	for _, c := range []struct {
		name string
		gcm  bool
		cbc  bool // the partner is registered for it
		want Reason
		edit func(el *etree.Element)
	}{
		{"GCM", true, false, "", func(*etree.Element) {}},
		{"CBC of a partner that may", false, true, "", func(*etree.Element) {}},
		{"CBC of a partner that may not", false, false, BadEncryption, func(*etree.Element) {}},
		{"the key beside the data", true, false, "", func(el *etree.Element) {
			el.FindElement("./EncryptedID").AddChild(take(el, "./EncryptedID/EncryptedData/KeyInfo/EncryptedKey"))
			set(el.FindElement("./EncryptedID/EncryptedKey"), "xmlns:xenc", nsEncryption)
			set(el.FindElement("./EncryptedID/EncryptedKey"), "xmlns:ds", dsig.Namespace)
		}},
		{"GCM called CBC", true, true, BadEncryption, func(el *etree.Element) {
			set(el.FindElement("./EncryptedID/EncryptedData/EncryptionMethod"), "Algorithm", cbc)
		}},
		{"CBC called GCM", false, true, BadEncryption, func(el *etree.Element) {
			set(el.FindElement("./EncryptedID/EncryptedData/EncryptionMethod"), "Algorithm", gcm)
		}},
		{"a key of another length", true, false, BadEncryption, func(el *etree.Element) {
			set(el.FindElement("./EncryptedID/EncryptedData/EncryptionMethod"), "Algorithm", nsEncryption11+"aes128-gcm")
		}},
		{"3DES", false, true, BadEncryption, func(el *etree.Element) {
			set(el.FindElement("./EncryptedID/EncryptedData/EncryptionMethod"), "Algorithm", nsEncryption+"tripledes-cbc")
		}},
		{"no method", true, true, BadEncryption, func(el *etree.Element) { take(el, "./EncryptedID/EncryptedData/EncryptionMethod") }},
		{"an unknown method", true, true, BadEncryption, func(el *etree.Element) {
			set(el.FindElement("./EncryptedID/EncryptedData/EncryptionMethod"), "Algorithm", "urn:none")
		}},
		{"RSA of old", true, true, BadEncryption, func(el *etree.Element) {
			set(el.FindElement("./EncryptedID/EncryptedData/KeyInfo/EncryptedKey/EncryptionMethod"), "Algorithm", nsEncryption+"rsa-1_5")
		}},
		{"a key wrapped by AES", true, true, BadEncryption, func(el *etree.Element) {
			set(el.FindElement("./EncryptedID/EncryptedData/KeyInfo/EncryptedKey/EncryptionMethod"), "Algorithm", nsEncryption+"kw-aes256")
		}},
		{"another digest", true, true, BadEncryption, func(el *etree.Element) {
			set(el.FindElement("./EncryptedID/EncryptedData/KeyInfo/EncryptedKey/EncryptionMethod/DigestMethod"), "Algorithm", nsEncryption+"sha256")
		}},
		{"an unknown digest", true, true, BadEncryption, func(el *etree.Element) {
			set(el.FindElement("./EncryptedID/EncryptedData/KeyInfo/EncryptedKey/EncryptionMethod/DigestMethod"), "Algorithm", "urn:x")
		}},
		{"OAEP parameters", true, true, BadEncryption, func(el *etree.Element) {
			el.FindElement("./EncryptedID/EncryptedData/KeyInfo/EncryptedKey/EncryptionMethod").CreateElement("xenc:OAEPparams").SetText("AAAA")
		}},
		{"no key", true, true, BadEncryption, func(el *etree.Element) { take(el, "./EncryptedID/EncryptedData/KeyInfo") }},
		{"two keys", true, true, BadEncryption, func(el *etree.Element) {
			info := el.FindElement("./EncryptedID/EncryptedData/KeyInfo")
			info.AddChild(info.ChildElements()[0].Copy())
		}},
		{"no data", true, true, BadEncryption, func(el *etree.Element) { take(el, "./EncryptedID/EncryptedData") }},
		{"two data", true, true, BadEncryption, func(el *etree.Element) {
			id := el.FindElement("./EncryptedID")
			id.AddChild(id.ChildElements()[0].Copy())
		}},
		{"no cipher text", true, true, BadEncryption, func(el *etree.Element) { take(el, "./EncryptedID/EncryptedData/CipherData") }},
		{"a reference to a cipher text", true, true, BadEncryption, func(el *etree.Element) {
			el.FindElement("./EncryptedID/EncryptedData/CipherData/CipherValue").Tag = "CipherReference"
		}},
		{"an empty cipher text", true, true, BadEncryption, func(el *etree.Element) { cipherText(el, "").SetText("") }},
		{"no base64", true, true, BadEncryption, func(el *etree.Element) { cipherText(el, "").SetText("!") }},
		{"an endless cipher text", true, true, BadEncryption, func(el *etree.Element) { cipherText(el, "").SetText(strings.Repeat("A", 1<<15)) }},
		{"GCM shorter than its nonce", true, true, BadEncryption, func(el *etree.Element) {
			change(cipherText(el, ""), func(b []byte) []byte { return b[:5] })
		}},
		{"GCM shorter than its tag", true, true, BadEncryption, func(el *etree.Element) {
			change(cipherText(el, ""), func(b []byte) []byte { return b[:20] })
		}},
		{"GCM changed", true, true, BadEncryption, func(el *etree.Element) {
			change(cipherText(el, ""), func(b []byte) []byte { b[20] ^= 1; return b })
		}},
		{"CBC without data", false, true, BadEncryption, func(el *etree.Element) {
			change(cipherText(el, ""), func(b []byte) []byte { return b[:16] })
		}},
		{"CBC shorter than a block", false, true, BadEncryption, func(el *etree.Element) {
			change(cipherText(el, ""), func(b []byte) []byte { return b[:7] })
		}},
		{"CBC of no whole blocks", false, true, BadEncryption, func(el *etree.Element) {
			change(cipherText(el, ""), func(b []byte) []byte { return b[:len(b)-3] })
		}},
		{"CBC without padding", false, true, BadEncryption, func(el *etree.Element) {
			change(cipherText(el, ""), func(b []byte) []byte { return b[:len(b)-16] })
		}},
		{"a wrapped key that is short", true, true, BadEncryption, func(el *etree.Element) {
			change(cipherText(el, inKey), func(b []byte) []byte { return b[:10] })
		}},
		{"a wrapped key that was changed", true, true, BadEncryption, func(el *etree.Element) {
			change(cipherText(el, inKey), func(b []byte) []byte { b[20] ^= 1; return b })
		}},
		{"encrypted to another", true, true, BadEncryption, func(el *etree.Element) {
			take(el, "./EncryptedID")
			el.InsertChildAt(1, nameElement(aRequest().Name))
			if err := encryptName(el, Partner{Encrypt: newKey().Certificate, GCM: true}); err != nil {
				panic(err)
			}
		}},
		{"a name beside", true, true, BadShape, func(el *etree.Element) { after(el, nameElement(aRequest().Name)) }},
		{"two encrypted names", true, true, BadShape, func(el *etree.Element) { after(el, el.FindElement("./EncryptedID").Copy()) }},
		{"no name in it", true, true, BadShape, encrypting(`<a/>`)},
		{"an assertion in it", true, true, BadShape, encrypting(`<saml:Assertion xmlns:saml="` + nsAssertion + `"/>`)},
		{"a name of elsewhere in it", true, true, BadShape, encrypting(`<NameID>ada@example.com</NameID>`)},
		{"an encrypted name in it", true, true, BadShape, encrypting(`<saml:EncryptedID xmlns:saml="` + nsAssertion + `"/>`)},
		{"two names in it", true, true, BadEncryption, encrypting(`<saml:NameID>a</saml:NameID><saml:NameID>b</saml:NameID>`)},
		{"a comment in it", true, true, BadEncryption, encrypting(`<saml:NameID>ada@example.com<!-- -->.evil</saml:NameID>`)},
		{"a DTD in it", true, true, BadEncryption, encrypting(`<!DOCTYPE a [<!ENTITY x "y">]><saml:NameID>&x;</saml:NameID>`)},
		{"text in it", true, true, BadEncryption, encrypting(`ada@example.com`)},
		{"a name that counts on its surroundings", true, true, "", encrypting(`<saml:NameID>ada@example.com</saml:NameID>`)},
	} {
		for _, by := range []Binding{SOAP, POST, Redirect} {
			el := encrypted(t, c.gcm)
			c.edit(el)
			all = append(all, attack{name: c.name, by: by, request: true, want: c.want, id: attribute(el, "ID"), cbc: c.cbc,
				wire: sent(t, by, true, el, idpKey())})
		}
	}
	return all
}

// encrypting puts something else where the name was.
func encrypting(plain string) func(*etree.Element) {
	return func(el *etree.Element) {
		take(el, "./EncryptedID")
		id, err := encryptedID([]byte(plain), ourKey().Certificate.PublicKey.(*rsa.PublicKey), true)
		if err != nil {
			panic(err)
		}
		el.InsertChildAt(1, id)
	}
}

// TestNobodyTriesCiphertexts: before a signature is good, nothing is decrypted.
func TestNobodyTriesCiphertexts(t *testing.T) {
	for _, by := range []Binding{SOAP, POST, Redirect} {
		w, tried := newWorld(), 0
		w.Keys = func() []Pair { tried++; return []Pair{ourKey()} }
		el := encrypted(t, true)
		_, err := w.bring(by, true, sent(t, by, true, el, newKey()))
		if reason(t, err) != BadSignature || tried > 0 {
			t.Errorf("%s: %v, tried %d times", by, err, tried)
		}
		if _, err = w.bring(by, true, sent(t, by, true, el, idpKey())); err != nil || tried != 1 {
			t.Errorf("%s: %v, tried %d times", by, err, tried)
		}
	}
}

// TestWrapping reads keys that were encrypted by the newer RSA-OAEP too, whose mask
// is named.
func TestWrapping(t *testing.T) {
	key := make([]byte, 32)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := sealGCM(block, []byte(`<saml:NameID>ada@example.com</saml:NameID>`))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		method, digest, mask string
		options              rsa.OAEPOptions
	}{
		{oaepMGF1, "", "", rsa.OAEPOptions{Hash: crypto.SHA1}},
		{oaepMGF1, nsEncryption + "sha256", "", rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1}},
		{oaep, "", "", rsa.OAEPOptions{Hash: crypto.SHA1}},
		{oaep, nsEncryption + "sha256", nsEncryption11 + "mgf1sha256", rsa.OAEPOptions{Hash: crypto.SHA256}},
		{oaep, nsEncryption + "sha512", nsEncryption11 + "mgf1sha384", rsa.OAEPOptions{Hash: crypto.SHA512, MGFHash: crypto.SHA384}},
		{oaep, "http://www.w3.org/2001/04/xmldsig-more#sha384", nsEncryption11 + "mgf1sha512", rsa.OAEPOptions{Hash: crypto.SHA384, MGFHash: crypto.SHA512}},
		{oaep, "", nsEncryption11 + "mgf1sha1", rsa.OAEPOptions{Hash: crypto.SHA1}},
	} {
		wrapped, err := rsa.EncryptOAEPWithOptions(rand.Reader, ourKey().Certificate.PublicKey.(*rsa.PublicKey), key, &c.options)
		if err != nil {
			t.Fatal(err)
		}
		el := encrypted(t, true)
		m := el.FindElement("./EncryptedID/EncryptedData/KeyInfo/EncryptedKey/EncryptionMethod")
		set(m, "Algorithm", c.method)
		m.RemoveChildAt(0)
		if c.digest != "" {
			m.CreateElement("ds:DigestMethod").CreateAttr("Algorithm", c.digest)
		}
		if c.mask != "" {
			mask := m.CreateElement("e:MGF")
			mask.CreateAttr("xmlns:e", nsEncryption11)
			mask.CreateAttr("Algorithm", c.mask)
		}
		change(cipherText(el, inKey), func([]byte) []byte { return wrapped })
		change(cipherText(el, ""), func([]byte) []byte { return sealed })
		if _, err := newWorld().SOAP(t.Context(), soap(bytesOf(t, signed(t, el, idpKey())))); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// TestEncryptName says why it cannot.
func TestEncryptName(t *testing.T) {
	if err := encryptName(aResponse().Element(), Partner{Encrypt: ourKey().Certificate}); err == nil {
		t.Error("a response has no name")
	}
	for name, c := range map[string]*x509.Certificate{"ECDSA": ellipticKey(t, elliptic.P256()).Certificate, "none": nil} {
		el := aRequest().Element()
		before := bytesOf(t, el)
		if err := encryptName(el, Partner{Encrypt: c}); err == nil || !bytes.Equal(before, bytesOf(t, el)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
