package peers

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Key is a private key with a certificate that it has signed itself.
type Key struct {
	Private *rsa.PrivateKey
	Cert    *x509.Certificate
}

// NewKey makes one that is good for a day.
func NewKey(t testing.TB, name string) Key {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	like := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, like, like, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return Key{private, cert}
}

// PEM is the private key as PKCS #8, and the certificate.
func (k Key) PEM() (private, cert []byte) {
	der, _ := x509.MarshalPKCS8PrivateKey(k.Private) // an RSA key always can
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.Cert.Raw})
}

// File is both in one file, as exeunt reads them.
func (k Key) File() string {
	private, cert := k.PEM()
	return string(private) + string(cert)
}

// Base64 is the certificate as metadata has it.
func (k Key) Base64() string { return base64.StdEncoding.EncodeToString(k.Cert.Raw) }
