// Package pair reads and makes the key pairs that exeunt signs with towards
// apps: a private key and its certificate, in one PEM file.
package pair

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"time"
)

// Pair is a private key, RSA of at least 2048 bits or ECDSA of 256, and its certificate.
type Pair struct {
	Private     crypto.Signer
	Certificate *x509.Certificate
}

const (
	bits       = 3072
	least      = 2048
	leastCurve = 256
	years      = 10
	maxPEM     = 64 << 10
)

// Read reads a file. Errors do not hold its contents.
func Read(path string) (Pair, error) {
	f, err := os.Open(path)
	if err != nil {
		return Pair{}, fmt.Errorf("the file cannot be read: %w; check the path and who may read it", errors.Unwrap(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPEM))
	if err != nil {
		return Pair{}, fmt.Errorf("the file cannot be read: %w; check the path and who may read it", errors.Unwrap(err))
	}
	return parse(text)
}

func parse(text []byte) (p Pair, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE":
			if p.Certificate == nil { // the rest is a chain
				p.Certificate, err = x509.ParseCertificate(block.Bytes)
			}
		case "PRIVATE KEY":
			var key any
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
			p.Private, _ = key.(crypto.Signer)
		case "RSA PRIVATE KEY":
			p.Private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			p.Private, err = x509.ParseECPrivateKey(block.Bytes)
		}
		if err != nil {
			return Pair{}, errors.New("a key or certificate in it cannot be read")
		}
	}
	switch {
	case p.Private == nil:
		return Pair{}, errors.New("there is no private key in it, in PEM and without a passphrase")
	case p.Certificate == nil:
		return Pair{}, errors.New("there is no certificate in it; put the certificate behind the private key")
	}
	if err := Strong(p.Private.Public()); err != nil {
		return Pair{}, err
	}
	public, ok := p.Private.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(p.Certificate.PublicKey) {
		return Pair{}, errors.New("its certificate belongs to another key")
	}
	return p, nil
}

// Strong says why a public key, ours or a partner's, is not good enough for
// signatures; nil if it is.
func Strong(public crypto.PublicKey) error {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < least {
			return fmt.Errorf("its RSA key is shorter than %d bits", least)
		}
	case *ecdsa.PublicKey:
		if key.Curve.Params().BitSize < leastCurve {
			return fmt.Errorf("its ECDSA key is shorter than %d bits", leastCurve)
		}
	default:
		return errors.New("its key is neither RSA nor ECDSA")
	}
	return nil
}

// Make makes a file for whoever name is (RSA, 3072 bits, self-signed, for ten years)
// that others cannot read. One that is there already stays.
func Make(path, name string, now time.Time) error {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return nil // if it cannot be read, Read says so
	}
	text, err := generate(name, now)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) { // somebody was quicker
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(path)
	}
	return err
}

// generate makes a pair as the text of a file.
func generate(name string, now time.Time) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(years, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...), nil
}
