package saml

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// Origin is where a partner's metadata comes from, and what makes it trusted.
//
// A file is trusted as it is, and read again when it changes. What a URL answers
// is trusted by its pins only: whoever can answer in its place, or obtain a
// certificate for its name, could have anybody signed out, or nobody.
type Origin struct {
	// Metadata is a file, or a URL that begins with https://.
	Metadata string `yaml:"metadata" json:"metadata"`
	// EntityID is the partner's name; required if the metadata is of more than one
	// entity, or comes from a URL.
	EntityID string `yaml:"entity_id,omitempty" json:"entity_id,omitempty"`
	// Pin lists SHA-256 fingerprints of certificates. Either one of them has signed
	// the metadata, or of the keys in it only those are used that are pinned; then
	// nobody else can speak for the partner, but where messages to it go is said by
	// whoever answers at the URL.
	Pin []string `yaml:"pin,omitempty" json:"pin,omitempty"`
	// AllowCBC says that the partner may encrypt with AES-CBC, which nobody can
	// authenticate, and old software can do nothing else.
	AllowCBC bool `yaml:"allow_cbc,omitempty" json:"allow_cbc,omitempty"`

	call.Egress `yaml:",inline"`
}

// Root has relative file names count from dir.
func (o *Origin) Root(dir string) {
	if o.Metadata != "" && !o.remote() && !filepath.IsAbs(o.Metadata) {
		o.Metadata = filepath.Join(dir, o.Metadata)
	}
	o.Egress.Root(dir)
}

func (o *Origin) remote() bool { return strings.Contains(o.Metadata, "://") }

// PartnerConfig is one partner as it is configured.
type PartnerConfig struct {
	Name   string // of the app or identity provider in the configuration
	Role   Role
	Issuer string // the entity id that we speak to it as; "" means our own
	Origin
}

// Validate returns every mistake in c. It reads the file, if it is one.
func (c PartnerConfig) Validate() (problems []*bridge.Error) {
	problems = c.Egress.Validate()
	for i, p := range c.Pin {
		if _, err := fingerprint(p); err != nil {
			problems = append(problems, bridge.Invalid(fmt.Sprintf("pin[%d]", i), "%s", err))
		}
	}
	if !c.remote() {
		if c.Metadata == "" {
			return append(problems, bridge.Invalid("metadata", "is required: a file, or a URL with a pin"))
		}
		if len(problems) > 0 {
			return problems
		}
		data, err := readFile(c.Metadata)
		if err == nil {
			_, err = c.read(data)
		}
		if err != nil {
			problems = append(problems, bridge.Invalid("metadata", "%s", err))
		}
		return problems
	}
	if e := c.CheckURL("metadata", c.Metadata); e != nil {
		problems = append(problems, e)
	}
	if c.EntityID == "" {
		problems = append(problems, bridge.Invalid("entity_id", "is required, because the metadata comes from a URL"))
	}
	if len(c.Pin) == 0 {
		problems = append(problems, bridge.Invalid("pin", "is required, because the metadata comes from a URL: "+
			"the SHA-256 fingerprint of the certificate that signs it, or of each certificate in it that is to be used"))
	}
	return problems
}

// fingerprint reads 32 bytes in hexadecimal, with or without colons.
func fingerprint(text string) (sum [sha256.Size]byte, err error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil || len(raw) != len(sum) {
		return sum, errors.New("must be the SHA-256 fingerprint of a certificate: 64 hexadecimal digits, with or without colons")
	}
	return [sha256.Size]byte(raw), nil
}

// knowledge is what metadata said.
type knowledge struct {
	Partner
	until time.Time     // validUntil; zero: it does not say
	fresh time.Duration // how long it need not be read anew
}

// partner is one partner at run time.
type partner struct {
	PartnerConfig
	id     string       // the entity id, as it is configured or stood in the file at first
	client *call.Client // nil if its metadata is a file
	now    atomic.Pointer[knowledge]

	reading sync.Mutex
	stamp   os.FileInfo // of the file that was read last
	due     time.Time   // when to fetch it again
}

const (
	fetchLimit = 20 * time.Second
	fetchAgain = 5 * time.Minute // after a failure
)

