package saml

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // the default of RSA-OAEP in XML: no collision of it helps anybody there
	"encoding/base64"
	"errors"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

const (
	nsEncryption   = "http://www.w3.org/2001/04/xmlenc#"
	nsEncryption11 = "http://www.w3.org/2009/xmlenc11#"

	// XML Encryption 1.1, sections 5.5.2, 5.2.4 and 5.2.2.
	oaepMGF1 = nsEncryption + "rsa-oaep-mgf1p"
	oaep     = nsEncryption11 + "rsa-oaep"
	gcm      = nsEncryption11 + "aes256-gcm"
	cbc      = nsEncryption + "aes256-cbc"
	sha1URI  = dsig.Namespace + "sha1"
)

// encryptName replaces the NameID of a request, which must not be signed yet, by an
// EncryptedID for a partner: AES-256-GCM where it takes that, else AES-256-CBC, which
// every partner can read. The key goes by RSA-OAEP with its defaults, for the same reason.
//
// It is not made by crewjam's xmlenc, whose AES-GCM (v0.5.1) encrypts as many zeros as
// the name is long, and panics without a nonce; its CBC alone would be a second way.
func encryptName(el *etree.Element, to Partner) error {
	var public *rsa.PublicKey
	if to.Encrypt != nil {
		public, _ = to.Encrypt.PublicKey.(*rsa.PublicKey)
	}
	if public == nil {
		return errors.New("the partner's metadata has no RSA key to encrypt with; have it publish one, or leave out encrypt")
	}
	for _, name := range el.ChildElements() {
		if !is(name, nsAssertion, "NameID") {
			continue
		}
		name.CreateAttr("xmlns:saml", nsAssertion) // it is to stand alone
		plain, err := write(name)
		if err != nil {
			return err
		}
		encrypted, err := encryptedID(plain, public, to.GCM)
		if err != nil {
			return err
		}
		at := name.Index()
		el.RemoveChildAt(at)
		el.InsertChildAt(at, encrypted)
		return nil
	}
	return errors.New("the request has no NameID")
}

func encryptedID(plain []byte, public *rsa.PublicKey, authenticated bool) (*etree.Element, error) {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	wrapped, err := rsa.EncryptOAEP(crypto.SHA1.New(), rand.Reader, public, key, nil)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	method, sealed := cbc, []byte(nil)
	if authenticated {
		method = gcm
		sealed, err = sealGCM(block, plain)
	} else {
		sealed = sealCBC(block, plain)
	}
	if err != nil {
		return nil, err
	}
	id := etree.NewElement("saml:EncryptedID")
	data := id.CreateElement("xenc:EncryptedData")
	data.CreateAttr("xmlns:xenc", nsEncryption)
	data.CreateAttr("Type", nsEncryption+"Element")
	data.CreateElement("xenc:EncryptionMethod").CreateAttr("Algorithm", method)
	info := data.CreateElement("ds:KeyInfo")
	info.CreateAttr("xmlns:ds", dsig.Namespace)
	wrap := info.CreateElement("xenc:EncryptedKey")
	wrapMethod := wrap.CreateElement("xenc:EncryptionMethod")
	wrapMethod.CreateAttr("Algorithm", oaepMGF1)
	wrapMethod.CreateElement("ds:DigestMethod").CreateAttr("Algorithm", sha1URI)
	for parent, value := range map[*etree.Element][]byte{wrap: wrapped, data: sealed} {
		parent.CreateElement("xenc:CipherData").CreateElement("xenc:CipherValue").
			SetText(base64.StdEncoding.EncodeToString(value))
	}
	return id, nil
}

func sealGCM(block cipher.Block, plain []byte) ([]byte, error) {
	aead, err := cipher.NewGCMWithRandomNonce(block) // 12 bytes before, a tag of 16 behind, as XML has it
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, nil), nil
}

// sealCBC pads as section 5.2.1 wants it: the last byte says how many there are.
func sealCBC(block cipher.Block, plain []byte) []byte {
	n := block.BlockSize() - len(plain)%block.BlockSize()
	padded := append(bytes.Clone(plain), make([]byte, n)...)
	padded[len(padded)-1] = byte(n)
	sealed := make([]byte, block.BlockSize()+len(padded))
	iv := sealed[:block.BlockSize()]
	rand.Read(iv) // never fails
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed[len(iv):], padded)
	return sealed
}
