package saml

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// TestNameExactly: apps compare every part of a name, so one that is not known is
// not written.
func TestNameExactly(t *testing.T) {
	for _, n := range []bridge.NameID{
		{Value: "ada"},
		{Value: "ada", Format: "urn:f", NameQualifier: "https://idp.example", SPNameQualifier: "https://sp.example"},
		{Value: " <a&b> \"'é\t ", NameQualifier: ` <a&b> "'é `},
	} {
		r := aRequest()
		r.Name, r.Indexes = n, nil
		el := r.Element()
		name := el.FindElement("./NameID")
		want := 0
		for _, part := range []string{n.Format, n.NameQualifier, n.SPNameQualifier} {
			if part != "" {
				want++
			}
		}
		if len(name.Attr) != want {
			t.Errorf("%+v: %d attributes, want %d", n, len(name.Attr), want)
		}
		m, err := newWorld().SOAP(t.Context(), soap(bytesOf(t, signed(t, el, idpKey()))))
		if err != nil || m.Request.Name != n || m.Request.Indexes != nil {
			t.Errorf("%+v came as %+v (%v)", n, m.Request, err)
		}
	}
}

// TestTimesAreInUTC, whatever zone they came from (SAML core, section 1.3.3).
func TestTimesAreInUTC(t *testing.T) {
	elsewhere := at.Add(7 * time.Millisecond).In(time.FixedZone("", 2*60*60))
	r, a := aRequest(), aResponse()
	r.Issued, r.NotOnOrAfter, a.Issued = elsewhere, elsewhere, elsewhere
	for _, got := range []string{attribute(r.Element(), "IssueInstant"), attribute(r.Element(), "NotOnOrAfter"), attribute(a.Element(), "IssueInstant")} {
		if got != "2026-11-28T09:00:00.007Z" {
			t.Error(got)
		}
	}
	r.NotOnOrAfter = time.Time{}
	if got := r.Element().SelectAttr("NotOnOrAfter"); got != nil {
		t.Errorf("an end that nobody set: %v", got)
	}
}

// TestSignatureStandsAfterTheIssuer, where the schema has it, and the message that
// was given is left alone.
func TestSignatureStandsAfterTheIssuer(t *testing.T) {
	el := aRequest().Element()
	before := bytesOf(t, el)
	got := signed(t, el, ourKey())
	if children := got.ChildElements(); children[0].Tag != "Issuer" || children[1].Tag != "Signature" || children[2].Tag != "NameID" {
		t.Errorf("order of children: %s", bytesOf(t, got))
	}
	if !bytes.Equal(before, bytesOf(t, el)) {
		t.Error("what was given has changed")
	}
}

// TestPOSTForm: the page takes message and RelayState along, whatever they hold, and
// its policy allows its one script.
func TestPOSTForm(t *testing.T) {
	message := signed(t, aRequest().Element(), idpKey())
	const state = `"><script>alert(1)</script>`
	page, policy, err := POSTForm(endpoint+"?a=1&b=2", message, true, state)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for _, m := range regexp.MustCompile(`name="(\w+)" value="([^"]*)"`).FindAllStringSubmatch(string(page), -1) {
		fields[m[1]] = html.UnescapeString(m[2])
	}
	sent, err := base64.StdEncoding.DecodeString(fields["SAMLRequest"])
	if err != nil || !bytes.Equal(sent, bytesOf(t, message)) || fields["RelayState"] != state || len(fields) != 2 {
		t.Errorf("%s", page)
	}
	if m, err := newWorld().receive(POST, true, sent); err != nil || m.Request == nil {
		t.Error(err)
	}
	action := regexp.MustCompile(`action="([^"]*)"`).FindStringSubmatch(string(page))
	if len(action) != 2 || html.UnescapeString(action[1]) != endpoint+"?a=1&b=2" {
		t.Errorf("%s", page)
	}
	scripts := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindAllStringSubmatch(string(page), -1)
	if len(scripts) != 1 {
		t.Fatalf("%d scripts", len(scripts))
	}
	sum := sha256.Sum256([]byte(scripts[0][1]))
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("%q", policy)
	}

	page, _, err = POSTForm(endpoint, signed(t, aResponse().Element(), idpKey()), false, "")
	if err != nil || !bytes.Contains(page, []byte(`name="SAMLResponse"`)) || bytes.Contains(page, []byte("RelayState")) {
		t.Errorf("%v: %s", err, page)
	}
	if page, _, err = POSTForm("javascript:alert(1)", message, true, ""); err != nil || bytes.Contains(page, []byte("javascript:")) {
		t.Errorf("%v: %s", err, page)
	}
	if _, _, err = POSTForm(endpoint, message, true, strings.Repeat("a", 81)); err == nil {
		t.Error("a long RelayState")
	}
}

func TestIDsAreRandomNames(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewID()
		if seen[id] || !wellNamed.MatchString(id) {
			t.Fatal(id)
		}
		seen[id] = true
	}
}
