package saml

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/url"
	"strings"

	"github.com/beevik/etree"
)

const (
	deflateEncoding = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
	maxQuery        = 32 << 10 // bytes
	maxInflated     = 64 << 10 // bytes: what fits into an address, and no bomb
)

// query is a message by the HTTP-Redirect binding, with the signature that is beside it.
type query struct {
	request    bool
	message    []byte // inflated
	relayState string
	algorithm  x509.SignatureAlgorithm
	signed     []byte // the octets that the signature is of
	signature  []byte
}

// readQuery reads a raw query. Every parameter that it knows may be there once, under
// its plain name: otherwise what is verified might not be what is read.
func readQuery(raw string) (q query, err error) {
	if len(raw) > maxQuery {
		return q, refuse(BadEncoding, "the query is too long")
	}
	values := map[string]string{} // as they came
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding":
			if _, twice := values[name]; twice {
				return q, refuse(BadEncoding, "a parameter is there twice")
			}
			values[name] = value
		default:
			if strings.ContainsAny(name, "%+;") {
				return q, refuse(BadEncoding, "the name of a parameter is escaped")
			}
		}
	}
	_, response := values["SAMLResponse"]
	_, q.request = values["SAMLRequest"]
	_, relayed := values["RelayState"]
	_, encoded := values["SAMLEncoding"]
	if q.request == response {
		return q, refuse(BadEncoding, "the query does not hold one message")
	}
	if values["Signature"] == "" || values["SigAlg"] == "" {
		return q, refuse(Unsigned, "there is no signature beside the message")
	}
	param := paramOf(q.request)
	// SAML bindings, section 3.4.4.1: in this order, in the sender's own escaping.
	signed := param + "=" + values[param]
	if relayed {
		signed += "&RelayState=" + values["RelayState"]
	}
	q.signed = []byte(signed + "&SigAlg=" + values["SigAlg"])

	plain := map[string]string{}
	for name, value := range values {
		if plain[name], err = url.QueryUnescape(value); err != nil {
			return q, refuse(BadEncoding, "a parameter is escaped wrongly")
		}
	}
	var ok bool
	q.relayState = plain["RelayState"]
	switch q.algorithm, ok = methodOf(plain["SigAlg"]); {
	case encoded && plain["SAMLEncoding"] != deflateEncoding:
		return q, refuse(BadEncoding, "the encoding is not known")
	case len(q.relayState) > maxRelayState:
		return q, refuse(BadEncoding, "RelayState is too long")
	case !ok:
		return q, refuse(BadAlgorithm, "SigAlg is not allowed")
	}
	if q.signature, err = base64.StdEncoding.Strict().DecodeString(plain["Signature"]); err != nil {
		return q, refuse(BadEncoding, "the signature is not in base64")
	}
	q.message, err = inflate(plain[param])
	return q, err
}

func inflate(encoded string) ([]byte, error) {
	deflated, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, refuse(BadEncoding, "the message is not in base64")
	}
	rest := bytes.NewReader(deflated)
	message, err := io.ReadAll(io.LimitReader(flate.NewReader(rest), maxInflated+1))
	switch {
	case len(message) > maxInflated:
		return nil, refuse(BadEncoding, "the message is too long")
	case err != nil || rest.Len() > 0:
		return nil, refuse(BadEncoding, "the message is not deflated properly")
	}
	return message, nil
}

// RedirectURL returns the address to send a browser to with a message that has no
// enveloped signature (SAML bindings, section 3.4.4.1). relayState "" means none.
func RedirectURL(endpoint string, m *etree.Element, request bool, relayState string, key Pair) (string, error) {
	to, err := url.Parse(endpoint)
	if err != nil || to.Fragment != "" {
		return "", errors.New("the partner's endpoint is no address for a query")
	}
	if len(relayState) > maxRelayState {
		return "", errors.New("RelayState is too long")
	}
	message, err := write(m)
	if err != nil {
		return "", err
	}
	query, err := signedQuery(message, paramOf(request), relayState, key)
	if err != nil {
		return "", err
	}
	if to.RawQuery != "" {
		query = to.RawQuery + "&" + query
	}
	to.RawQuery = query
	return to.String(), nil
}

// paramOf is by what name a message travels.
func paramOf(request bool) string {
	if request {
		return "SAMLRequest"
	}
	return "SAMLResponse"
}

func signedQuery(message []byte, param, relayState string, key Pair) (query string, err error) {
	encoded, err := deflate(message)
	if err != nil {
		return "", err
	}
	query = param + "=" + url.QueryEscape(encoded)
	if relayState != "" {
		query += "&RelayState=" + url.QueryEscape(relayState)
	}
	context, err := signing(key)
	if err != nil {
		return "", err
	}
	query += "&SigAlg=" + url.QueryEscape(context.GetSignatureMethodIdentifier())
	signature, err := context.SignString(query)
	if public, ok := key.Private.Public().(*ecdsa.PublicKey); ok && err == nil {
		signature, err = fromASN1(signature, public)
	}
	return query + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature)), err
}

func deflate(message []byte) (encoded string, err error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return "", err
	}
	_, err = w.Write(message)
	err = errors.Join(err, w.Close())
	return base64.StdEncoding.EncodeToString(b.Bytes()), err
}
