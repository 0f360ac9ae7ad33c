package saml

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// scene is one attack: what was signed by the identity provider, and what somebody
// would like to be believed.
type scene struct {
	testing.TB
	request bool
	good    *etree.Element // signed
	evil    *etree.Element // not signed, another ID, another name or status
}

func newScene(t testing.TB, request bool) scene {
	s := scene{TB: t, request: request}
	var good, evil *etree.Element
	if request {
		r := aRequest()
		good = r.Element()
		r.ID, r.Name.Value = NewID(), "eve@example.com"
		evil = r.Element()
	} else {
		r := aResponse()
		good = r.Element()
		r.ID, r.Second = NewID(), ""
		evil = r.Element()
	}
	s.good, s.evil = again(t, signed(t, good, idpKey())), evil
	return s
}

// again is an element as it is after being written and read: signed trees have no
// parents where they should.
func again(t testing.TB, el *etree.Element) *etree.Element {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(bytesOf(t, el)); err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

// take removes a child, or another element under el, and returns it.
func take(el *etree.Element, path string) *etree.Element {
	found := el.FindElement(path)
	if found == nil {
		panic("no " + path)
	}
	found.Parent().RemoveChild(found)
	return found
}

func set(el *etree.Element, key, value string) { el.RemoveAttr(key); el.CreateAttr(key, value) }

// after puts a child behind the Issuer, where a signature stands.
func after(el *etree.Element, child *etree.Element) {
	el.InsertChildAt(el.ChildElements()[0].Index()+1, child)
}

func ds(tag string, children ...*etree.Element) *etree.Element {
	el := etree.NewElement("ds:" + tag)
	el.CreateAttr("xmlns:ds", dsig.Namespace)
	for _, c := range children {
		el.AddChild(c)
	}
	return el
}

func extensions(children ...*etree.Element) *etree.Element {
	el := etree.NewElement("samlp:Extensions")
	for _, c := range children {
		el.AddChild(c)
	}
	return el
}

// signedInfo signs an element with a SignedInfo that was edited before: everything
// about the signature is in order but the edit.
func signedInfo(t testing.TB, el *etree.Element, key Pair, edit func(info *etree.Element)) *etree.Element {
	t.Helper()
	el = again(t, signed(t, el, key))
	info := el.FindElement("./Signature/SignedInfo")
	edit(info)
	canonical := canonicalOf(t, info)
	sum := sha256.Sum256(canonical)
	value, err := key.Private.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	el.FindElement("./Signature/SignatureValue").SetText(base64.StdEncoding.EncodeToString(value))
	return el
}

func canonicalOf(t testing.TB, info *etree.Element) []byte {
	t.Helper()
	alone := info.Copy()
	alone.CreateAttr("xmlns:ds", dsig.Namespace)
	canonical, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(alone)
	if err != nil {
		t.Fatal(err)
	}
	return canonical
}

// signedWith signs with another context than ours.
func signedWith(t testing.TB, el *etree.Element, key Pair, change func(*dsig.SigningContext)) *etree.Element {
	t.Helper()
	context, err := signing(key)
	if err != nil {
		t.Fatal(err)
	}
	change(context)
	signature, err := context.ConstructSignature(el.Copy(), true)
	if err != nil {
		t.Fatal(err)
	}
	el = el.Copy()
	after(el, signature)
	return el
}

func method(key, uri string) func(*etree.Element) {
	return func(info *etree.Element) { set(info.FindElement(key), "Algorithm", uri) }
}

// unsignedOf is what was signed, before it was.
func (s scene) unsigned() *etree.Element {
	el := s.good.Copy()
	take(el, "./Signature")
	return el
}

// onlySigned are attacks on enveloped signatures: what comes of a scene is refused
// for the reason.
var onlySigned = []struct {
	name  string
	want  Reason
	forge func(s scene) *etree.Element
}{
	{"unsigned", Unsigned, func(s scene) *etree.Element { return s.evil }},
	{"signature stripped", Unsigned, func(s scene) *etree.Element { return s.unsigned() }},

	// Signature wrapping, numbered as SAML Raider does, for messages.
	{"XSW 1: original in the signature", BadShape, func(s scene) *etree.Element {
		signature, original := take(s.good, "./Signature"), s.good
		signature.AddChild(original)
		after(s.evil, signature)
		return s.evil
	}},
	{"XSW 2: original before the signature", BadShape, func(s scene) *etree.Element {
		signature, original := take(s.good, "./Signature"), s.good
		after(s.evil, signature)
		after(s.evil, original)
		return s.evil
	}},
	{"XSW 3: the signed one as a child", BadShape, func(s scene) *etree.Element { after(s.evil, s.good); return s.evil }},
	{"XSW 4: the signed one behind all else", BadShape, func(s scene) *etree.Element { s.evil.AddChild(s.good); return s.evil }},
	{"XSW 5: signature here, original last", BadShape, func(s scene) *etree.Element {
		after(s.evil, take(s.good, "./Signature"))
		s.evil.AddChild(s.good)
		return s.evil
	}},
	{"XSW 6: original in the key info", BadShape, func(s scene) *etree.Element {
		signature := take(s.good, "./Signature")
		signature.FindElement("./KeyInfo").AddChild(s.good)
		after(s.evil, signature)
		return s.evil
	}},
	{"XSW 7: the signed one in Extensions", BadShape, func(s scene) *etree.Element {
		after(s.evil, extensions(s.good))
		return s.evil
	}},
	{"XSW 7b: original in Extensions, signature here", BadShape, func(s scene) *etree.Element {
		signature := take(s.good, "./Signature")
		after(s.evil, extensions(s.good))
		after(s.evil, signature)
		return s.evil
	}},
	{"XSW 8: original in an Object", BadShape, func(s scene) *etree.Element {
		signature := take(s.good, "./Signature")
		signature.AddChild(ds("Object", s.good))
		after(s.evil, signature)
		return s.evil
	}},
	{"XSW 9: the signed one deeper", BadShape, func(s scene) *etree.Element {
		after(s.evil, extensions(ds("Object", ds("Object", s.good))))
		return s.evil
	}},
	{"XSW 9b: the ID of the original", BadShape, func(s scene) *etree.Element {
		set(s.evil, "ID", attribute(s.good, "ID"))
		signature := take(s.good, "./Signature")
		after(s.evil, extensions(s.good))
		after(s.evil, signature)
		return s.evil
	}},
	{"XSW 9c: the ID of the original, which is in the key info", BadShape, func(s scene) *etree.Element {
		set(s.evil, "ID", attribute(s.good, "ID"))
		signature := take(s.good, "./Signature")
		signature.FindElement("./KeyInfo").AddChild(s.good)
		after(s.evil, signature)
		return s.evil
	}},
	{"the signature of another message", BadShape, func(s scene) *etree.Element {
		after(s.evil, take(s.good, "./Signature"))
		return s.evil
	}},
	{"the signature and ID of another message", BadSignature, func(s scene) *etree.Element {
		set(s.evil, "ID", attribute(s.good, "ID"))
		after(s.evil, take(s.good, "./Signature"))
		return s.evil
	}},

	{"an ID twice", BadShape, func(s scene) *etree.Element {
		el := s.unsigned()
		set(el.ChildElements()[1], "ID", attribute(el, "ID"))
		return signed(s, el, idpKey())
	}},
	{"an ID twice, in other spelling", BadShape, func(s scene) *etree.Element {
		el := s.unsigned()
		set(el.ChildElements()[1], "id", attribute(el, "ID"))
		return signed(s, el, idpKey())
	}},
	{"an ID twice, as xml:id", BadShape, func(s scene) *etree.Element {
		el := s.unsigned()
		set(el.ChildElements()[1], "xml:id", attribute(el, "ID"))
		return signed(s, el, idpKey())
	}},
	{"two IDs", BadShape, func(s scene) *etree.Element {
		el := s.unsigned()
		set(el, "Id", "_another")
		return signed(s, el, idpKey())
	}},
	{"an ID with a prefix", BadShape, func(s scene) *etree.Element {
		el := s.unsigned()
		id := attribute(el, "ID")
		el.RemoveAttr("ID")
		el.CreateAttr("samlp:ID", id)
		return signed(s, el, idpKey())
	}},
	{"no ID", BadShape, func(s scene) *etree.Element {
		el := s.unsigned()
		el.RemoveAttr("ID")
		return signed(s, el, idpKey())
	}},
	{"an empty ID", BadShape, func(s scene) *etree.Element {
		el := s.unsigned()
		set(el, "ID", "")
		return signed(s, el, idpKey())
	}},
	{"an ID that is an expression", BadShape, func(s scene) *etree.Element {
		el := s.unsigned()
		set(el, "ID", "xpointer(/)")
		return signed(s, el, idpKey())
	}},

	{"a name in the signature", BadShape, func(s scene) *etree.Element {
		s.good.FindElement("./Signature").AddChild(s.evil.ChildElements()[1])
		return s.good
	}},
	{"a name in an Object", BadShape, func(s scene) *etree.Element {
		s.good.FindElement("./Signature").AddChild(ds("Object", s.evil.ChildElements()[1]))
		return s.good
	}},
	{"an empty Object", BadShape, func(s scene) *etree.Element {
		s.good.FindElement("./Signature").AddChild(ds("Object"))
		return s.good
	}},
	{"two signatures", BadShape, func(s scene) *etree.Element { return signed(s, s.good, idpKey()) }},
	{"a second signature of the attacker", BadShape, func(s scene) *etree.Element { return signed(s, s.good, newKey()) }},
	{"the same signature twice", BadShape, func(s scene) *etree.Element {
		after(s.good, s.good.FindElement("./Signature").Copy())
		return s.good
	}},
	{"two SignedInfo", BadShape, func(s scene) *etree.Element {
		signature := s.good.FindElement("./Signature")
		signature.InsertChildAt(0, signature.FindElement("./SignedInfo").Copy())
		return s.good
	}},
	{"two KeyInfo", BadShape, func(s scene) *etree.Element {
		signature := s.good.FindElement("./Signature")
		signature.AddChild(signature.FindElement("./KeyInfo").Copy())
		return s.good
	}},
	{"the signature deeper", BadShape, func(s scene) *etree.Element {
		after(s.good, extensions(take(s.good, "./Signature")))
		return s.good
	}},
	{"the signature in the issuer", BadShape, func(s scene) *etree.Element {
		s.good.ChildElements()[0].AddChild(take(s.good, "./Signature"))
		return s.good
	}},
	{"two references", BadShape, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) {
			r := info.FindElement("./Reference").Copy()
			set(r, "URI", "#_another")
			info.AddChild(r)
		})
	}},
	{"a reference to everything", BadShape, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) { set(info.FindElement("./Reference"), "URI", "") })
	}},
	{"a reference to another ID", BadShape, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) { set(info.FindElement("./Reference"), "URI", "#_another") })
	}},
	{"a reference with another first character", BadShape, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) {
			r := info.FindElement("./Reference")
			set(r, "URI", "?"+attribute(r, "URI")[1:])
		})
	}},
	{"no reference", BadShape, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) { take(info, "./Reference") })
	}},
	{"no SignedInfo", BadShape, func(s scene) *etree.Element { take(s.good, "./Signature/SignedInfo"); return s.good }},
	{"no SignatureValue", BadShape, func(s scene) *etree.Element { take(s.good, "./Signature/SignatureValue"); return s.good }},
	{"an empty SignatureValue", BadShape, func(s scene) *etree.Element {
		s.good.FindElement("./Signature/SignatureValue").SetText("")
		return s.good
	}},
	{"SignatureValue of something", BadSignature, func(s scene) *etree.Element {
		s.good.FindElement("./Signature/SignatureValue").SetText("AAAA")
		return s.good
	}},
	{"SignatureValue with an element", BadShape, func(s scene) *etree.Element {
		s.good.FindElement("./Signature/SignatureValue").CreateElement("x")
		return s.good
	}},
	{"no DigestValue", BadShape, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) { take(info, "./Reference/DigestValue") })
	}},
	{"an empty DigestValue", BadSignature, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) { info.FindElement("./Reference/DigestValue").SetText("") })
	}},
	{"two DigestValues", BadShape, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) {
			r := info.FindElement("./Reference")
			r.AddChild(r.FindElement("./DigestValue").Copy())
		})
	}},

	{"XPath", BadAlgorithm, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), method("./Reference/Transforms/Transform", "http://www.w3.org/TR/1999/REC-xpath-19991116"))
	}},
	{"XPath filter", BadAlgorithm, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), method("./Reference/Transforms/Transform[2]", "http://www.w3.org/2002/06/xmldsig-filter2"))
	}},
	{"XSLT", BadAlgorithm, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), method("./Reference/Transforms/Transform", "http://www.w3.org/TR/1999/REC-xslt-19991116"))
	}},
	{"a third transform", BadAlgorithm, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) {
			transforms := info.FindElement("./Reference/Transforms")
			transforms.AddChild(transforms.ChildElements()[1].Copy())
		})
	}},
	{"one transform", BadAlgorithm, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) { take(info, "./Reference/Transforms/Transform[2]") })
	}},
	{"no transforms", BadShape, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) { take(info, "./Reference/Transforms") })
	}},
	{"a transform with parameters", BadAlgorithm, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) {
			info.FindElement("./Reference/Transforms/Transform[2]").CreateElement("ds:XPath").SetText("true()")
		})
	}},
	{"a digest of 8 bits", BadAlgorithm, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) {
			info.FindElement("./SignatureMethod").CreateElement("ds:HMACOutputLength").SetText("8")
		})
	}},
	{"canonical with comments", BadAlgorithm, func(s scene) *etree.Element {
		return signedWith(s, s.unsigned(), idpKey(), func(c *dsig.SigningContext) {
			c.Canonicalizer = dsig.MakeC14N10ExclusiveWithCommentsCanonicalizerWithPrefixList("")
		})
	}},
	{"canonical 1.1", BadAlgorithm, func(s scene) *etree.Element {
		return signedWith(s, s.unsigned(), idpKey(), func(c *dsig.SigningContext) { c.Canonicalizer = dsig.MakeC14N11Canonicalizer() })
	}},
	{"canonical 1.0", BadAlgorithm, func(s scene) *etree.Element {
		return signedWith(s, s.unsigned(), idpKey(), func(c *dsig.SigningContext) { c.Canonicalizer = dsig.MakeC14N10RecCanonicalizer() })
	}},
	{"SignedInfo canonical 1.1", BadAlgorithm, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), method("./CanonicalizationMethod", string(dsig.CanonicalXML11AlgorithmId)))
	}},
	{"rsa-sha1", BadAlgorithm, func(s scene) *etree.Element {
		return signedWith(s, s.unsigned(), idpKey(), func(c *dsig.SigningContext) { c.Hash = crypto.SHA1 })
	}},
	{"SHA-1 as digest", BadAlgorithm, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) {
			el := s.unsigned()
			canonical, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(el)
			if err != nil {
				s.Fatal(err)
			}
			sum := crypto.SHA1.New()
			sum.Write(canonical)
			method("./Reference/DigestMethod", sha1URI)(info)
			info.FindElement("./Reference/DigestValue").SetText(base64.StdEncoding.EncodeToString(sum.Sum(nil)))
		})
	}},
	{"MD5", BadAlgorithm, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), method("./SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"))
	}},
	{"DSA", BadAlgorithm, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), method("./SignatureMethod", "http://www.w3.org/2009/xmldsig11#dsa-sha256"))
	}},
	{"none", BadAlgorithm, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), method("./SignatureMethod", "none"))
	}},
	{"HMAC with the certificate as its key", BadAlgorithm, func(s scene) *etree.Element {
		el := signedInfo(s, s.unsigned(), newKey(), method("./SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"))
		mac := hmac.New(sha256.New, idpKey().Certificate.Raw)
		mac.Write(canonicalOf(s, el.FindElement("./Signature/SignedInfo")))
		el.FindElement("./Signature/SignatureValue").SetText(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		return el
	}},

	{"edited: an attribute", BadSignature, func(s scene) *etree.Element { s.good.CreateAttr("Consent", "yes"); return s.good }},
	{"edited: the instant", BadSignature, func(s scene) *etree.Element {
		set(s.good, "IssueInstant", instant(at.Add(time.Millisecond)))
		return s.good
	}},
	{"edited: what is last", BadSignature, func(s scene) *etree.Element {
		good, evil := s.good.ChildElements(), s.evil.ChildElements()
		s.good.RemoveChild(good[2])
		s.good.AddChild(evil[1])
		return s.good
	}},
	{"edited: text", BadSignature, func(s scene) *etree.Element { s.good.AddChild(etree.NewText("x")); return s.good }},
	{"a name added", BadSignature, func(s scene) *etree.Element { s.good.AddChild(s.evil.ChildElements()[1]); return s.good }},
	{"a name added in front", BadSignature, func(s scene) *etree.Element { after(s.good, s.evil.ChildElements()[1]); return s.good }},
	{"edited SignedInfo", BadSignature, func(s scene) *etree.Element {
		set(s.good.FindElement("./Signature/SignedInfo/SignatureMethod"), "Algorithm", dsig.RSASHA512SignatureMethod)
		return s.good
	}},
	{"a digest that fits, and a signature that does not", BadSignature, func(s scene) *etree.Element {
		set(s.evil, "ID", attribute(s.good, "ID"))
		info := again(s, signed(s, s.evil, newKey())).FindElement("./Signature/SignedInfo")
		signature := take(s.good, "./Signature")
		take(signature, "./SignedInfo")
		signature.InsertChildAt(0, info)
		after(s.evil, signature)
		return s.evil
	}},

	{"wrong key", BadSignature, func(s scene) *etree.Element { return signed(s, s.evil, newKey()) }},
	{"the attacker's own certificate", BadSignature, func(s scene) *etree.Element {
		el := again(s, signed(s, s.evil, newKey()))
		if el.FindElement("./Signature/KeyInfo/X509Data/X509Certificate") == nil {
			s.Fatal("there is no certificate")
		}
		return el
	}},
	{"the right certificate and a wrong key", BadSignature, func(s scene) *etree.Element {
		return signed(s, s.evil, Pair{Private: newKey().Private, Certificate: idpKey().Certificate})
	}},
	{"another partner's key", BadSignature, func(s scene) *etree.Element { return signed(s, s.evil, otherKey()) }},
	{"ECDSA of an RSA key", BadShape, func(s scene) *etree.Element { // 255 bytes are no pair
		return edited(s.good, func(el *etree.Element) {
			set(el.FindElement("./Signature/SignedInfo/SignatureMethod"), "Algorithm", dsig.ECDSASHA256SignatureMethod)
			el.FindElement("./Signature/SignatureValue").SetText(base64.StdEncoding.EncodeToString(make([]byte, 255)))
		})
	}},
	{"ECDSA of zeros", BadSignature, func(s scene) *etree.Element {
		return edited(s.good, func(el *etree.Element) {
			set(el.FindElement("./Signature/SignedInfo/SignatureMethod"), "Algorithm", dsig.ECDSASHA256SignatureMethod)
			el.FindElement("./Signature/SignatureValue").SetText(base64.StdEncoding.EncodeToString(make([]byte, 64)))
		})
	}},
}

