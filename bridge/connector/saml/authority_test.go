package saml

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

func TestOurKeys(t *testing.T) {
	dir := t.TempDir()
	o := Options{BaseURL: "https://us.example", KeyFile: filepath.Join(dir, "saml.key"), Now: time.Now}
	if err := NewAuthority(o).Load(false); err == nil {
		t.Error("loaded a key that is not there")
	}
	first := NewAuthority(o)
	if err := first.Load(true); err != nil || len(first.Pairs()) != 1 {
		t.Fatalf("%v, %d", err, len(first.Pairs()))
	}
	if info, err := os.Stat(o.KeyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again := NewAuthority(o)
	if err := again.Load(true); err != nil || !again.Pairs()[0].Certificate.Equal(first.Pairs()[0].Certificate) {
		t.Errorf("another key after a restart: %v", err)
	}
	o.Keys = []string{write0600(t, filepath.Join(dir, "new.pem"), fresh()[0]), o.KeyFile}
	two := NewAuthority(o)
	if err := two.Load(true); err != nil || len(two.Pairs()) != 2 || !two.Pairs()[1].Certificate.Equal(first.Pairs()[0].Certificate) {
		t.Errorf("%v, %d", err, len(two.Pairs()))
	}
	for name, text := range map[string][]byte{"none.pem": nil, "weak.pem": pemOf(weakPair(t)), "other.pem": append(fresh()[0][:len(fresh()[0])/3:len(fresh()[0])/3], fresh()[1]...)} {
		o.Keys = []string{filepath.Join(dir, name)}
		if text != nil {
			write0600(t, o.Keys[0], text)
		}
		if err := NewAuthority(o).Load(true); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Our metadata is what a partner can read, in both roles, by any of our keys.
func TestMetadata(t *testing.T) {
	a, dir := newAuthority(t)
	o := a.options
	o.Keys = append(o.Keys, write0600(t, filepath.Join(dir, "next.pem"), fresh()[1]))
	a = NewAuthority(o)
	if _, err := a.Metadata(time.Hour); err == nil {
		t.Error("metadata without keys")
	}
	if err := a.Load(false); err != nil {
		t.Fatal(err)
	}
	text, err := a.Metadata(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []Role{RoleIdP, RoleSP} {
		c := PartnerConfig{Name: "us", Role: role, Origin: Origin{EntityID: hub, Pin: []string{pinOf(a.Pairs()[0].Certificate)}}}
		k, err := c.read(text)
		if err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		var keys []string
		for _, c := range k.Signing {
			keys = append(keys, pinOf(c))
		}
		if want := []string{pinOf(a.Pairs()[0].Certificate), pinOf(a.Pairs()[1].Certificate)}; !slices.Equal(keys, want) {
			t.Errorf("%s: keys %v, want %v", role, keys, want)
		}
		want := []Endpoint{{Binding: SOAP, Location: "https://us.example/saml/slo"}, {Binding: Redirect, Location: "https://us.example/saml/slo"},
			{Binding: POST, Location: "https://us.example/saml/slo"}}
		if !slices.Equal(k.Endpoints, want) || k.EntityID != hub || k.fresh != time.Hour {
			t.Errorf("%s: %+v", role, k)
		}
		if left := time.Until(k.until); left < 59*time.Minute || left > time.Hour {
			t.Errorf("valid for %v", left)
		}
		if k.Encrypt == nil {
			t.Error("nobody can encrypt to us")
		}
		// Signed by the first key, and everything is.
		c.Pin = []string{pinOf(spKey().Certificate)}
		if _, err := c.read(text); err == nil {
			t.Error("it is believed without a pin of ours")
		}
		c.Pin = []string{pinOf(a.Pairs()[0].Certificate)}
		forged := strings.ReplaceAll(string(text), "https://us.example/saml/slo", "https://evil.example/slo")
		if k, err := c.read([]byte(forged)); err == nil && len(k.Signing) != 1 { // the pinned key is ours, also in what is not signed
			t.Errorf("%s: %v, %v", role, k.Signing, err)
		}
	}
	var parts []string
	described, err := parseMetadata(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range described.ChildElements() {
		parts = append(parts, e.Tag)
	}
	if want := []string{"Signature", "Extensions", "IDPSSODescriptor", "SPSSODescriptor"}; !slices.Equal(parts, want) { // the order of the schema
		t.Errorf("it has %v, want %v", parts, want)
	}
	if strings.Contains(string(text), "use=") {
		t.Error("a key is for one use only, or for none")
	}
	offered := []string{`<alg:SigningMethod Algorithm="` + rsaSHA256, `<alg:DigestMethod Algorithm="` + nsEncryption + `sha256"`}
	for _, method := range signatureMethods() {
		offered = append(offered, `<alg:SigningMethod Algorithm="`+method.uri+`"`)
	}
	for _, want := range offered {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not offered", want)
		}
	}
	fragment, err := a.Fragment()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(fragment), "<KeyDescriptor"); n != 2 || strings.Count(string(fragment), "<SingleLogoutService") != 3 ||
		strings.Contains(string(fragment), "entityID") {
		t.Errorf("%s", fragment)
	}
	if _, err := parseMetadata([]byte("<a>" + string(fragment) + "</a>")); err != nil {
		t.Error(err)
	}
}

func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func TestRegister(t *testing.T) {
	dir := t.TempDir()
	file := write0600(t, filepath.Join(dir, "sp.xml"), descriptor(spID, spKey().Certificate))
	c := PartnerConfig{Name: "wiki", Role: RoleSP, Origin: Origin{Metadata: file}}
	if err := NewAuthority(Options{Now: time.Now}).Register(c); err == nil || !strings.Contains(err.Message, "public_url") {
		t.Errorf("without a name of our own: %v", err)
	}
	a := NewAuthority(Options{BaseURL: "https://us.example", Now: time.Now, KeyFile: filepath.Join(dir, "key")})
	c.EntityID = spID
	if err := a.Register(c); err != nil {
		t.Fatal(err)
	}
	c.Name = "blog"
	if err := a.Register(c); err == nil || err.Field != "entity_id" || !strings.Contains(err.Message, `"wiki"`) {
		t.Errorf("twice: %v", err)
	}
	c.EntityID = "" // it is the one in the file
	if err := a.Register(c); err == nil || err.Field != "entity_id" || !strings.Contains(err.Message, `"wiki"`) {
		t.Errorf("twice, and the file alone says so: %v", err)
	}
	c.Role, c.Metadata = RoleIdP, write0600(t, filepath.Join(dir, "idp.xml"),
		[]byte(strings.ReplaceAll(string(descriptor(spID, idpKey().Certificate)), "SPSSO", "IDPSSO")))
	if err := a.Register(c); err != nil {
		t.Errorf("the same entity in another role: %v", err)
	}
	if _, ok := a.Partner(spID, RoleSP); ok {
		t.Error("known before it was read")
	}
	if err := a.Load(true); err != nil {
		t.Fatal(err)
	}
	sp, ok := a.Partner(spID, RoleSP)
	if !ok || sp.Name != "wiki" || sp.Issuer != "https://us.example/saml/metadata" || !sp.Signing[0].Equal(spKey().Certificate) {
		t.Errorf("%+v, %v", sp, ok)
	}
	idp, ok := a.Named("blog", RoleIdP)
	if !ok || !idp.Signing[0].Equal(idpKey().Certificate) {
		t.Errorf("%+v, %v", idp, ok)
	}
	if _, ok := a.Named("blog", RoleSP); ok {
		t.Error("an identity provider is an app")
	}
	if _, ok := a.Partner("", RoleSP); ok {
		t.Error("a partner without a name")
	}
}

// A file is read again when it changes; what is not good does not replace what was.
func TestFilesAreReadAgain(t *testing.T) {
	a, dir := newAuthority(t)
	file := write0600(t, filepath.Join(dir, "sp.xml"), descriptor(spID, spKey().Certificate))
	if err := a.Register(PartnerConfig{Name: "wiki", Role: RoleSP, Origin: Origin{Metadata: file}}); err != nil {
		t.Fatal(err)
	}
	if err := a.Load(false); err != nil {
		t.Fatal(err)
	}
	key := func() string {
		a.Refresh(t.Context())
		p, ok := a.Named("wiki", RoleSP)
		if !ok {
			return "none"
		}
		return pinOf(p.Signing[0])
	}
	write0600(t, file, []byte("<nonsense/>"))
	if key() != pinOf(spKey().Certificate) {
		t.Error("nonsense replaced it")
	}
	os.Remove(file)
	if key() != pinOf(spKey().Certificate) {
		t.Error("lost with the file")
	}
	write0600(t, file, descriptor(spID, newKey().Certificate))
	if key() != pinOf(newKey().Certificate) {
		t.Error("a changed file was not read")
	}
}

// library serves metadata by HTTPS; what it serves, and whether, can change.
type library struct {
	*httptest.Server
	text  atomic.Pointer[string] // nil: 503
	asked atomic.Int32
	ca    string
}

func newLibrary(t *testing.T) *library {
	t.Helper()
	l := &library{}
	l.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.asked.Add(1)
		text := l.text.Load()
		if text == nil {
			w.WriteHeader(503)
			return
		}
		w.Write([]byte(*text))
	}))
	t.Cleanup(l.Close)
	l.ca = write0600(t, filepath.Join(t.TempDir(), "ca.pem"),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.Certificate().Raw}))
	return l
}

