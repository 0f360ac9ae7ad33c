package saml

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/exeunt/exeunt/bridge/connector/internal/pair"
)

// XML namespaces.
const (
	nsMetadata = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsSupport  = "urn:oasis:names:tc:SAML:metadata:algsupport"
)

// How long metadata need not be read anew, at most, and at least if its
// cacheDuration says less.
const (
	freshMost  = time.Hour
	freshLeast = 5 * time.Minute
)

// read reads a partner out of metadata (SAML metadata, section 2): one entity,
// in the role that it is registered for. Errors hold nothing of the document but
// the names of its elements. crewjam's EntityDescriptor is not filled from it: that
// takes bytes, and what is good here is the part of the tree that was signed.
func (c PartnerConfig) read(data []byte) (knowledge, error) {
	root, err := parseMetadata(data)
	if err != nil {
		return knowledge{}, errors.New("it is not XML that may be read: " + err.Error())
	}
	pins := c.pins()
	signed := signedByPin(root, pins)
	if signed != nil {
		root = signed // from here on, only what was signed
	}
	entity, err := c.entity(root)
	if err != nil {
		return knowledge{}, err
	}
	if signed == nil {
		if signed = signedByPin(entity, pins); signed != nil {
			entity = signed
		}
	}
	role := c.descriptor(entity)
	if role == nil {
		return knowledge{}, fmt.Errorf("the entity has no %s that speaks SAML 2.0", c.Role.tag())
	}
	k := knowledge{Partner: Partner{Name: c.Name, EntityID: attribute(entity, "entityID"), Role: c.Role,
		Issuer: c.Issuer, CBC: c.AllowCBC}}
	if signed != nil {
		pins = nil // whoever signed vouches for the keys
	}
	if err := k.keys(role, pins); err != nil {
		return knowledge{}, err
	}
	if k.Endpoints, err = c.endpoints(role); err != nil {
		return knowledge{}, err
	}
	k.fresh = freshMost
	for _, e := range []*etree.Element{root, entity, role} {
		if err := k.limit(e); err != nil {
			return knowledge{}, err
		}
	}
	return k, nil
}

// pins are the fingerprints; those that are not good were refused before.
func (c PartnerConfig) pins() (pins [][sha256.Size]byte) {
	for _, p := range c.Pin {
		if sum, err := fingerprint(p); err == nil {
			pins = append(pins, sum)
		}
	}
	return pins
}

// signedByPin returns what a pinned certificate has signed of el, or nil. Which
// certificate that may be is read from the signature's KeyInfo, where anybody can
// write anything; that it is the pinned one is what its fingerprint shows.
func signedByPin(el *etree.Element, pins [][sha256.Size]byte) *etree.Element {
	good, err := sealOf(el)
	if len(pins) == 0 || err != nil {
		return nil
	}
	for _, s := range children(el, dsig.Namespace, "Signature") {
		for _, info := range children(s, dsig.Namespace, "KeyInfo") {
			for _, certificate := range certificates(info) {
				if !slices.Contains(pins, sha256.Sum256(certificate.Raw)) {
					continue
				}
				if signed, ok := good.by(certificate); ok {
					return signed
				}
			}
		}
	}
	return nil
}

// entity is the entity of this partner in a document.
func (c PartnerConfig) entity(root *etree.Element) (*etree.Element, error) {
	var all []*etree.Element
	switch {
	case is(root, nsMetadata, "EntityDescriptor"):
		all = []*etree.Element{root}
	case is(root, nsMetadata, "EntitiesDescriptor"):
		all = children(root, nsMetadata, "EntityDescriptor")
		if c.EntityID == "" && len(all) != 1 {
			return nil, fmt.Errorf("it describes %d entities; say with entity_id which it is", len(all))
		}
	default:
		return nil, errors.New("it is not SAML metadata: the root is neither an EntityDescriptor nor an EntitiesDescriptor")
	}
	if c.EntityID != "" {
		all = slices.DeleteFunc(all, func(e *etree.Element) bool { return attribute(e, "entityID") != c.EntityID })
	}
	if len(all) != 1 || attribute(all[0], "entityID") == "" {
		return nil, errors.New("the entity is not described in it, or more than once; entity_id must be its name in it, to the letter")
	}
	return all[0], nil
}

// tag is what metadata calls a role's description.
func (r Role) tag() string {
	if r == RoleIdP {
		return "IDPSSODescriptor"
	}
	return "SPSSODescriptor"
}

