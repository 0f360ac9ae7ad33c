package saml

import (
	"crypto/x509"
	"errors"

	"github.com/beevik/etree"
)

func parse(data []byte) (*etree.Element, error) {
	d := etree.NewDocument()
	if err := d.ReadFromBytes(data); err != nil {
		return nil, err
	}
	return d.Root(), nil
}

func verifySignature(el *etree.Element, key *x509.Certificate) (*etree.Element, error) {
	return nil, errors.New("not yet")
}

const timeFormat = "2006-01-02T15:04:05.000Z"

func newID() string { return "" }

func sign(e *etree.Element, p Pair) (*etree.Element, error) { return nil, errors.New("not yet") }
