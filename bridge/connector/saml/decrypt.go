package saml

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// maxEncrypted is how long a name may be once it is encrypted, in bytes.
const maxEncrypted = 8 << 10

// errEncrypted is all that is said of what cannot be decrypted: which step failed
// would help whoever tries to learn the plaintext.
var errEncrypted = errors.New("the name cannot be decrypted")

// decryptName returns the NameID in an EncryptedID, put into its place in the tree so
// that its namespaces are those of its surroundings. It may be called only with what
// a partner has signed: nobody else gets to try ciphertexts of their own on us.
// crewjam's xmlenc is not asked, because it panics at ciphertexts that are too short or
// no whole blocks, and lets whoever encrypted choose CBC and PKCS #1 v1.5.
func decryptName(id *etree.Element, keys []Pair, allowCBC bool) (*etree.Element, error) {
	data, wrap, err := encryptedParts(id)
	if err != nil {
		return nil, err
	}
	open, bits, err := opener(methodIn(data), allowCBC)
	if err != nil {
		return nil, err
	}
	options, err := wrapping(wrap)
	if err != nil {
		return nil, err
	}
	wrapped, err1 := cipherValue(wrap)
	sealed, err2 := cipherValue(data)
	if err1 != nil || err2 != nil {
		return nil, errEncrypted
	}
	for _, pair := range keys {
		decrypter, ok := pair.Private.(crypto.Decrypter)
		if !ok {
			continue
		}
		key, err := decrypter.Decrypt(nil, wrapped, options)
		if err != nil || len(key)*8 != bits {
			continue
		}
		plain, err := open(key, sealed)
		if err != nil {
			continue
		}
		name, err := parse(plain)
		if err != nil {
			return nil, errEncrypted
		}
		id.AddChild(name)
		return name, nil
	}
	return nil, errEncrypted
}

// encryptedParts returns the data and the key that opens it, which may stand in the
// data or beside it (SAML core, section 2.2.4).
func encryptedParts(id *etree.Element) (data, wrap *etree.Element, err error) {
	for _, child := range id.ChildElements() {
		switch {
		case data == nil && is(child, nsEncryption, "EncryptedData"):
			data = child
		case data != nil && wrap == nil && is(child, nsEncryption, "EncryptedKey"):
			wrap = child
		default:
			return nil, nil, errEncrypted
		}
	}
	if data == nil {
		return nil, nil, errEncrypted
	}
	if info := only(data, dsig.Namespace, "KeyInfo"); wrap == nil && info != nil {
		wrap = only(info, nsEncryption, "EncryptedKey")
	}
	if wrap == nil {
		return nil, nil, errEncrypted
	}
	return data, wrap, nil
}

func methodIn(el *etree.Element) string {
	if method := only(el, nsEncryption, "EncryptionMethod"); method != nil {
		return attribute(method, "Algorithm")
	}
	return ""
}

func cipherValue(el *etree.Element) ([]byte, error) {
	data := only(el, nsEncryption, "CipherData")
	if data == nil {
		return nil, errEncrypted
	}
	values, ok := exactly(data, nsEncryption, "CipherValue")
	if !ok {
		return nil, errEncrypted
	}
	encoded, ok := text(values[0])
	if !ok || len(encoded) > 2*maxEncrypted {
		return nil, errEncrypted
	}
	return base64.StdEncoding.Strict().DecodeString(strings.Join(strings.Fields(encoded), ""))
}

// wrapping returns how the key was encrypted: RSA-OAEP (XML Encryption 1.1, section
// 5.5.2), and never PKCS #1 v1.5, which answers questions about other ciphertexts.
func wrapping(wrap *etree.Element) (*rsa.OAEPOptions, error) {
	method := methodIn(wrap)
	if method != oaepMGF1 && method != oaep {
		return nil, errors.New("the name's key is not encrypted by RSA-OAEP")
	}
	options := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	for _, param := range only(wrap, nsEncryption, "EncryptionMethod").ChildElements() {
		var known bool
		switch algorithm := attribute(param, "Algorithm"); {
		case is(param, dsig.Namespace, "DigestMethod"):
			options.Hash, known = oaepDigest(algorithm)
		case is(param, nsEncryption11, "MGF") && method == oaep:
			options.MGFHash, known = oaepMask(algorithm)
		}
		if !known {
			return nil, errEncrypted
		}
	}
	return options, nil
}

func oaepDigest(uri string) (crypto.Hash, bool) {
	switch uri {
	case sha1URI:
		return crypto.SHA1, true
	case nsEncryption + "sha256":
		return crypto.SHA256, true
	case "http://www.w3.org/2001/04/xmldsig-more#sha384":
		return crypto.SHA384, true
	case nsEncryption + "sha512":
		return crypto.SHA512, true
	}
	return 0, false
}

func oaepMask(uri string) (crypto.Hash, bool) {
	switch uri {
	case nsEncryption11 + "mgf1sha1":
		return crypto.SHA1, true
	case nsEncryption11 + "mgf1sha256":
		return crypto.SHA256, true
	case nsEncryption11 + "mgf1sha384":
		return crypto.SHA384, true
	case nsEncryption11 + "mgf1sha512":
		return crypto.SHA512, true
	}
	return 0, false
}

// opener returns how data is decrypted by a method, and with how long a key. CBC is
// for partners that were registered so: it cannot tell what was changed.
func opener(method string, allowCBC bool) (open func(key, sealed []byte) ([]byte, error), bits int, err error) {
	switch method {
	case nsEncryption11 + "aes128-gcm":
		return openGCM, 128, nil
	case nsEncryption11 + "aes192-gcm":
		return openGCM, 192, nil
	case gcm:
		return openGCM, 256, nil
	}
	if allowCBC {
		switch method {
		case nsEncryption + "aes128-cbc":
			return openCBC, 128, nil
		case nsEncryption + "aes192-cbc":
			return openCBC, 192, nil
		case cbc:
			return openCBC, 256, nil
		}
	}
	return nil, 0, errors.New("the name is encrypted by a method that is not allowed")
}

func openGCM(key, sealed []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nil, sealed, nil)
}

func openCBC(key, sealed []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	size := block.BlockSize()
	if len(sealed) < 2*size || len(sealed)%size != 0 {
		return nil, errEncrypted
	}
	plain := make([]byte, len(sealed)-size)
	cipher.NewCBCDecrypter(block, sealed[:size]).CryptBlocks(plain, sealed[size:])
	n := int(plain[len(plain)-1])
	if n < 1 || n > size {
		return nil, errEncrypted
	}
	return plain[:len(plain)-n], nil
}
