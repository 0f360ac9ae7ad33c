package saml

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dsig "github.com/russellhaering/goxmldsig"

	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/internal/probe"
)

func certificateElement(c *x509.Certificate) string {
	return "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>\n" + base64.StdEncoding.EncodeToString(c.Raw) + "\n</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
}

// descriptor is metadata of a service provider.
func descriptor(entity string, keys ...*x509.Certificate) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0"?>
<!-- people write these by hand -->
<md:EntityDescriptor xmlns:md="%s" xmlns:ds="%s" ID="_1" entityID="%s"><md:SPSSODescriptor protocolSupportEnumeration="%s">`,
		nsMetadata, dsig.Namespace, entity, nsProtocol)
	for _, c := range keys {
		b.WriteString("<md:KeyDescriptor>" + certificateElement(c) + "</md:KeyDescriptor>")
	}
	b.WriteString(`<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact" Location="https://sp.example/slo/artifact"/>
<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="https://sp.example/slo/soap"/>
<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://sp.example/slo" ResponseLocation="https://sp.example/slo/done"/>
</md:SPSSODescriptor></md:EntityDescriptor>`)
	return []byte(b.String())
}

// signedBytes signs the document's root.
func signedBytes(t testing.TB, text []byte, key Pair) []byte {
	t.Helper()
	el, err := parseMetadata(text)
	if err != nil {
		t.Fatal(err)
	}
	return bytesOf(t, signed(t, el, key))
}

func TestReadMetadata(t *testing.T) {
	sp, other := spKey().Certificate, otherKey().Certificate
	weak := weakPair(t).Certificate
	good := string(descriptor(spID, sp))
	many := func(ids ...string) string {
		all := `<md:EntitiesDescriptor xmlns:md="` + nsMetadata + `" ID="_all">`
		for i, id := range ids {
			_, one, _ := strings.Cut(string(descriptor(id, sp)), "-->\n")
			all += strings.Replace(one, `"_1"`, fmt.Sprintf(`"_%d"`, i+2), 1)
		}
		return all + "</md:EntitiesDescriptor>"
	}
	replace := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%s is not there", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	signed := func(text string, key Pair) string { return string(signedBytes(t, []byte(text), key)) }
	pinned := []string{pinOf(idpKey().Certificate)}

	for _, test := range []struct {
		name   string
		text   string
		entity string
		pins   []string
		keys   []*x509.Certificate // nil: refused
		says   string
	}{
		{"as it should be", good, "", nil, []*x509.Certificate{sp}, ""},
		{"the one that is wanted", good, spID, nil, []*x509.Certificate{sp}, ""},
		{"another than is wanted", good, otherID, nil, nil, "not described"},
		{"one of many", many(otherID, spID), spID, nil, []*x509.Certificate{sp}, ""},
		{"one of many, which is not said", many(otherID, spID), "", nil, nil, "entity_id"},
		{"the only one of many", many(spID), "", nil, []*x509.Certificate{sp}, ""},
		{"described twice", many(spID, spID), spID, nil, nil, "more than once"},
		{"without a name", replace(spID, ""), "", nil, nil, "not described"},
		{"no metadata", `<Envelope xmlns="` + nsSOAP + `"/>`, "", nil, nil, "not SAML metadata"},
		{"no XML", "entityID: x", "", nil, nil, "not XML"},
		{"a DOCTYPE", `<!DOCTYPE a [<!ENTITY b "c">]>` + good[strings.Index(good, "<md:"):], "", nil, nil, "not XML"},
		{"SAML 1.1", replace(nsProtocol, "urn:oasis:names:tc:SAML:1.1:protocol"), "", nil, nil, "SPSSODescriptor"},
		{"another role", strings.ReplaceAll(good, "SPSSODescriptor", "IDPSSODescriptor"), "", nil, nil, "SPSSODescriptor"},
		{"in another namespace", replace(nsMetadata, "urn:x"), "", nil, nil, "not SAML metadata"},

		{"two keys", string(descriptor(spID, sp, other)), "", nil, []*x509.Certificate{sp, other}, ""},
		{"no key", string(descriptor(spID)), "", nil, nil, "no certificate"},
		{"a weak key", string(descriptor(spID, weak)), "", nil, nil, "too weak"},
		{"a weak key and another", string(descriptor(spID, weak, sp)), "", nil, []*x509.Certificate{sp}, ""},
		{"keys for encrypting only", replace("<md:KeyDescriptor>", `<md:KeyDescriptor use="encryption">`), "", nil, nil, "no certificate"},
		{"a key that is none", replace(certificateElement(sp), "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"), "", nil, nil, "no certificate"},

		{"signed by the pinned", signed(good, idpKey()), spID, pinned, []*x509.Certificate{sp}, ""},
		{"a federation signed by the pinned", signed(many(otherID, spID), idpKey()), spID, pinned, []*x509.Certificate{sp}, ""},
		{"signed by another", signed(good, otherKey()), spID, pinned, nil, "not signed by a pinned"},
		{"changed after it was signed", strings.Replace(signed(good, idpKey()), "/slo/soap", "/slo/evil", 1), spID, pinned, nil, "not signed by a pinned"},
		{"another key after it was signed", strings.Replace(signed(good, idpKey()), base64.StdEncoding.EncodeToString(sp.Raw),
			base64.StdEncoding.EncodeToString(other.Raw), 1), spID, pinned, nil, "not signed by a pinned"},
		{"says that the pinned signed it", strings.Replace(signed(good, otherKey()), base64.StdEncoding.EncodeToString(other.Raw),
			base64.StdEncoding.EncodeToString(idpKey().Certificate.Raw), 1), spID, pinned, nil, "not signed by a pinned"},
		{"not signed", good, spID, pinned, nil, "none of its keys is pinned"},
		{"not signed, with a pinned key", string(descriptor(spID, other, sp)), spID, []string{pinOf(sp)}, []*x509.Certificate{sp}, ""},
		{"signed by another, with a pinned key", signed(string(descriptor(spID, other, sp)), otherKey()), spID, []string{pinOf(sp)}, []*x509.Certificate{sp}, ""},
		{"one is signed, and another beside it", strings.Replace(many(otherID), "</md:EntitiesDescriptor>",
			strings.TrimPrefix(signed(good, idpKey()), "<?xml")+"</md:EntitiesDescriptor>", 1), spID, pinned, []*x509.Certificate{sp}, ""},

		{"a script for an address", replace("https://sp.example/slo/soap", "javascript:alert(1)"), "", nil, nil, "Location must be a URL"},
		{"a script for an answer", replace("https://sp.example/slo/done", "javascript:alert(1)"), "", nil, nil, "ResponseLocation must be a URL"},
		{"an address in clear", replace("https://sp.example/slo/soap", "http://sp.example/slo/soap"), "", nil, nil, "https://"},
		{"an address inside", replace("https://sp.example/slo/soap", "https://169.254.169.254/"), "", nil, nil, "not a public address"},
		{"a bad time", replace("entityID", `validUntil="soon" entityID`), "", nil, nil, "validUntil"},
	} {
		c := PartnerConfig{Name: "wiki", Role: RoleSP, Issuer: hub, Origin: Origin{EntityID: test.entity, Pin: test.pins}}
		k, err := c.read([]byte(test.text))
		if (err == nil) != (test.keys != nil) || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", test.name, err, test.says)
			continue
		}
		if err != nil {
			continue
		}
		if !slices.EqualFunc(k.Signing, test.keys, (*x509.Certificate).Equal) {
			t.Errorf("%s: %d other keys", test.name, len(k.Signing))
		}
		want := []Endpoint{{Binding: SOAP, Location: "https://sp.example/slo/soap"},
			{Binding: Redirect, Location: "https://sp.example/slo", ResponseURL: "https://sp.example/slo/done"}}
		if k.Name != "wiki" || k.EntityID != spID || k.Role != RoleSP || k.Issuer != hub || !slices.Equal(k.Endpoints, want) {
			t.Errorf("%s: %+v", test.name, k.Partner)
		}
	}
}

func TestEncryptionKeys(t *testing.T) {
	two := strings.Replace(string(descriptor(spID, spKey().Certificate, otherKey().Certificate)), "<md:KeyDescriptor>", `<md:KeyDescriptor use="signing">`, 1)
	gcmToo := strings.Replace(two, "</md:KeyDescriptor></md:", "</md:KeyDescriptor></md:", 1)
	gcmToo = strings.Replace(gcmToo, "</ds:KeyInfo></md:KeyDescriptor><md:SingleLogoutService", `</ds:KeyInfo><md:EncryptionMethod Algorithm="`+gcm+`"/></md:KeyDescriptor><md:SingleLogoutService`, 1)
	curve := ellipticKey(t, elliptic.P256())
	for text, want := range map[string]struct {
		encrypt *x509.Certificate
		gcm     bool
	}{
		string(descriptor(spID, spKey().Certificate)): {spKey().Certificate, false},
		two:    {otherKey().Certificate, false},
		gcmToo: {otherKey().Certificate, true},
		string(descriptor(spID, curve.Certificate)): {nil, false},
	} {
		k, err := PartnerConfig{Role: RoleSP}.read([]byte(text))
		if err != nil || k.GCM != want.gcm || (k.Encrypt == nil) != (want.encrypt == nil) || k.Encrypt != nil && !k.Encrypt.Equal(want.encrypt) {
			t.Errorf("%v, GCM %v, %v", err, k.GCM, k.Encrypt != nil)
		}
	}
}

func TestHowLongMetadataLives(t *testing.T) {
	good := string(descriptor(spID, spKey().Certificate))
	in := func(attributes string) string { return strings.Replace(good, "entityID", attributes+" entityID", 1) }
	for text, want := range map[string]struct {
		until string
		fresh time.Duration
	}{
		good:                                    {"", time.Hour},
		in(`validUntil="2026-12-01T10:00:00Z"`): {"2026-12-01T10:00:00Z", time.Hour},
		in(`validUntil="2026-12-01T10:00:00+02:00"`): {"2026-12-01T08:00:00Z", time.Hour},
		in(`cacheDuration="PT20M"`):                  {"", 20 * time.Minute},
		in(`cacheDuration="PT0H20M30.5S"`):           {"", 20*time.Minute + 30*time.Second},
		in(`cacheDuration="PT1S"`):                   {"", freshLeast},
		in(`cacheDuration="P1D"`):                    {"", time.Hour},
		in(`cacheDuration="PT999999999H"`):           {"", time.Hour},
		in(`cacheDuration="whenever"`):               {"", time.Hour},
		strings.Replace(in(`validUntil="2026-12-01T10:00:00Z"`), "<md:SPSSODescriptor", `<md:SPSSODescriptor validUntil="2026-11-30T00:00:00Z" cacheDuration="PT30M"`, 1): {"2026-11-30T00:00:00Z", 30 * time.Minute},
	} {
		k, err := PartnerConfig{Role: RoleSP}.read([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		until := ""
		if !k.until.IsZero() {
			until = instant(k.until)
		}
		if until != want.until || k.fresh != want.fresh {
			t.Errorf("until %s, fresh for %v; want %v", until, k.fresh, want)
		}
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	file := write0600(t, filepath.Join(dir, "sp.xml"), descriptor(spID, spKey().Certificate))
	key := write0600(t, filepath.Join(dir, "key.pem"), fresh()[0])
	hubbed := func(edit func(*Config)) Config {
		c := Config{Role: "hub", Origin: Origin{Metadata: file}}
		edit(&c)
		return c
	}
	pin := strings.Repeat("a5", 32)
	const url = "https://sp.example/metadata"
	for _, test := range []struct {
		config Config
		fields []string
	}{
		{hubbed(func(*Config) {}), nil},
		{hubbed(func(c *Config) { c.Role, c.Issuer = "delegate", idpID }), nil},
		{hubbed(func(c *Config) { c.Key = key }), nil},
		{hubbed(func(c *Config) { c.NameID = &NameIDConfig{Format: "persistent", Value: "externalId"} }), nil},
		{hubbed(func(c *Config) { c.NameID = &NameIDConfig{Format: "urn:x:y", Value: "{userName}@x"} }), nil},
		{hubbed(func(c *Config) { c.Metadata, c.EntityID, c.Pin = url, spID, []string{pin} }), nil},
		{Config{}, []string{"metadata", "role"}},
		{hubbed(func(c *Config) { c.Role = "" }), []string{"role"}},
		{hubbed(func(c *Config) { c.Role = "idp" }), []string{"role"}},
		{hubbed(func(c *Config) { c.Issuer = idpID }), []string{"issuer"}},
		{hubbed(func(c *Config) { c.Role = "delegate" }), []string{"issuer"}},
		{hubbed(func(c *Config) { c.Metadata = file + ".not" }), []string{"metadata"}},
		{hubbed(func(c *Config) { c.Metadata = key }), []string{"metadata"}},
		{hubbed(func(c *Config) { c.Metadata = url }), []string{"entity_id", "pin"}},
		{hubbed(func(c *Config) { c.Metadata, c.EntityID = url, spID }), []string{"pin"}},
		{hubbed(func(c *Config) { c.Metadata, c.EntityID, c.Pin = "http://sp.example/", spID, []string{pin} }), []string{"metadata"}},
		{hubbed(func(c *Config) { c.Metadata, c.EntityID, c.Pin = "ftp://sp.example/", spID, []string{pin} }), []string{"metadata"}},
		{hubbed(func(c *Config) { c.Pin = []string{pin[2:], strings.Repeat("A5:", 31) + "A5", "sha256:" + pin} }), []string{"pin[0]", "pin[2]"}},
		{hubbed(func(c *Config) { c.Key = file }), []string{"key"}},
		{hubbed(func(c *Config) { c.NameID = &NameIDConfig{Format: "transient", Value: "userName"} }), []string{"name_id.format"}},
		{hubbed(func(c *Config) { c.NameID = &NameIDConfig{Format: transient, Value: "userName"} }), []string{"name_id.format"}},
		{hubbed(func(c *Config) { c.NameID = &NameIDConfig{Format: "mail", Value: "userName"} }), []string{"name_id.format"}},
		{hubbed(func(c *Config) { c.NameID = &NameIDConfig{Value: "nickname"} }), []string{"name_id.value"}},
		{hubbed(func(c *Config) { c.NameID = &NameIDConfig{} }), []string{"name_id.value"}},
		{hubbed(func(c *Config) { c.Probe = &probe.Config{} }), []string{"probe.url", "probe.present"}},
		{hubbed(func(c *Config) { c.Egress = call.Egress{AllowNetworks: []string{"10"}} }), []string{"allow_networks[0]"}},
	} {
		var fields []string
		for _, p := range test.config.Validate() {
			fields = append(fields, p.Field)
		}
		if !slices.Equal(fields, test.fields) {
			t.Errorf("%+v: %v, want %v", test.config, fields, test.fields)
		}
	}
}

// Whatever stands in metadata, reading it neither panics nor yields a partner whose
// messages nobody could verify, or whose address is not one.
func FuzzMetadata(f *testing.F) {
	f.Add(descriptor(spID, spKey().Certificate))
	f.Add(signedBytes(f, descriptor(spID, spKey().Certificate), idpKey()))
	f.Add(bytes.ReplaceAll(descriptor(spID, spKey().Certificate), []byte("https:"), []byte("javascript:")))
	c := PartnerConfig{Name: "wiki", Role: RoleSP, Origin: Origin{EntityID: spID}}
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := c.read(text)
		if err != nil {
			return
		}
		if len(k.Signing) == 0 || k.EntityID != spID || k.fresh < freshLeast || k.fresh > freshMost {
			t.Errorf("%+v", k)
		}
		for _, e := range k.Endpoints {
			if !strings.HasPrefix(strings.ToLower(e.Location), "https://") {
				t.Errorf("%+v", e)
			}
		}
		pinned := c
		pinned.Pin = []string{pinOf(otherKey().Certificate)}
		if _, err := pinned.read(text); err == nil {
			t.Error("believed without what is pinned")
		}
	})
}
