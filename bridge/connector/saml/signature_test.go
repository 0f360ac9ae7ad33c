package saml

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// forgeries are attacks on enveloped signatures: what comes of a scene is refused
// for the reason.
var forgeries = []struct {
	name  string
	want  Reason
	forge func(s scene) *etree.Element
}{
	{"nothing", "", func(s scene) *etree.Element { return s.good }},
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
	{"an empty SignedInfo", BadShape, func(s scene) *etree.Element {
		return signedInfo(s, s.unsigned(), idpKey(), func(info *etree.Element) { info.Child = nil })
	}},
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
func TestSignatureAttacks(t *testing.T) { try(t, signatureAttacks(t)) }

func signatureAttacks(t testing.TB) (all []attack) {
	for _, request := range []bool{true, false} {
		for _, by := range []Binding{SOAP, POST} {
			for _, f := range forgeries {
				all = append(all, attack{name: f.name, by: by, request: request, want: f.want,
					wire: enclosed(by, request, bytesOf(t, f.forge(newScene(t, request))))})
			}
		}
	}
	return all
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
	const both = "https://both.example"
	request, response := aRequest(), aResponse()
	request.Issuer, response.Issuer = both, both
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
			for kind, el := range map[bool]*etree.Element{true: request.Element(), false: response.Element()} {
				if b == SOAP && !kind {
					continue // it is known whose answer it is
				}
				w := newWorld()
				w.partners[RoleIdP][both] = Partner{Name: "both", EntityID: both, Role: RoleIdP,
					Signing: []*x509.Certificate{idpKey().Certificate}}
				w.partners[RoleSP][both] = Partner{Name: "both, as app", EntityID: both, Role: RoleSP,
					Signing: []*x509.Certificate{spKey().Certificate, newKey().Certificate}}
				m, err := w.bring(b, kind, sent(t, b, kind, el, c.key))
				if got := reason(t, err); got != c.want || m.From.Role != c.from {
					t.Errorf("%s, %s by %s: %q from %q", c.name, tagOf(kind), b, got, m.From.Role)
				}
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
