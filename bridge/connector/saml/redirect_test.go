package saml

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"
)

// signedRaw signs the octets of a query under any name of a method.
func signedRaw(t testing.TB, unsigned, method string, hash crypto.Hash, key Pair) string {
	t.Helper()
	query := unsigned + "&SigAlg=" + url.QueryEscape(method)
	h := hash.New()
	h.Write([]byte(query))
	signature, err := key.Private.Sign(rand.Reader, h.Sum(nil), hash)
	if err != nil {
		t.Fatal(err)
	}
	return query + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))
}

const rsaSHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

// TestRedirectAttacks changes a query that is in order; its twin is accepted.
func TestRedirectAttacks(t *testing.T) { try(t, redirectAttacks(t)) }

func redirectAttacks(t testing.TB) (all []attack) {
	encode := func(t testing.TB, message []byte) string {
		encoded, err := deflate(message)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	for _, request := range []bool{true, false} {
		param, contrary := paramOf(request), paramOf(!request)
		s := newScene(t, request)
		good, evil := encode(t, bytesOf(t, s.unsigned())), encode(t, bytesOf(t, s.evil))
		enveloped := encode(t, bytesOf(t, s.good))
		signed := func(unsigned string) string { return signedRaw(t, unsigned, rsaSHA256, crypto.SHA256, idpKey()) }
		message := param + "=" + url.QueryEscape(good)
		evilMessage := param + "=" + url.QueryEscape(evil)
		plain, relayed := signed(message), signed(message+"&RelayState=state")
		part := func(query, name string) string { // of a query, with its "&"
			for p := range strings.SplitSeq(query, "&") {
				if strings.HasPrefix(p, name+"=") {
					return "&" + p
				}
			}
			t.Fatalf("no %s in %s", name, query)
			return ""
		}
		lower := func(q string) string { return strings.ReplaceAll(strings.ReplaceAll(q, "%2B", "%2b"), "%2F", "%2f") }
		for _, c := range []struct {
			name, query string
			want        Reason
		}{
			{"in order", plain, ""},
			{"in order, with RelayState", relayed, ""},
			{"in order, with an empty RelayState", signed(message + "&RelayState="), ""},
			{"in order, with another parameter", plain + "&utm_source=x", ""},
			{"in order, with its encoding", plain + "&SAMLEncoding=" + url.QueryEscape(deflateEncoding), ""},
			{"in order, in another order", strings.TrimPrefix(part(relayed, "Signature"), "&") + part(relayed, "SigAlg") + "&" + message + part(relayed, "RelayState"), ""},
			{"in order, escaped in another way", signed(lower(message)), ""},

			{"nothing", "", BadEncoding},
			{"no message", "RelayState=state", BadEncoding},
			{"unsigned", message, Unsigned},
			{"without Signature", strings.Replace(plain, part(plain, "Signature"), "", 1), Unsigned},
			{"with an empty Signature", strings.Replace(plain, part(plain, "Signature"), "&Signature=", 1), Unsigned},
			{"without SigAlg", strings.Replace(plain, part(plain, "SigAlg"), "", 1), Unsigned},
			{"an enveloped signature alone", param + "=" + url.QueryEscape(enveloped), Unsigned},
			{"an enveloped signature, and a wrong one beside", signedRaw(t, param+"="+url.QueryEscape(enveloped), rsaSHA256, crypto.SHA256, newKey()), BadSignature},
			{"an enveloped signature too", signed(param + "=" + url.QueryEscape(enveloped)), BadShape},
			{"another message", strings.Replace(plain, message, evilMessage, 1), BadSignature},
			{"another way of escaping", lower(plain), BadSignature},
			{"wrong key", signedRaw(t, message, rsaSHA256, crypto.SHA256, newKey()), BadSignature},
			{"another partner's key", signedRaw(t, message, rsaSHA256, crypto.SHA256, otherKey()), BadSignature},

			{"both messages, ours first", plain + "&" + contrary + "=" + url.QueryEscape(evil), BadEncoding},
			{"both messages, ours last", contrary + "=" + url.QueryEscape(evil) + "&" + plain, BadEncoding},
			{"both messages, the other empty", plain + "&" + contrary + "=", BadEncoding},
			{"under the other name", strings.Replace(plain, param, contrary, 1), BadSignature},
			{"under the other name, signed", signed(contrary + "=" + url.QueryEscape(good)), BadShape},
			{"message twice, evil first", evilMessage + "&" + plain, BadEncoding},
			{"message twice, evil last", plain + "&" + evilMessage, BadEncoding},
			{"message twice, the same", plain + "&" + message, BadEncoding},
			{"RelayState twice, evil first", "RelayState=evil&" + relayed, BadEncoding},
			{"RelayState twice, evil last", relayed + "&RelayState=evil", BadEncoding},
			{"SigAlg twice", plain + part(plain, "SigAlg"), BadEncoding},
			{"Signature twice", plain + part(plain, "Signature"), BadEncoding},
			{"an escaped name", plain + "&%53AML" + strings.TrimPrefix(param, "SAML") + "=" + url.QueryEscape(evil), BadEncoding},
			{"an escaped name in front", "%53AML" + strings.TrimPrefix(param, "SAML") + "=" + url.QueryEscape(evil) + "&" + plain, BadEncoding},
			{"an escaped RelayState", plain + "&Relay%53tate=evil", BadEncoding},
			{"a semicolon", plain + "&x;RelayState=evil", BadEncoding},

			{"RelayState swapped", strings.Replace(relayed, "RelayState=state", "RelayState=evil", 1), BadSignature},
			{"RelayState injected", plain + "&RelayState=evil", BadSignature},
			{"RelayState removed", strings.Replace(relayed, "&RelayState=state", "", 1), BadSignature},
			{"RelayState emptied", strings.Replace(relayed, "RelayState=state", "RelayState=", 1), BadSignature},
			{"RelayState of 80 bytes", signed(message + "&RelayState=" + strings.Repeat("a", 80)), ""},
			{"RelayState of 81 bytes", signed(message + "&RelayState=" + strings.Repeat("a", 81)), BadEncoding},

			{"SigAlg swapped", strings.Replace(plain, part(plain, "SigAlg"), "&SigAlg="+url.QueryEscape(rsaSHA256[:len(rsaSHA256)-3]+"512"), 1), BadSignature},
			{"rsa-sha1", signedRaw(t, message, "http://www.w3.org/2000/09/xmldsig#rsa-sha1", crypto.SHA1, idpKey()), BadAlgorithm},
			{"none", signedRaw(t, message, "none", crypto.SHA256, idpKey()), BadAlgorithm},
			{"DSA", signedRaw(t, message, "http://www.w3.org/2009/xmldsig11#dsa-sha256", crypto.SHA256, idpKey()), BadAlgorithm},
			{"MD5", signedRaw(t, message, "http://www.w3.org/2001/04/xmldsig-more#rsa-md5", crypto.MD5, idpKey()), BadAlgorithm},
			{"HMAC with the certificate as its key", func() string {
				query := message + "&SigAlg=" + url.QueryEscape("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
				mac := hmac.New(sha256.New, idpKey().Certificate.Raw)
				mac.Write([]byte(query))
				return query + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
			}(), BadAlgorithm},
			{"ECDSA with an RSA signature", strings.Replace(plain, "rsa-sha256", "ecdsa-sha256", 1), BadSignature},
			{"ECDSA with one number", strings.Replace(strings.Replace(plain, "rsa-sha256", "ecdsa-sha256", 1), part(plain, "Signature"), "&Signature=AA%3D%3D", 1), BadSignature},

			{"another encoding", plain + "&SAMLEncoding=urn:x", BadEncoding},
			{"an empty encoding", plain + "&SAMLEncoding=", BadEncoding},
			{"wrong escaping", message + "&RelayState=%zz&SigAlg=x&Signature=y", BadEncoding},
			{"no base64", signed(param + "=%21"), BadEncoding},
			{"base64 without its end", signed(param + "=" + url.QueryEscape(strings.TrimRight(good, "="))), map[bool]Reason{true: BadEncoding, false: ""}[strings.HasSuffix(good, "=")]},
			{"no base64 in Signature", strings.Replace(plain, part(plain, "Signature"), "&Signature=%21", 1), BadEncoding},
			{"not deflated", signed(param + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(bytesOf(t, s.unsigned())))), BadEncoding},
			{"cut off", signed(param + "=" + url.QueryEscape(cut(t, good, -4))), BadEncoding},
			{"more behind", signed(param + "=" + url.QueryEscape(cut(t, good, 4))), BadEncoding},
			{"long", signed(param + "=" + strings.Repeat("A", maxQuery)), BadEncoding},
		} {
			all = append(all, attack{name: c.name, by: Redirect, request: request, wire: c.query, want: c.want})
		}
	}
	return all
}

// cut shortens deflated bytes by n, or puts n behind them.
func cut(t testing.TB, encoded string, n int) string {
	t.Helper()
	deflated, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if n < 0 {
		deflated = deflated[:len(deflated)+n]
	} else {
		deflated = append(deflated, make([]byte, n)...)
	}
	return base64.StdEncoding.EncodeToString(deflated)
}

// TestRelayStateIsKept as it came, whatever it looks like: to be a key of ours.
func TestRelayStateIsKept(t *testing.T) {
	for _, state := range []string{"", "a b+c&d=e%20", "https://evil.example/", "//evil.example", `\evil`, "javascript:alert(1)", `"><script>`, "ü"} {
		m, err := newWorld().Redirect(t.Context(), queryOf(t, aRequest().Element(), true, state, idpKey()))
		if err != nil || m.RelayState != state {
			t.Errorf("%q came as %q (%v)", state, m.RelayState, err)
		}
		body := url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString(bytesOf(t, newScene(t, true).good))}, "RelayState": {state}}
		m, err = newWorld().POST(t.Context(), []byte(body.Encode()))
		if err != nil || m.RelayState != state {
			t.Errorf("%q came by POST as %q (%v)", state, m.RelayState, err)
		}
	}
}

