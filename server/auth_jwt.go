package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // refuses a key that is there twice, and knows upper from lower case
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	maxJWT = 8 << 10     // bytes of the longest access token that is read
	leeway = time.Minute // that clocks may differ by
)

// signatures are the ways in which an access token may be signed: with a key
// pair, always. "none", and HS… with a key that both sides have, can therefore
// not be configured (RFC 8725, sections 2.1 and 3.1).
var signatures = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}

// usualSignatures are allowed if the configuration names none.
var usualSignatures = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}

func algorithmNames() (names []string) {
	for _, a := range signatures {
		names = append(names, string(a))
	}
	return names
}

// rule is what an access token must be to be a source's.
type rule struct {
	*JWTConfig
	source     string
	algorithms []jose.SignatureAlgorithm
	keys       *issuer
}

// credential is the name of the rule's tokens in logs and events.
func (r rule) credential() string { return "jwt:" + cmp.Or(r.ClientID, r.source) }

// rulesOf makes the rules of all sources, and the issuers that they need: those
// of before, with their keys, as far as they are the same.
func rulesOf(sources map[string]SourceConfig, before map[string]*issuer, fresh func(*JWTConfig) *issuer) (rules []rule, issuers map[string]*issuer) {
	issuers = map[string]*issuer{}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		j := sources[name].JWT
		if j == nil {
			continue
		}
		r := rule{JWTConfig: j, source: name, algorithms: usualSignatures}
		if len(j.Algorithms) > 0 {
			r.algorithms = nil
			for _, a := range j.Algorithms {
				r.algorithms = append(r.algorithms, jose.SignatureAlgorithm(a))
			}
		}
		id := strings.Join(append([]string{j.Issuer, j.JWKS, j.CAFile}, j.AllowNetworks...), " ")
		switch {
		case issuers[id] != nil:
		case before[id] != nil:
			issuers[id] = before[id]
		default:
			issuers[id] = fresh(j)
		}
		r.keys = issuers[id]
		rules = append(rules, r)
	}
	return rules, issuers
}

// accessToken is a JWT that was read. Nothing of it is believed yet.
type accessToken struct {
	jws    *jose.JSONWebSignature
	claims map[string]any
	known  struct {
		Issuer    string           `json:"iss"`
		Audience  jwt.Audience     `json:"aud"`
		Expiry    *jwt.NumericDate `json:"exp"`
		NotBefore *jwt.NumericDate `json:"nbf"`
		IssuedAt  *jwt.NumericDate `json:"iat"`
	}
}

// looksLikeJWT tells an access token from other bearer tokens.
func looksLikeJWT(text string) bool {
	return strings.HasPrefix(text, "ey") && strings.Count(text, ".") == 2
}

// readJWT reads a token; false if it is none that could be let in under any
// rule. Of its header only alg, kid, typ and crit are looked at: a key that a
// token brings along or points to (jwk, jku, x5c, x5u) proves nothing.
func readJWT(text string) (t accessToken, ok bool) {
	if len(text) > maxJWT {
		return t, false
	}
	var err error
	if t.jws, err = jose.ParseSignedCompact(text, signatures); err != nil || len(t.jws.Signatures) != 1 {
		return t, false
	}
	header := t.jws.Signatures[0].Header.ExtraHeaders
	for _, name := range []jose.HeaderKey{"crit", "b64", "zip"} { // extensions that nobody here knows
		if _, there := header[name]; there {
			return t, false
		}
	}
	if typ, there := header[jose.HeaderType]; there { // a token made for something else (RFC 8725, section 3.11)
		typ, isText := typ.(string)
		if !isText || !slices.Contains([]string{"jwt", "at+jwt", "application/at+jwt"}, strings.ToLower(typ)) {
			return t, false
		}
	}
	payload := t.jws.UnsafePayloadWithoutVerification()
	if json.Unmarshal(payload, &t.known) != nil || json.Unmarshal(payload, &t.claims) != nil || t.claims == nil {
		return t, false
	}
	return t, true
}

func (t accessToken) kid() string { return t.jws.Signatures[0].Header.KeyID }
func (t accessToken) alg() jose.SignatureAlgorithm {
	return jose.SignatureAlgorithm(t.jws.Signatures[0].Header.Algorithm)
}

