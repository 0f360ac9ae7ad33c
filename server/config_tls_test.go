package server

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTLSConfiguration(t *testing.T) {
	dir := t.TempDir()
	ca := authorityNamed(t, "CA")
	own, other := certify(t, ca, x509.Certificate{DNSNames: []string{"exeunt.example.com"}}), certify(t, ca, x509.Certificate{})
	cert, key := own.pem(t)
	_, otherKey := other.pem(t)
	authority, _ := ca.pem(t)
	for name, text := range map[string][]byte{"cert.pem": cert, "key.pem": key, "other.pem": otherKey, "ca.pem": authority} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func(text string) (Config, Mistakes, error) {
		c, _, warnings, err := ParseConfig(filepath.Join(dir, "exeunt.yaml"), []byte(text), environment)
		return c, warnings, err
	}
	c, warnings, err := load("listen: 0.0.0.0:8443\ntls: {cert: cert.pem, key: file:key.pem, client_ca: ca.pem}\nsources: {hr: {mtls: {subject: CN=hr}}}")
	if err != nil || len(warnings) > 0 || !c.TLS.On() || !c.TLS.Leaf().Equal(own.cert) || c.TLS.clients == nil {
		t.Errorf("%v, %v", err, warnings)
	}
	if c, _, err = load("{}"); err != nil || c.TLS.On() || c.TLS.Leaf() != nil {
		t.Errorf("without: %v", err)
	}
	for text, want := range map[string]string{
		"tls: {cert: cert.pem, key: file:other.pem}":                       "do not go together",
		"tls: {cert: key.pem, key: file:key.pem}":                          "do not go together",
		"tls: {cert: cert.pem}":                                            "needs both",
		"tls: {key: file:key.pem}":                                         "needs both",
		"tls: {cert: cert.pem, key: key.pem}":                              "a secret must not stand in this file",
		"tls: {cert: cert.pem, key: file:key.pem, client_ca: key.pem}":     "no PEM certificate in key.pem",
		"tls: {client_ca: ca.pem}\nsources: {hr: {mtls: {dns: hr.local}}}": "does not see certificates",
	} {
		_, _, err := load(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestFingerprint(t *testing.T) {
	plain := strings.Repeat("6a", 32)
	for text, good := range map[string]bool{plain: true, strings.ToUpper(plain): true, strings.TrimSuffix(strings.Repeat("6A:", 32), ":"): true,
		plain[1:]: false, plain + "6a": false, "SHA256:" + plain: false, "": false} {
		var f Fingerprint
		if err := f.UnmarshalText([]byte(text)); (err == nil) != good || good && f[31] != 0x6a {
			t.Errorf("%q: %v", text, err)
		}
	}
}
