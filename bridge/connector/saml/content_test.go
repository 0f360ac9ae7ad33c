package saml

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/beevik/etree"
)

// TestContentAttacks are messages that their issuer has signed properly, on every
// binding, and that are refused for what they say.
func TestContentAttacks(t *testing.T) { try(t, contentAttacks(t)) }

func contentAttacks(t testing.TB) (all []attack) {
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
				el := newScene(t, request).unsigned()
				a.edit(el)
				all = append(all, attack{name: a.name, by: b, request: request, want: a.want, id: attribute(el, "ID"),
					wire: sent(t, b, request, el, idpKey())})
			}
		}
	}
	return all
}

// TestReplay: a message is good once, whatever it is wrapped in; but only messages
// of one issuer are the same.
func TestReplay(t *testing.T) {
	request, response := aRequest(), aResponse()
	for kind, el := range map[bool]*etree.Element{true: request.Element(), false: response.Element()} {
		bindings := []Binding{SOAP, POST, Redirect}
		if !kind {
			bindings = bindings[1:] // by SOAP it is the answer to one request
		}
		for _, first := range bindings {
			w := newWorld()
			message := sent(t, first, kind, el, idpKey())
			if _, err := w.bring(first, kind, message); err != nil {
				t.Fatal(err)
			}
			for _, again := range bindings {
				if _, err := w.bring(again, kind, sent(t, again, kind, el, idpKey())); reason(t, err) != Replayed {
					t.Errorf("%s by %s, signed again for %s: %v", tagOf(kind), first, again, err)
				}
			}
			w.now = at.Add(skew) // until it is stale
			if _, err := w.bring(first, kind, message); reason(t, err) != Replayed {
				t.Errorf("%s by %s: %v", tagOf(kind), first, err)
			}
		}
	}
	w, r := newWorld(), request
	if _, err := w.SOAP(t.Context(), soap(bytesOf(t, signed(t, r.Element(), idpKey())))); err != nil {
		t.Fatal(err)
	}
	r.Issuer = spID
	if _, err := w.SOAP(t.Context(), soap(bytesOf(t, signed(t, r.Element(), spKey())))); err != nil {
		t.Errorf("an ID that another issuer has used: %v", err)
	}
	// A memory that cannot be asked is no reason to believe, nor one to refuse for good.
	r.ID = NewID()
	w.Fresh = func(context.Context, [32]byte, time.Time) (bool, error) { return true, context.DeadlineExceeded }
	m, err := w.SOAP(t.Context(), soap(bytesOf(t, signed(t, r.Element(), spKey()))))
	if !errors.Is(err, context.DeadlineExceeded) || m.Request != nil {
		t.Errorf("a memory that cannot be asked: %v", err)
	}
}