// TestRedirectURL: what stands in a partner's address stays there.
func TestRedirectURL(t *testing.T) {
	el := aRequest().Element()
	for endpoint, start := range map[string]string{
		"https://sp.example/slo":          "https://sp.example/slo?SAMLRequest=",
		"https://sp.example/slo?tenant=7": "https://sp.example/slo?tenant=7&SAMLRequest=",
	} {
		link, err := RedirectURL(endpoint, el, true, "state", ourKey())
		if err != nil || !strings.HasPrefix(link, start) || strings.Contains(link, "#") {
			t.Errorf("%s: %s (%v)", endpoint, link, err)
		}
	}
	for _, endpoint := range []string{"https://sp.example/slo#x", "https://sp .example"} {
		if link, err := RedirectURL(endpoint, el, true, "", ourKey()); err == nil {
			t.Errorf("%s: %s", endpoint, link)
		}
	}
	if _, err := RedirectURL(endpoint, el, true, strings.Repeat("a", 81), ourKey()); err == nil {
		t.Error("a long RelayState")
	}
}

// TestPOSTAttacks are those of the form; what is in the message is tried elsewhere.
func TestPOSTAttacks(t *testing.T) { try(t, postAttacks(t)) }

func postAttacks(t testing.TB) (all []attack) {
	for _, request := range []bool{true, false} {
		param, contrary := paramOf(request), paramOf(!request)
		s := newScene(t, request)
		message := param + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(bytesOf(t, s.good)))
		evil := url.QueryEscape(base64.StdEncoding.EncodeToString(bytesOf(t, s.evil)))
		var wrapped strings.Builder
		for i, c := range base64.StdEncoding.EncodeToString(bytesOf(t, s.good)) {
			if i > 0 && i%76 == 0 {
				wrapped.WriteString("\r\n")
			}
			wrapped.WriteRune(c)
		}
		for _, c := range []struct {
			name, body string
			want       Reason
		}{
			{"in order", message, ""},
			{"in order, with RelayState", message + "&RelayState=x", ""},
			{"in order, in lines", param + "=" + url.QueryEscape(wrapped.String()), ""},
			{"nothing", "", BadEncoding},
			{"both messages", message + "&" + contrary + "=" + evil, BadEncoding},
			{"both messages, the other empty", message + "&" + contrary + "=", BadEncoding},
			{"twice", message + "&" + param + "=" + evil, BadEncoding},
			{"twice, evil first", param + "=" + evil + "&" + message, BadEncoding},
			{"twice, under an escaped name", message + "&%53AML" + param[4:] + "=" + evil, BadEncoding},
			{"RelayState twice", message + "&RelayState=x&RelayState=y", BadEncoding},
			{"RelayState of 80 bytes", message + "&RelayState=" + strings.Repeat("a", 80), ""},
			{"RelayState of 81 bytes", message + "&RelayState=" + strings.Repeat("a", 81), BadEncoding},
			{"under the other name", strings.Replace(message, param, contrary, 1), BadShape},
			{"a semicolon", message + ";x", BadEncoding},
			{"no base64", param + "=%21", BadEncoding},
			{"base64 of URLs", strings.NewReplacer("%2B", "-", "%2F", "_").Replace(message) + "-", BadEncoding},
			{"deflated", param + "=" + url.QueryEscape(mustDeflate(t, bytesOf(t, s.good))), BadXML},
			{"signed beside", param + "=" + evil + "&SigAlg=" + url.QueryEscape(rsaSHA256) + "&Signature=AAAA", Unsigned},
		} {
			all = append(all, attack{name: c.name, by: POST, request: request, wire: c.body, want: c.want})
		}
	}
	return all
}