func (l *library) set(text []byte) {
	s := string(text)
	l.text.Store(&s)
}

func (l *library) partner(pins ...string) PartnerConfig {
	return PartnerConfig{Name: "wiki", Role: RoleSP, Origin: Origin{Metadata: l.URL + "/sp.xml", EntityID: spID, Pin: pins,
		Egress: call.Egress{AllowNetworks: []string{"127.0.0.0/8"}, CAFile: l.ca}}}
}

// What a URL answers is known as soon as exeunt has started: being told of partners
// before, or being stopped while it asks, does not make it wait.
func TestFetchedAtTheStart(t *testing.T) {
	site := newLibrary(t)
	site.set(descriptor(spID, spKey().Certificate))
	old, _ := newAuthority(t)
	a := NewAuthority(old.options)
	if err := a.Register(site.partner(pinOf(spKey().Certificate))); err != nil {
		t.Fatal(err)
	}
	if err := a.Load(false); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.Refresh(ctx)
	d := NewDesk(DeskOptions{Now: time.Now})
	d.Know(Circle{Authority: a})
	ctx, cancel = context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); d.Run(ctx) }()
	defer func() { cancel(); <-done }()
	until(t, "the app is known", func() bool { _, ok := a.Named("wiki", RoleSP); return ok })
}

