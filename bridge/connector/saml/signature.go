package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

const (
	exclusive     = string(dsig.CanonicalXML10ExclusiveAlgorithmId)
	enveloped     = string(dsig.EnvelopedSignatureAltorithmId)
	inclusiveTag  = dsig.InclusiveNamespacesTag
	longestSigned = 4 << 10 // of a SignatureValue, in characters
)

// signatureMethods are the algorithms of signatures that we take, and say in our metadata
// that we do (RFC 9231, sections 2.3.2 to 2.3.8): RSA and ECDSA with SHA-2, and nothing
// else. What we sign with goes first.
func signatureMethods() []signatureMethod {
	return []signatureMethod{
		{dsig.RSASHA256SignatureMethod, x509.SHA256WithRSA},
		{dsig.RSASHA384SignatureMethod, x509.SHA384WithRSA},
		{dsig.RSASHA512SignatureMethod, x509.SHA512WithRSA},
		{dsig.ECDSASHA256SignatureMethod, x509.ECDSAWithSHA256},
		{dsig.ECDSASHA384SignatureMethod, x509.ECDSAWithSHA384},
		{dsig.ECDSASHA512SignatureMethod, x509.ECDSAWithSHA512},
	}
}

type signatureMethod struct {
	uri       string
	algorithm x509.SignatureAlgorithm
}

// digestMethods are those of digests: SHA-2 (RFC 9231, section 2.1).
func digestMethods() []string {
	return []string{
		"http://www.w3.org/2001/04/xmlenc#sha256",
		"http://www.w3.org/2001/04/xmldsig-more#sha384",
		"http://www.w3.org/2001/04/xmlenc#sha512",
	}
}

// methodOf returns the algorithm of a signature method's URI; false if it is not allowed.
func methodOf(uri string) (x509.SignatureAlgorithm, bool) {
	for _, m := range signatureMethods() {
		if m.uri == uri {
			return m.algorithm, true
		}
	}
	return x509.UnknownSignatureAlgorithm, false
}

func isECDSA(a x509.SignatureAlgorithm) bool {
	return a == x509.ECDSAWithSHA256 || a == x509.ECDSAWithSHA384 || a == x509.ECDSAWithSHA512
}