func mustDeflate(t testing.TB, message []byte) string {
	encoded, err := deflate(message)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// FuzzRedirectQuery holds what is read out of a query against the standard library:
// what is signed are bytes of the query, and what is read are the same bytes.
func FuzzRedirectQuery(f *testing.F) {
	request, err := deflate([]byte("<a/>"))
	if err != nil {
		f.Fatal(err)
	}
	for _, q := range []string{
		"SAMLRequest=" + url.QueryEscape(request) + "&RelayState=a%20b&SigAlg=" + url.QueryEscape(rsaSHA256) + "&Signature=AAAA",
		"SigAlg=" + url.QueryEscape(rsaSHA256) + "&Signature=AAAA&SAMLResponse=" + url.QueryEscape(request) + "&x=y",
		"SAMLRequest=a&SAMLRequest=b", "SAML%52equest=a", "SAMLRequest=%", "&&=&;", "SAMLEncoding=x",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := readQuery(raw)
		if err != nil {
			reason(t, err)
			return
		}
		values, err := url.ParseQuery(raw)
		if err != nil && !strings.Contains(raw, ";") && !strings.Contains(err.Error(), "escape") {
			t.Fatalf("%q: %v", raw, err)
		}
		param, other := paramOf(q.request), paramOf(!q.request)
		if len(values[param]) != 1 || values.Has(other) || len(values["RelayState"]) > 1 || len(values["SigAlg"]) != 1 || len(values["Signature"]) != 1 {
			t.Fatalf("%q has something twice, and was read: %v", raw, values)
		}
		if values.Get("RelayState") != q.relayState {
			t.Fatalf("%q: RelayState %q", raw, q.relayState)
		}
		for part := range strings.SplitSeq(string(q.signed), "&") {
			if !strings.Contains("&"+raw+"&", "&"+part+"&") {
				t.Fatalf("%q is not in %q", part, raw)
			}
		}
		inSigned, err := url.ParseQuery(string(q.signed))
		if err != nil || inSigned.Get(param) != values.Get(param) || inSigned.Get("RelayState") != q.relayState || inSigned.Has("RelayState") != values.Has("RelayState") {
			t.Fatalf("%q: what was read is not what is signed: %s (%v)", raw, q.signed, err)
		}
		deflated, err := base64.StdEncoding.DecodeString(values.Get(param))
		if err != nil {
			t.Fatal(err)
		}
		var whole bytes.Buffer
		if _, err := whole.ReadFrom(flate.NewReader(bytes.NewReader(deflated))); err != nil || !bytes.Equal(whole.Bytes(), q.message) {
			t.Fatalf("%q: inflated to %s (%v)", raw, hex.EncodeToString(q.message), err)
		}
	})
}