// descriptor is the entity's description in the role that it has for us.
func (c PartnerConfig) descriptor(entity *etree.Element) *etree.Element {
	for _, d := range children(entity, nsMetadata, c.Role.tag()) {
		if slices.Contains(strings.Fields(attribute(d, "protocolSupportEnumeration")), nsProtocol) {
			return d
		}
	}
	return nil
}

// keys reads the certificates of a role. That they have expired does not matter:
// metadata vouches for the key, and nothing else of a certificate is meant by it
// (SAML metadata interoperability profile, section 2.6.1).
func (k *knowledge) keys(role *etree.Element, pins [][sha256.Size]byte) error {
	feeble, others := 0, 0
	for _, d := range children(role, nsMetadata, "KeyDescriptor") {
		use := attribute(d, "use")
		for _, info := range children(d, dsig.Namespace, "KeyInfo") {
			for _, certificate := range certificates(info) {
				switch {
				case len(pins) > 0 && !slices.Contains(pins, sha256.Sum256(certificate.Raw)):
					others++
					continue
				case pair.Strong(certificate.PublicKey) != nil:
					feeble++
					continue
				}
				if use != "encryption" {
					k.Signing = append(k.Signing, certificate)
				}
				if _, rsa := certificate.PublicKey.(*rsa.PublicKey); rsa && use != "signing" && k.Encrypt == nil {
					k.Encrypt, k.GCM = certificate, slices.ContainsFunc(children(d, nsMetadata, "EncryptionMethod"),
						func(e *etree.Element) bool { return attribute(e, "Algorithm") == gcm })
				}
			}
		}
	}
	switch {
	case len(k.Signing) > 0:
		return nil
	case others > 0:
		return errors.New("it is not signed by a pinned certificate, and none of its keys is pinned; ask the partner which certificate is theirs, and set pin")
	case feeble > 0:
		return errors.New("its keys are too weak: RSA of 2048 bits is the least, or ECDSA of 256")
	}
	return errors.New("there is no certificate in it by which a message of the partner could be verified")
}

// certificates reads the certificates of a KeyInfo; what is none is left out.
func certificates(info *etree.Element) (list []*x509.Certificate) {
	for _, data := range children(info, dsig.Namespace, "X509Data") {
		for _, e := range children(data, dsig.Namespace, "X509Certificate") {
			der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(e.Text()), ""))
			if err != nil {
				continue
			}
			if c, err := x509.ParseCertificate(der); err == nil {
				list = append(list, c)
			}
		}
	}
	return list
}

// endpoints are where logout messages go, on the bindings that we speak. An address
// that is not good refuses the whole: a partner without it would silently be
// one that cannot be reached.
func (c PartnerConfig) endpoints(role *etree.Element) (list []Endpoint, err error) {
	for _, e := range children(role, nsMetadata, "SingleLogoutService") {
		p := Endpoint{Binding: Binding(attribute(e, "Binding")), Location: attribute(e, "Location"),
			ResponseURL: attribute(e, "ResponseLocation")}
		if !slices.Contains([]Binding{SOAP, Redirect, POST}, p.Binding) {
			continue
		}
		if e := c.CheckURL("", p.Location); e != nil {
			return nil, errors.New("a SingleLogoutService's Location " + e.Message)
		}
		if p.ResponseURL != "" {
			if e := c.CheckURL("", p.ResponseURL); e != nil {
				return nil, errors.New("a SingleLogoutService's ResponseLocation " + e.Message)
			}
		}
		list = append(list, p)
	}
	return list, nil
}

// limit heeds validUntil and cacheDuration of one element.
func (k *knowledge) limit(e *etree.Element) error {
	if text := attribute(e, "validUntil"); text != "" {
		until, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return errors.New("its validUntil is not a time in UTC")
		}
		if k.until.IsZero() || until.Before(k.until) {
			k.until = until
		}
	}
	if text := attribute(e, "cacheDuration"); text != "" {
		k.fresh = min(k.fresh, max(freshLeast, cached(text)))
	}
	return nil
}

// short is a duration (XML Schema, section 3.2.6) of less than a day.
var short = regexp.MustCompile(`^PT(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.\d*)?S)?$`)

// cached reads a cacheDuration. What is longer than a day, or none, is as long as
// anything may be kept.
func cached(text string) time.Duration {
	m := short.FindStringSubmatch(text)
	if m == nil {
		return freshMost
	}
	var d time.Duration
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
		n, _ := strconv.Atoi(m[i+1]) // "" is 0
		d += time.Duration(n) * unit
	}
	return d
}
