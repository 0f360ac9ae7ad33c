package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// Provider is a service provider of SAML 2.0, which people are signed in to from
// elsewhere. It is strict: a LogoutRequest must be signed by whom it has its
// sessions from, meant for it, fresh, new, and name somebody exactly as they were
// named when they signed in. It has no code in common with exeunt's own SAML.
//
//	GET  /page      200 with the cookie of a session, else 302
//	POST /slo       SOAP; a message that is not good is answered 500 with a page, as Shibboleth does
//	GET  /metadata
type Provider struct {
	*App
	certificate []byte
}

// Federation is whom a provider has its sessions from, and how it is.
type Federation struct {
	Issuer       string
	Certificates []*x509.Certificate // of the issuer
	Key          *rsa.PrivateKey     // of the provider; nil makes one, which takes a while
	OneByOne     bool                // a request ends one session, and Success is said, as mellon does
	Always       bool                // Success is said even where there is no session
	// Reply changes an answer before it is signed; returning nil sends it unsigned.
	Reply func(response *etree.Element, key *rsa.PrivateKey) *rsa.PrivateKey
}

// Guest is a session's holder, as an identity provider named them.
type Guest struct{ Value, Format, NameQualifier, SPNameQualifier string }

// StartProvider starts one. Users of the options are not used: see [Provider.SignIn].
func StartProvider(o Options, f Federation) (*Provider, error) {
	if f.Key == nil {
		var err error
		if f.Key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, err
		}
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "provider"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, f.Key.Public(), f.Key)
	if err != nil {
		return nil, err
	}
	w := &lodge{federation: f, certificate: certificate, guests: map[string]guest{}, seen: map[string]bool{}}
	app, err := start(o, w)
	if err != nil {
		return nil, err
	}
	app.mu.Lock()
	defer app.mu.Unlock()
	w.url = app.url
	return &Provider{App: app, certificate: certificate}, nil
}

// EntityID is the provider's name, PageURL the page that needs a session, and
// LogoutURL takes logout messages.
func (p *Provider) EntityID() string  { return p.url + "/metadata" }
func (p *Provider) PageURL() string   { return p.url + "/page" }
func (p *Provider) LogoutURL() string { return p.url + "/slo" }