// judge says what keeps a token from being one of the rule's; "" if nothing
// does but, perhaps, its signature. cert is what its bearer shows, or nil.
func (r rule) judge(t accessToken, cert *x509.Certificate, now time.Time) reason {
	switch {
	case t.known.Issuer != r.Issuer:
		return wrongIssuer
	case !slices.Contains(r.algorithms, t.alg()):
		return malformed
	case !slices.Contains(t.known.Audience, r.Audience):
		return wrongAudience
	case t.known.Expiry == nil || !now.Before(t.known.Expiry.Time().Add(leeway)):
		return expired
	case t.known.NotBefore != nil && now.Add(leeway).Before(t.known.NotBefore.Time()),
		t.known.IssuedAt != nil && now.Add(leeway).Before(t.known.IssuedAt.Time()):
		return tooEarly
	case r.ClientID != "" && t.client() != r.ClientID:
		return wrongClient
	case !t.boundTo(cert):
		return wrongCertificate
	}
	for name, want := range r.Claims {
		if !holds(name, t.claims[name], want) {
			return wrongClient
		}
	}
	return ""
}

// client is who asked the issuer for the token: RFC 9068 calls the claim
// client_id, OpenID Connect azp, Entra ID appid and Okta cid. "" if none is
// there, or if they differ.
func (t accessToken) client() (client string) {
	for _, name := range []string{"client_id", "azp", "appid", "cid"} {
		value, there := t.claims[name]
		text, isText := value.(string)
		switch {
		case !there:
		case !isText || text == "" || client != "" && client != text:
			return ""
		default:
			client = text
		}
	}
	return client
}

// boundTo reports whether whoever shows cert may use the token: a token that
// is bound to a key (claim cnf) is nothing in the hands of others. The binding
// to a certificate is that of RFC 8705, section 3.1; no other is understood.
func (t accessToken) boundTo(cert *x509.Certificate) bool {
	binding, there := t.claims["cnf"]
	if !there {
		return true
	}
	members, ok := binding.(map[string]any)
	print, isText := members["x5t#S256"].(string)
	if !ok || !isText || len(members) != 1 || cert == nil {
		return false
	}
	sum := sha256.Sum256(cert.Raw)
	return print == base64.RawURLEncoding.EncodeToString(sum[:])
}

// holds reports whether a claim has a value: is it, has it in its list, or, for
// scopes (RFC 8693, section 4.2), among its words.
func holds(name string, value any, want string) bool {
	switch v := value.(type) {
	case string:
		return v == want || (name == "scope" || name == "scp") && slices.Contains(strings.Fields(v), want)
	case bool:
		return strconv.FormatBool(v) == want
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64) == want
	case []any:
		return slices.ContainsFunc(v, func(one any) bool {
			text, isText := one.(string)
			return isText && text == want
		})
	}
	return false
}

// signedBy reports whether one of the keys has signed the token.
func (t accessToken) signedBy(keys []jose.JSONWebKey) bool {
	return slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool {
		_, err := t.jws.Verify(k.Key)
		return err == nil
	})
}

// byJWT finds the rule that lets a token in. Everything about it is judged
// before its issuer is asked for anything, so that strangers cause no calls.
// The error is [unreachable] if the issuer's keys are not known.
func (s *state) byJWT(ctx context.Context, text string, cert *x509.Certificate, now time.Time) (rule, reason, error) {
	token, ok := readJWT(text)
	if !ok {
		return rule{}, malformed, nil
	}
	var fit []rule
	why := wrongIssuer
	for _, r := range s.rules {
		switch w := r.judge(token, cert, now); w {
		case "":
			fit = append(fit, r)
		case wrongIssuer:
		default:
			why = w
		}
	}
	switch len(fit) {
	case 0:
		return rule{}, why, nil
	case 1:
	default: // whose it is cannot be said, so it is nobody's
		return rule{}, ambiguous, nil
	}
	keys, known, err := fit[0].keys.find(ctx, token.kid(), token.alg(), time.Time{})
	switch {
	case err != nil:
		return rule{}, "", err
	case len(keys) == 0:
		return rule{}, unknownKey, nil
	case token.signedBy(keys):
		return fit[0], "", nil
	}
	// some issuers replace a key and keep its name, or give keys no names
	switch keys, _, err = fit[0].keys.find(ctx, token.kid(), token.alg(), known); {
	case err != nil: // it may be right, by a key that cannot be had now
		return rule{}, "", err
	case token.signedBy(keys):
		return fit[0], "", nil
	}
	return rule{}, wrongSignature, nil
}