func newPartner(c PartnerConfig, self string) (*partner, *bridge.Error) {
	if c.Issuer == "" {
		c.Issuer = self
	}
	p := &partner{PartnerConfig: c, id: c.EntityID}
	if !c.remote() {
		data, err := readFile(c.Metadata)
		k, bad := c.read(data)
		if err = errors.Join(err, bad); err != nil {
			return nil, bridge.Invalid("metadata", "%s", err)
		}
		p.id = k.EntityID
		return p, nil
	}
	var err error
	if p.client, err = call.New(call.Config{Egress: c.Egress, Timeout: fetchLimit, MaxBytes: maxMetadata, Redirects: 2}); err != nil {
		return nil, bridge.Invalid("", "%s", err)
	}
	return p, nil
}

// known is what is known of the partner now.
func (p *partner) known(now time.Time) (Partner, bool) {
	k := p.now.Load()
	if k == nil || k.expired(now) {
		return Partner{}, false
	}
	return k.Partner, true
}

func (k *knowledge) expired(now time.Time) bool { return !k.until.IsZero() && !now.Before(k.until) }

// errNoCopy says that nothing was ever fetched.
var errNoCopy = errors.New("its metadata has not been fetched yet")

// load reads what is on this machine: the file, or the last good copy.
func (p *partner) load(o Options) error {
	p.reading.Lock()
	defer p.reading.Unlock()
	if p.client == nil {
		return p.readFile()
	}
	data, err := readFile(p.copyIn(o.Dir))
	if o.Dir == "" || err != nil {
		return errNoCopy
	}
	k, err := p.read(data)
	if err != nil {
		return err
	}
	p.now.Store(&k)
	return nil
}

// refresh reads the metadata anew if that is due.
func (p *partner) refresh(ctx context.Context, o Options) error {
	p.reading.Lock()
	defer p.reading.Unlock()
	if p.client == nil {
		return p.readFile()
	}
	now := o.Now()
	if now.Before(p.due) {
		return nil
	}
	p.due = now.Add(fetchAgain)
	answer, err := p.client.Send(ctx, call.Request{Name: "GET metadata", Method: http.MethodGet, URL: p.Metadata,
		Header: http.Header{"Accept": {"application/samlmetadata+xml, application/xml;q=0.9, */*;q=0.1"}}})
	if err == nil {
		err = answer.Outcome()
	}
	if errors.Is(ctx.Err(), context.Canceled) { // we stopped, nobody has failed
		p.due = now
	}
	if err != nil {
		return err
	}
	k, err := p.read(answer.Body)
	switch {
	case err != nil:
		return err
	case k.expired(now):
		return errors.New("what its URL answers has expired")
	}
	p.now.Store(&k)
	p.due = now.Add(k.fresh)
	if o.Dir == "" {
		return nil
	}
	return keep(p.copyIn(o.Dir), answer.Body)
}

// readFile reads the partner's file if it is another than before.
func (p *partner) readFile() error {
	info, err := os.Stat(p.Metadata)
	if err != nil {
		return unread(err)
	}
	if p.stamp != nil && os.SameFile(p.stamp, info) && p.stamp.ModTime().Equal(info.ModTime()) && p.stamp.Size() == info.Size() {
		return nil
	}
	data, err := readFile(p.Metadata)
	if err != nil {
		return err
	}
	k, err := p.read(data)
	if err != nil {
		return err
	}
	p.stamp = info
	p.now.Store(&k)
	return nil
}

func (p *partner) copyIn(dir string) string {
	return filepath.Join(dir, string(p.Role)+"-"+p.Name+".xml")
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unread(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxMetadata+1))
	switch {
	case err != nil:
		return nil, unread(err)
	case len(data) > maxMetadata:
		return nil, fmt.Errorf("it is longer than %d KiB; metadata of one entity will do", maxMetadata>>10)
	}
	return data, nil
}

// unread is the error of a file that cannot be read; what package os says begins
// with the path, which whoever reads this has named.
func unread(err error) error {
	return fmt.Errorf("the file cannot be read: %w; check the path and who may read it", errors.Unwrap(err))
}

// keep writes a copy, whole or not at all.
func keep(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
