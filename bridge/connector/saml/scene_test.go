package saml

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"testing"

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
