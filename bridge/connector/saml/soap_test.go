package saml

import (
	"bytes"
	"strings"
	"testing"
)

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