// wellNamed are the IDs that are signed by reference: no reader takes one of them
// for something else than a name.
var wellNamed = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,255}$`)

// seal is an element with an enveloped signature whose shape and algorithms are as
// SAML wants them (core, section 5.4); who made it is not known yet.
type seal struct{ el *etree.Element }

// sealOf is the gate: goxmldsig looks for the first Signature anywhere that refers
// to the element, goes by its first fitting Reference, and knows SHA-1 and seven
// canonicalisations. Behind the gate there is nothing left to choose from.
func sealOf(el *etree.Element) (seal, error) {
	scope, err := etreeutils.NSBuildParentContext(el)
	if err == nil {
		el, err = etreeutils.NSDetatch(scope, el) // namespaces of the envelope come along
	}
	if err != nil {
		return seal{}, refuse(BadShape, "namespaces are not declared as they should be")
	}
	if !identified(el) {
		return seal{}, refuse(BadShape, "IDs are missing, doubled or malformed")
	}
	var signature *etree.Element
	for _, s := range signatures(el) {
		if signature != nil || s.Parent() != el {
			return seal{}, refuse(BadShape, "there is more than one signature, or one in another place")
		}
		signature = s
	}
	if signature == nil {
		return seal{}, refuse(Unsigned, "there is no signature")
	}
	if err := gate(signature, attribute(el, dsig.DefaultIdAttr)); err != nil {
		return seal{}, err
	}
	return seal{el}, nil
}

// identified reports whether el has an ID, and no ID is there twice in it, in any
// of the spellings that some reader takes for one.
func identified(el *etree.Element) bool {
	seen := map[string]bool{}
	var fine func(el *etree.Element) bool
	fine = func(el *etree.Element) bool {
		n := 0
		for _, a := range el.Attr {
			if !strings.EqualFold(a.Key, "id") || a.Space == "xmlns" {
				continue
			}
			if n++; n > 1 || seen[a.Value] {
				return false
			}
			seen[a.Value] = true
		}
		for _, child := range el.ChildElements() {
			if !fine(child) {
				return false
			}
		}
		return true
	}
	return wellNamed.MatchString(attribute(el, dsig.DefaultIdAttr)) && fine(el)
}

// signatures are all in and under el.
func signatures(el *etree.Element) (found []*etree.Element) {
	if is(el, dsig.Namespace, dsig.SignatureTag) {
		found = append(found, el)
	}
	for _, child := range el.ChildElements() {
		found = append(found, signatures(child)...)
	}
	return found
}

// gate holds a signature against the one shape and the few algorithms that are
// allowed, drops its KeyInfo (whoever signs is known by keys that were registered),
// and writes its value as goxmldsig reads it.
func gate(signature *etree.Element, id string) error {
	parts, ok := exactly(signature, dsig.Namespace, dsig.SignedInfoTag, dsig.SignatureValueTag)
	if !ok {
		if parts, ok = exactly(signature, dsig.Namespace, dsig.SignedInfoTag, dsig.SignatureValueTag, dsig.KeyInfoTag); ok {
			signature.RemoveChild(parts[2])
		}
	}
	if !ok {
		return refuse(BadShape, "the signature has other parts than it should")
	}
	value := parts[1]
	info, ok := exactly(parts[0], dsig.Namespace, dsig.CanonicalizationMethodTag, dsig.SignatureMethodTag, dsig.ReferenceTag)
	if !ok {
		return refuse(BadShape, "SignedInfo has other parts than it should")
	}
	canonical, method, reference := info[0], info[1], info[2]
	what, ok := exactly(reference, dsig.Namespace, dsig.TransformsTag, dsig.DigestMethodTag, dsig.DigestValueTag)
	if !ok || attribute(reference, dsig.URIAttr) != "#"+id {
		return refuse(BadShape, "the signature is not of this element")
	}
	transforms, ok := exactly(what[0], dsig.Namespace, dsig.TransformTag, dsig.TransformTag)
	if !ok {
		return refuse(BadAlgorithm, "there are other transforms than two")
	}
	algorithm, known := methodOf(attribute(method, dsig.AlgorithmAttr))
	switch _, prefixes := exactly(transforms[1], exclusive, inclusiveTag); {
	case !known, !slices.Contains(digestMethods(), attribute(what[1], dsig.AlgorithmAttr)),
		attribute(canonical, dsig.AlgorithmAttr) != exclusive,
		attribute(transforms[0], dsig.AlgorithmAttr) != enveloped,
		attribute(transforms[1], dsig.AlgorithmAttr) != exclusive:
		return refuse(BadAlgorithm, "the signature has an algorithm that is not allowed")
	case len(canonical.ChildElements())+len(method.ChildElements())+len(what[1].ChildElements())+
		len(transforms[0].ChildElements()) > 0, len(transforms[1].ChildElements()) > 0 && !prefixes:
		return refuse(BadAlgorithm, "an algorithm has parameters that are not allowed")
	}
	return rewriteValue(value, algorithm)
}

// rewriteValue writes a SignatureValue in one line; of ECDSA, as ASN.1: XML has the
// two numbers side by side (RFC 9231, section 2.3.6), but goxmldsig wants DER.
func rewriteValue(value *etree.Element, algorithm x509.SignatureAlgorithm) error {
	encoded, ok := text(value)
	if !ok || len(encoded) > longestSigned {
		return refuse(BadShape, "SignatureValue holds more than a value")
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(strings.Join(strings.Fields(encoded), ""))
	if err != nil || len(signature) == 0 {
		return refuse(BadShape, "SignatureValue holds no value")
	}
	if isECDSA(algorithm) {
		if signature, err = toASN1(signature); err != nil {
			return refuse(BadShape, "SignatureValue is not of ECDSA")
		}
	}
	value.SetText(base64.StdEncoding.EncodeToString(signature))
	return nil
}

type pairOfNumbers struct{ R, S *big.Int }

func toASN1(raw []byte) ([]byte, error) {
	half := len(raw) / 2
	if half == 0 || len(raw)%2 != 0 {
		return nil, errors.New("two numbers of the same length are wanted")
	}
	return asn1.Marshal(pairOfNumbers{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
}

func fromASN1(der []byte, key *ecdsa.PublicKey) ([]byte, error) {
	var n pairOfNumbers
	if _, err := asn1.Unmarshal(der, &n); err != nil {
		return nil, err
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	raw := make([]byte, 2*size)
	n.R.FillBytes(raw[:size])
	n.S.FillBytes(raw[size:])
	return raw, nil
}

// by returns what the holder of a key has signed, and that is all that may be read
// from then on: the canonical form whose digest was compared, parsed again, without
// the signature. Certificates only carry keys here: those of partners were
// registered, so nobody asks whether they have expired.
func (s seal) by(c *x509.Certificate) (*etree.Element, bool) {
	context := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{c}})
	context.Clock = dsig.NewFakeClockAt(c.NotBefore)
	el, err := context.Validate(s.el)
	return el, err == nil
}

// signedBy reports whether the holder of a key has signed text, for bindings that
// carry a signature beside the message.
func signedBy(c *x509.Certificate, algorithm x509.SignatureAlgorithm, text, signature []byte) bool {
	if isECDSA(algorithm) {
		var err error
		if signature, err = toASN1(signature); err != nil {
			return false
		}
	}
	return c.CheckSignature(algorithm, text, signature) == nil
}

// hashFor returns with what hash a key signs.
func hashFor(public crypto.PublicKey) crypto.Hash {
	if key, ok := public.(*ecdsa.PublicKey); ok {
		switch bits := key.Curve.Params().BitSize; {
		case bits > 384:
			return crypto.SHA512
		case bits > 256:
			return crypto.SHA384
		}
	}
	return crypto.SHA256
}

func signing(key Pair) (*dsig.SigningContext, error) {
	context, err := dsig.NewSigningContext(key.Private, [][]byte{key.Certificate.Raw})
	if err != nil {
		return nil, err
	}
	context.Hash = hashFor(key.Private.Public())
	context.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	return context, nil
}

// Sign returns a copy of a message, or of metadata, with an enveloped signature where
// the schemas have it: right after the Issuer, or first.
func Sign(el *etree.Element, key Pair) (*etree.Element, error) {
	context, err := signing(key)
	if err != nil {
		return nil, err
	}
	signature, err := context.ConstructSignature(el.Copy(), true) // which changes what it is given
	if err != nil {
		return nil, err
	}
	if public, ok := key.Private.Public().(*ecdsa.PublicKey); ok {
		value := signature.ChildElements()[1]
		der, err := base64.StdEncoding.DecodeString(value.Text())
		if err != nil {
			return nil, err
		}
		raw, err := fromASN1(der, public)
		if err != nil {
			return nil, err
		}
		value.SetText(base64.StdEncoding.EncodeToString(raw))
	}
	signed, at := el.Copy(), 0
	if children := signed.ChildElements(); len(children) > 0 && is(children[0], nsAssertion, "Issuer") {
		at = children[0].Index() + 1
	}
	signed.InsertChildAt(at, signature)
	return signed, nil
}

// write returns the bytes of an element, in a form that reads as it was signed.
func write(el *etree.Element) ([]byte, error) {
	doc := etree.NewDocument()
	doc.WriteSettings = etree.WriteSettings{CanonicalEndTags: true, CanonicalText: true, CanonicalAttrVal: true}
	doc.SetRoot(el.Copy())
	return doc.WriteToBytes()
}