// What a URL answers is fetched when it is due, kept, and used until it expires; what
// is not good replaces nothing.
func TestFetching(t *testing.T) {
	site := newLibrary(t)
	a, _ := newAuthority(t)
	now := time.Now()
	o := a.options
	o.Now = func() time.Time { return now }
	begin := func() *Authority {
		t.Helper()
		a := NewAuthority(o)
		if err := a.Register(site.partner(pinOf(spKey().Certificate))); err != nil {
			t.Fatal(err)
		}
		if err := a.Load(false); err != nil {
			t.Fatal(err)
		}
		return a
	}
	known := func(a *Authority) bool { _, ok := a.Named("wiki", RoleSP); return ok }

	a = begin()
	a.Refresh(t.Context())
	if known(a) || site.asked.Load() != 1 {
		t.Error("known before it could be had")
	}
	valid := strings.Replace(string(descriptor(spID, spKey().Certificate)), "entityID=",
		`cacheDuration="PT10M" validUntil="`+instant(now.Add(24*time.Hour))+`" entityID=`, 1)
	site.set([]byte(valid))
	a.Refresh(t.Context())
	if known(a) || site.asked.Load() != 1 {
		t.Error("asked again at once")
	}
	now = now.Add(fetchAgain)
	a.Refresh(t.Context())
	if !known(a) || site.asked.Load() != 2 {
		t.Fatal("not fetched")
	}
	now = now.Add(9 * time.Minute)
	a.Refresh(t.Context())
	if site.asked.Load() != 2 {
		t.Error("fetched before it was due")
	}
	now = now.Add(time.Minute)
	a.Refresh(t.Context())
	if site.asked.Load() != 3 {
		t.Error("not fetched when it was due")
	}
	expired := strings.Replace(valid, instant(now.Add(-15*time.Minute).Add(24*time.Hour)), instant(now.Add(-time.Second)), 1)
	if expired == valid {
		t.Fatal("the test is wrong")
	}
	for name, bad := range map[string]string{
		"nonsense":             "<html>",
		"of another":           strings.ReplaceAll(valid, spID, otherID),
		"with another's key":   string(descriptor(spID, otherKey().Certificate)),
		"expired":              expired,
		"with a script for an": strings.ReplaceAll(valid, "https://sp.example/slo/soap", "javascript:alert(1)"),
	} {
		site.set([]byte(bad))
		now = now.Add(time.Hour)
		a.Refresh(t.Context())
		if p, ok := a.Named("wiki", RoleSP); !ok || !p.Signing[0].Equal(spKey().Certificate) || p.Endpoints[0].Location != "https://sp.example/slo/soap" {
			t.Errorf("%s: %+v, %v", name, p, ok)
		}
	}
	// After a restart, with nobody there, the last good copy is what is known.
	site.text.Store(nil)
	a = begin()
	if !known(a) {
		t.Error("forgotten by a restart")
	}
	now = now.Add(24 * time.Hour)
	if known(a) {
		t.Error("known after it expired")
	}
}

// A copy is believed no more than what was fetched.
func TestCopiesAreCheckedToo(t *testing.T) {
	site := newLibrary(t)
	a, _ := newAuthority(t)
	write0600(t, func() string {
		if err := os.MkdirAll(a.options.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(a.options.Dir, "sp-wiki.xml")
	}(), descriptor(spID, otherKey().Certificate))
	if err := a.Register(site.partner(pinOf(spKey().Certificate))); err != nil {
		t.Fatal(err)
	}
	if err := a.Load(false); err != nil {
		t.Fatal(err)
	}
	if _, ok := a.Named("wiki", RoleSP); ok {
		t.Error("a copy with another's key is believed")
	}
}