func edited(el *etree.Element, edit func(*etree.Element)) *etree.Element { edit(el); return el }

// TestSignatureAttacks tries each of them on each binding that has enveloped
// signatures, for requests and responses, beside a twin that is in order.
func TestSignatureAttacks(t *testing.T) {
	for _, request := range []bool{true, false} {
		for _, b := range []Binding{SOAP, POST} {
			w := newWorld()
			if _, err := w.receive(b, request, bytesOf(t, newScene(t, request).good)); err != nil {
				t.Fatalf("%s of %s: the twin is refused: %v", tagOf(request), b, err)
			}
			for _, a := range onlySigned {
				w := newWorld()
				m, err := w.receive(b, request, bytesOf(t, a.forge(newScene(t, request))))
				if got := reason(t, err); got != a.want {
					t.Errorf("%s, %s by %s: got %q (%v), want %q", a.name, tagOf(request), b, got, err, a.want)
				}
				if m.Request != nil || m.Response != nil && m.Response.ID != "" || len(w.memory) > 0 {
					t.Errorf("%s, %s by %s: something is left of it", a.name, tagOf(request), b)
				}
			}
		}
	}
}

// TestKeyInfoIsNotRead: whatever it holds, the partner's key decides.
func TestKeyInfoIsNotRead(t *testing.T) {
	for name, edit := range map[string]func(s scene){
		"none":              func(s scene) { take(s.good, "./Signature/KeyInfo") },
		"empty":             func(s scene) { take(s.good, "./Signature/KeyInfo/X509Data") },
		"nonsense":          func(s scene) { s.good.FindElement("./Signature/KeyInfo/X509Data/X509Certificate").SetText("AAAA") },
		"somebody's":        func(s scene) { s.good.FindElement("./Signature/KeyInfo").CreateElement("ds:KeyName").SetText("eve") },
		"a name of another": func(s scene) { s.good.FindElement("./Signature/KeyInfo").AddChild(s.evil.ChildElements()[1]) },
	} {
		s := newScene(t, true)
		edit(s)
		m, err := newWorld().SOAP(t.Context(), soap(bytesOf(t, s.good)))
		if err != nil || m.Request.Name.Value != "ada@example.com" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeys: which keys of whom are good for what.
func TestKeys(t *testing.T) {
	both := aRequest()
	both.Issuer = "https://both.example"
	for _, c := range []struct {
		name string
		key  Pair
		from Role
		want Reason
	}{
		{"its key as identity provider", idpKey(), RoleIdP, ""},
		{"its key as app", spKey(), RoleSP, ""},
		{"its next key as app", newKey(), RoleSP, ""},
		{"a key that was removed", otherKey(), "", BadSignature},
		{"our own key", ourKey(), "", BadSignature},
	} {
		for _, b := range []Binding{SOAP, POST, Redirect} {
			w := newWorld()
			w.partners[RoleIdP][both.Issuer] = Partner{Name: "both", EntityID: both.Issuer, Role: RoleIdP,
				Signing: []*x509.Certificate{idpKey().Certificate}}
			w.partners[RoleSP][both.Issuer] = Partner{Name: "both, as app", EntityID: both.Issuer, Role: RoleSP,
				Signing: []*x509.Certificate{spKey().Certificate, newKey().Certificate}}
			var m Message
			var err error
			if b == Redirect {
				m, err = w.Redirect(t.Context(), queryOf(t, both.Element(), true, "", c.key))
			} else {
				m, err = w.receive(b, true, bytesOf(t, signed(t, both.Element(), c.key)))
			}
			if got := reason(t, err); got != c.want || m.From.Role != c.from {
				t.Errorf("%s by %s: %q from %q", c.name, b, got, m.From.Role)
			}
		}
	}
	// Of a partner that is an app only, the key does not make an identity provider.
	w := newWorld()
	r := aRequest()
	r.Issuer = spID
	m, err := w.SOAP(t.Context(), soap(bytesOf(t, signed(t, r.Element(), spKey()))))
	if err != nil || m.From.Role != RoleSP {
		t.Errorf("%v from %q", err, m.From.Role)
	}
}

// TestContentAttacks are messages that their issuer has signed properly, on every
// binding, and that are refused for what they say.
func TestContentAttacks(t *testing.T) {
	name := func(el *etree.Element) *etree.Element { return el.ChildElements()[1] }
	for _, a := range []struct {
		name string
		of   string // "request", "response"; "" is both
		want Reason
		edit func(el *etree.Element)
	}{
		{"nothing", "", "", func(*etree.Element) {}},
		{"just in time", "", "", func(el *etree.Element) { set(el, "IssueInstant", instant(at.Add(-skew))) }},
		{"stale", "", Stale, func(el *etree.Element) { set(el, "IssueInstant", instant(at.Add(-skew-1e6))) }},
		{"of ten years ago", "", Stale, func(el *etree.Element) { set(el, "IssueInstant", instant(at.AddDate(-10, 0, 0))) }},
		{"a little early", "", "", func(el *etree.Element) { set(el, "IssueInstant", instant(at.Add(skew))) }},
		{"future", "", Early, func(el *etree.Element) { set(el, "IssueInstant", instant(at.Add(skew+1e6))) }},
		{"of ten years ahead", "", Early, func(el *etree.Element) { set(el, "IssueInstant", instant(at.AddDate(10, 0, 0))) }},
		{"no instant", "", BadShape, func(el *etree.Element) { el.RemoveAttr("IssueInstant") }},
		{"no time zone", "", BadShape, func(el *etree.Element) { set(el, "IssueInstant", "2026-11-28T09:00:00") }},
		{"over", "request", Stale, func(el *etree.Element) { set(el, "NotOnOrAfter", instant(at.Add(-skew))) }},
		{"no end", "request", "", func(el *etree.Element) { el.RemoveAttr("NotOnOrAfter") }},
		{"an end that is no time", "request", BadShape, func(el *etree.Element) { set(el, "NotOnOrAfter", "never") }},

		{"another host", "", Misdirected, func(el *etree.Element) { set(el, "Destination", "https://sp.example/saml/slo") }},
		{"another scheme", "", Misdirected, func(el *etree.Element) { set(el, "Destination", "http://us.example/saml/slo") }},
		{"another path", "", Misdirected, func(el *etree.Element) { set(el, "Destination", endpoint+"/") }},
		{"more behind", "", Misdirected, func(el *etree.Element) { set(el, "Destination", endpoint+".evil.example") }},
		{"no destination", "not SOAPAnswer", Misdirected, func(el *etree.Element) { el.RemoveAttr("Destination") }},
		{"a destination with a prefix", "not SOAPAnswer", Misdirected, func(el *etree.Element) {
			el.RemoveAttr("Destination")
			el.CreateAttr("samlp:Destination", endpoint)
		}},

		{"an unknown issuer", "", UnknownIssuer, func(el *etree.Element) { el.ChildElements()[0].SetText("https://evil.example") }},
		{"a registered issuer that has other keys", "not SOAPAnswer", BadSignature, func(el *etree.Element) { el.ChildElements()[0].SetText(spID) }},
		{"an empty issuer", "", UnknownIssuer, func(el *etree.Element) { el.ChildElements()[0].SetText("") }},
		{"an issuer with space around", "", UnknownIssuer, func(el *etree.Element) { el.ChildElements()[0].SetText(" " + idpID) }},
		{"no issuer", "", UnknownIssuer, func(el *etree.Element) { el.RemoveChild(el.ChildElements()[0]) }},
		{"an issuer in another place", "", UnknownIssuer, func(el *etree.Element) { el.AddChild(el.RemoveChild(el.ChildElements()[0])) }},
		{"an issuer of another namespace", "", UnknownIssuer, func(el *etree.Element) { el.ChildElements()[0].Space = "samlp" }},
		{"an issuer that is a person", "", UnknownIssuer, func(el *etree.Element) {
			el.ChildElements()[0].CreateAttr("Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress")
		}},
		{"an issuer that says what it is", "", "", func(el *etree.Element) {
			el.ChildElements()[0].CreateAttr("Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:entity")
		}},
		{"two issuers", "", BadShape, func(el *etree.Element) { after(el, el.ChildElements()[0].Copy()) }},

		{"version 1.1", "", BadVersion, func(el *etree.Element) { set(el, "Version", "1.1") }},
		{"no version", "", BadVersion, func(el *etree.Element) { el.RemoveAttr("Version") }},
		{"another message", "", BadShape, func(el *etree.Element) { el.Tag = "AuthnRequest" }},
		{"a request as a response, or the other way round", "", BadShape, func(el *etree.Element) {
			el.Tag = map[string]string{tagRequest: tagResponse, tagResponse: tagRequest}[el.Tag]
		}},
		{"another namespace", "", BadShape, func(el *etree.Element) { set(el, "xmlns:samlp", "urn:oasis:names:tc:SAML:1.1:protocol") }},
		{"no namespace", "", BadShape, func(el *etree.Element) { el.Space = "" }},
		{"extensions", "", "", func(el *etree.Element) { after(el, extensions(etree.NewElement("x"))) }},
		{"a malformed ID", "", BadShape, func(el *etree.Element) { set(el, "ID", "1 2") }},

		{"nobody", "request", BadShape, func(el *etree.Element) { el.RemoveChild(name(el)) }},
		{"nothing but an issuer", "", BadShape, func(el *etree.Element) {
			for _, child := range el.ChildElements()[1:] {
				el.RemoveChild(child)
			}
		}},
		{"an empty name", "request", BadShape, func(el *etree.Element) { name(el).SetText("") }},
		{"two names", "request", BadShape, func(el *etree.Element) { after(el, name(el).Copy()) }},
		{"a name that is no text", "request", BadShape, func(el *etree.Element) { name(el).CreateElement("x").SetText("y") }},
		{"a name of another namespace", "request", BadShape, func(el *etree.Element) { name(el).Space = "samlp" }},
		{"a BaseID", "request", BadShape, func(el *etree.Element) { name(el).Tag = "BaseID" }},
		{"a name behind the sessions", "request", BadShape, func(el *etree.Element) { el.AddChild(el.RemoveChild(name(el))) }},
		{"an empty session", "request", BadShape, func(el *etree.Element) { el.CreateElement("samlp:SessionIndex") }},
		{"something behind the sessions", "request", BadShape, func(el *etree.Element) { el.CreateElement("samlp:Status") }},

		{"no status", "response", BadShape, func(el *etree.Element) { el.RemoveChild(name(el)) }},
		{"two statuses", "response", BadShape, func(el *etree.Element) { el.AddChild(name(el).Copy()) }},
		{"no status code", "response", BadShape, func(el *etree.Element) { name(el).RemoveChildAt(0) }},
		{"two status codes", "response", BadShape, func(el *etree.Element) { name(el).AddChild(name(el).ChildElements()[0].Copy()) }},
		{"two second codes", "response", BadShape, func(el *etree.Element) {
			code := name(el).ChildElements()[0]
			code.AddChild(code.ChildElements()[0].Copy())
		}},
		{"a status code without a value", "response", BadShape, func(el *etree.Element) { name(el).ChildElements()[0].RemoveAttr("Value") }},
		{"a word with the status", "response", "", func(el *etree.Element) { name(el).CreateElement("samlp:StatusMessage").SetText("bye") }},
	} {
		for _, request := range []bool{true, false} {
			for _, b := range []Binding{SOAP, POST, Redirect} {
				answer := b == SOAP && !request
				if a.of == "request" && !request || a.of == "response" && request || a.of == "not SOAPAnswer" && answer {
					continue
				}
				w := newWorld()
				s := newScene(t, request)
				el := s.unsigned()
				a.edit(el)
				var err error
				if b == Redirect {
					_, err = w.Redirect(t.Context(), queryOf(t, el, request, "", idpKey()))
				} else {
					_, err = w.receive(b, request, bytesOf(t, signed(t, el, idpKey())))
				}
				got := reason(t, err)
				if got != a.want {
					t.Errorf("%s, %s by %s: got %q (%v), want %q", a.name, tagOf(request), b, got, err, a.want)
				}
				if r, ok := err.(*Refusal); ok {
					known := slices.Contains([]Reason{Stale, Early, Misdirected, BadVersion}, got)
					if known && (r.Partner != "idp" || r.ID != attribute(el, "ID")) {
						t.Errorf("%s: it is not known whom to answer: %q %q", a.name, r.Partner, r.ID)
					}
					if len(w.memory) > 0 {
						t.Errorf("%s: it is remembered", a.name)
					}
				}
			}
		}
	}
}

// TestReplay: a message is good once, whatever it is wrapped in; but only messages
// of one issuer are the same.
func TestReplay(t *testing.T) {
	w := newWorld()
	r := aRequest()
	message := bytesOf(t, signed(t, r.Element(), idpKey()))
	if _, err := w.receive(SOAP, true, message); err != nil {
		t.Fatal(err)
	}
	for name, again := range map[string]func() error{
		"the same": func() error { _, err := w.receive(SOAP, true, message); return err },
		"by POST":  func() error { _, err := w.receive(POST, true, message); return err },
		"signed again": func() error {
			_, err := w.receive(SOAP, true, bytesOf(t, signed(t, r.Element(), idpKey())))
			return err
		},
		"in a query": func() error {
			_, err := w.Redirect(t.Context(), queryOf(t, r.Element(), true, "", idpKey()))
			return err
		},
		"until it's stale": func() error { w.now = at.Add(skew); _, err := w.receive(SOAP, true, message); return err },
	} {
		if got := reason(t, again()); got != Replayed {
			t.Errorf("%s: %q", name, got)
		}
	}
	w.now = at
	r.Issuer = spID
	if _, err := w.receive(SOAP, true, bytesOf(t, signed(t, r.Element(), spKey()))); err != nil {
		t.Errorf("an ID that another issuer has used: %v", err)
	}
	// A memory that cannot be asked is no reason to believe, nor one to refuse for good.
	r.ID = NewID()
	w.Fresh = func(context.Context, [32]byte, time.Time) (bool, error) { return true, context.DeadlineExceeded }
	m, err := w.receive(SOAP, true, bytesOf(t, signed(t, r.Element(), spKey())))
	if !errors.Is(err, context.DeadlineExceeded) || m.Request != nil {
		t.Errorf("a memory that cannot be asked: %v", err)
	}
}

// TestAnswers: what is taken for the answer to a request of ours.
func TestAnswers(t *testing.T) {
	sp := newWorld().partners[RoleSP][spID]
	good := aResponse()
	good.Issuer, good.Destination = spID, ""
	sign := func(r Response, key Pair) []byte { return soap(bytesOf(t, signed(t, r.Element(), key))) }
	other := good
	other.Issuer = otherID
	another := good
	another.InResponseTo = "_of_another"
	request := aRequest()
	request.Issuer = spID
	none := good
	none.InResponseTo = ""
	fault := `<e:Envelope xmlns:e="` + nsSOAP + `"><e:Body><e:Fault><faultcode>e:Server</faultcode></e:Fault></e:Body></e:Envelope>`
	for _, c := range []struct {
		name string
		body []byte
		want Reason
	}{
		{"in order", sign(good, spKey()), ""},
		{"to another request", sign(another, spKey()), Unasked},
		{"to no request", sign(none, spKey()), Unasked},
		{"of another app", sign(other, otherKey()), UnknownIssuer},
		{"signed by another app", sign(good, otherKey()), BadSignature},
		{"unsigned", soap(bytesOf(t, good.Element())), Unsigned},
		{"a page for people", []byte("<!DOCTYPE html><html><body>Sorry</body></html>"), BadXML},
		{"a page for people, in words", []byte("Internal Server Error"), BadXML},
		{"nothing", nil, BadXML},
		{"a fault", []byte(fault), BadShape},
		{"a request", soap(bytesOf(t, signed(t, request.Element(), spKey()))), BadShape},
		{"endless", bytes.Repeat([]byte("<a>"), 1<<20), BadXML},
	} {
		r, err := newWorld().SOAPAnswer(c.body, sp, "_asked")
		if got := reason(t, err); got != c.want || err == nil && r.Status != StatusSuccess {
			t.Errorf("%s: got %q (%v), want %q", c.name, got, err, c.want)
		}
	}
}

// TestEnvelopes: what SOAP may be around a message.
func TestEnvelopes(t *testing.T) {
	message := strings.TrimSpace(string(bytesOf(t, newScene(t, true).good)))
	evil := string(bytesOf(t, newScene(t, true).evil))
	const open, end = `<e:Envelope xmlns:e="` + nsSOAP + `" xmlns:wsa="urn:wsa">`, `</e:Envelope>`
	for _, c := range []struct {
		name, body string
		want       Reason
	}{
		{"plain", open + `<e:Body>` + message + `</e:Body>` + end, ""},
		{"declared and spaced", "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" + open + "\n <e:Body>\n" + message + "\n</e:Body>\n" + end + "\n", ""},
		{"a header", open + `<e:Header><wsa:To>x</wsa:To></e:Header><e:Body>` + message + `</e:Body>` + end, ""},
		{"a header that need not be understood", open + `<e:Header><wsa:To e:mustUnderstand="0">x</wsa:To></e:Header><e:Body>` + message + `</e:Body>` + end, ""},
		{"a header that must be understood", open + `<e:Header><wsa:To e:mustUnderstand="1">x</wsa:To></e:Header><e:Body>` + message + `</e:Body>` + end, BadShape},
		{"an evil message in the header", open + `<e:Header>` + evil + `</e:Header><e:Body>` + message + `</e:Body>` + end, ""},
		{"the signed message in the header", open + `<e:Header>` + message + `</e:Header><e:Body>` + evil + `</e:Body>` + end, Unsigned},
		{"no envelope", message, BadShape},
		{"SOAP 1.2", strings.ReplaceAll(open+`<e:Body>`+message+`</e:Body>`+end, nsSOAP, "http://www.w3.org/2003/05/soap-envelope"), BadShape},
		{"no body", open + message + end, BadShape},
		{"an empty body", open + `<e:Body/>` + end, BadShape},
		{"two bodies", open + `<e:Body>` + message + `</e:Body><e:Body>` + evil + `</e:Body>` + end, BadShape},
		{"two messages", open + `<e:Body>` + message + evil + `</e:Body>` + end, BadShape},
		{"two messages, evil first", open + `<e:Body>` + evil + message + `</e:Body>` + end, BadShape},
		{"two roots", open + `<e:Body>` + message + `</e:Body>` + end + evil, BadXML},
		{"a response that nobody asked for", open + `<e:Body>` + string(bytesOf(t, newScene(t, false).good)) + `</e:Body>` + end, BadShape},
	} {
		m, err := newWorld().SOAP(t.Context(), []byte(c.body))
		if got := reason(t, err); got != c.want || err == nil && m.Request.Name.Value != "ada@example.com" {
			t.Errorf("%s: got %q (%v), want %q", c.name, got, err, c.want)
		}
	}
}

// TestNamespacesOfTheEnvelope: a message may use what the envelope declares.
func TestNamespacesOfTheEnvelope(t *testing.T) {
	message := string(bytesOf(t, newScene(t, true).good))
	const declared = ` xmlns:samlp="` + nsProtocol + `"`
	if !strings.Contains(message, declared) {
		t.Fatal("nothing to move")
	}
	body := `<e:Envelope xmlns:e="` + nsSOAP + `"` + declared + `><e:Body>` + strings.Replace(message, declared, "", 1) + `</e:Body></e:Envelope>`
	if _, err := newWorld().SOAP(t.Context(), []byte(body)); err != nil {
		t.Error(err)
	}
	other := strings.Replace(body, nsProtocol, "urn:other", 1)
	if _, err := newWorld().SOAP(t.Context(), []byte(other)); reason(t, err) == "" {
		t.Error("another namespace, and still good")
	}
}