// Metadata is the provider's own.
func (p *Provider) Metadata() []byte {
	return []byte(fmt.Sprintf(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="%s" entityID="%s">
  <SPSSODescriptor protocolSupportEnumeration="%s">
    <KeyDescriptor><ds:KeyInfo><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>
    <SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="%s"/>
    <AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="%s/acs" index="0"/>
  </SPSSODescriptor>
</EntityDescriptor>
`, dsig.Namespace, p.EntityID(), samlp, base64.StdEncoding.EncodeToString(p.certificate), p.LogoutURL(), p.url))
}

// SignIn begins a session, and returns its cookie's value and SessionIndex.
func (p *Provider) SignIn(g Guest) (cookie, index string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cookie, index = random(), random()
	p.live.(*lodge).guests[cookie] = guest{g, index}
	return cookie, index
}

// SignOut ends all sessions of somebody from within.
func (p *Provider) SignOut(g Guest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.live.(*lodge).guests, func(_ string, s guest) bool { return s.Guest == g })
}

// SignedIn counts the sessions of somebody; of all, if g is empty.
func (p *Provider) SignedIn(g Guest) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.live.(*lodge).guests {
		if s.Guest == g || g == (Guest{}) {
			n++
		}
	}
	return n
}

// guest is one session.
type guest struct {
	Guest
	index string
}

type lodge struct {
	federation  Federation
	certificate []byte
	url         string
	guests      map[string]guest // by cookie
	seen        map[string]bool  // message IDs
	done        []Change
}

func (p *lodge) copy() world {
	c := *p
	c.guests, c.seen, c.done = maps.Clone(p.guests), maps.Clone(p.seen), slices.Clone(p.done)
	return &c
}

func (p *lodge) changes() []Change { return p.done }

func (p *lodge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /page":
		admit(w, r, p.guests, p.federation.Issuer)
	case "POST /slo":
		body, err := io.ReadAll(r.Body)
		var request *etree.Element
		if err == nil {
			request, err = p.verified(body)
		}
		if err != nil {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusInternalServerError)
			io.WriteString(w, "<!DOCTYPE html>\n<html><body><h1>opensaml::FatalProfileException</h1><p>"+err.Error()+"</p></body></html>\n")
			return
		}
		w.Header().Set("Content-Type", "text/xml")
		w.Write(p.answer(request))
	default:
		http.NotFound(w, r)
	}
}

const (
	samlp = "urn:oasis:names:tc:SAML:2.0:protocol"
	saml  = "urn:oasis:names:tc:SAML:2.0:assertion"
	soap  = "http://schemas.xmlsoap.org/soap/envelope/"

	statusCode = "urn:oasis:names:tc:SAML:2.0:status:"
	samlTime   = "2006-01-02T15:04:05Z"
)

// verified returns what the issuer signed, if it is a LogoutRequest to be obeyed.
func (p *lodge) verified(body []byte) (*etree.Element, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(body); err != nil {
		return nil, err
	}
	request := doc.FindElement("/Envelope/Body/LogoutRequest")
	if request == nil || len(request.Parent().ChildElements()) != 1 {
		return nil, fmt.Errorf("not a LogoutRequest by SOAP")
	}
	var signed *etree.Element
	var err error
	for _, c := range p.federation.Certificates {
		context := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{c}})
		if signed, err = context.Validate(request.Copy()); err == nil {
			break
		}
	}
	if signed == nil {
		return nil, fmt.Errorf("not signed by the issuer: %v", err)
	}
	at, _ := time.Parse(time.RFC3339, signed.SelectAttrValue("IssueInstant", ""))
	until, _ := time.Parse(time.RFC3339, signed.SelectAttrValue("NotOnOrAfter", ""))
	id, issuer, now := signed.SelectAttrValue("ID", ""), signed.SelectElement("Issuer"), time.Now()
	switch {
	case issuer == nil || issuer.Text() != p.federation.Issuer:
		return nil, fmt.Errorf("another issuer")
	case signed.SelectAttrValue("Destination", "") != p.url+"/slo":
		return nil, fmt.Errorf("meant for another")
	case signed.SelectAttrValue("Version", "") != "2.0" || at.Before(now.Add(-time.Minute)) || at.After(now.Add(time.Minute)) || !until.After(now):
		return nil, fmt.Errorf("not of now")
	case id == "" || p.seen[id]:
		return nil, fmt.Errorf("seen before")
	}
	p.seen[id] = true
	return signed, nil
}

// answer carries out a request, and says so.
func (p *lodge) answer(request *etree.Element) []byte {
	var named Guest
	if e := request.SelectElement("NameID"); e != nil {
		named = Guest{e.Text(), e.SelectAttrValue("Format", ""), e.SelectAttrValue("NameQualifier", ""), e.SelectAttrValue("SPNameQualifier", "")}
	}
	var indexes []string
	for _, e := range request.SelectElements("SessionIndex") {
		indexes = append(indexes, e.Text())
	}
	ended := 0
	for _, cookie := range slices.Sorted(maps.Keys(p.guests)) {
		s := p.guests[cookie]
		if s.Guest != named || len(indexes) > 0 && !slices.Contains(indexes, s.index) || p.federation.OneByOne && ended > 0 {
			continue
		}
		ended++
		delete(p.guests, cookie)
		p.done = append(p.done, Change{named.Value, "session ended", time.Now()})
	}
	id := make([]byte, 16)
	rand.Read(id)
	response := etree.NewElement("samlp:LogoutResponse")
	for _, a := range [][2]string{{"xmlns:samlp", samlp}, {"xmlns:saml", saml}, {"ID", "_" + hex.EncodeToString(id)}, {"Version", "2.0"},
		{"IssueInstant", time.Now().UTC().Format(samlTime)}, {"InResponseTo", request.SelectAttrValue("ID", "")}} {
		response.CreateAttr(a[0], a[1])
	}
	response.CreateElement("saml:Issuer").SetText(p.url + "/metadata")
	code := response.CreateElement("samlp:Status").CreateElement("samlp:StatusCode")
	if ended > 0 || p.federation.Always {
		code.CreateAttr("Value", statusCode+"Success")
	} else {
		code.CreateAttr("Value", statusCode+"Responder")
		code.CreateElement("samlp:StatusCode").CreateAttr("Value", statusCode+"PartialLogout")
	}
	return p.seal(response)
}

// seal signs an answer and puts it into its envelope.
func (p *lodge) seal(response *etree.Element) []byte {
	key := p.federation.Key
	if p.federation.Reply != nil {
		key = p.federation.Reply(response, key)
	}
	if key != nil {
		context, err := dsig.NewSigningContext(key, [][]byte{p.certificate})
		if err == nil {
			context.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
			var signature *etree.Element
			if signature, err = context.ConstructSignature(response.Copy(), true); err == nil {
				response.InsertChildAt(1, signature)
			}
		}
		if err != nil {
			panic(err) // an RSA key that was just made signs
		}
	}
	doc := etree.NewDocument()
	envelope := doc.CreateElement("S:Envelope")
	envelope.CreateAttr("xmlns:S", soap)
	envelope.CreateElement("S:Body").AddChild(response)
	text, err := doc.WriteToBytes()
	if err != nil {
		panic(err) // into memory
	}
	return text
}
