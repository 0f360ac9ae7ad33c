package ledger

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Policy says whose signatures make a checkpoint count: a C2SP tlog-policy. The
// zero value asks for nobody's but the log's.
type Policy struct {
	Logs      []string // verifier keys of the logs it speaks of; none: known otherwise
	Witnesses []Witness
	Text      []byte // as it was read

	quorum string // name of a witness or group; "" or "none": no witness needed
	groups map[string]group
}

// Witness is somebody who cosigns.
type Witness struct {
	Name string // in the policy
	Key  string // verifier key: Ed25519 cosignature/v1 or ML-DSA-44
	URL  string // submission prefix; "" if nobody has to ask it
}

type group struct {
	least   int
	members []string
}

const (
	maxPolicy  = 256 << 10 // bytes
	maxEntries = 128       // logs, witnesses and groups
)

// ParsePolicy reads a policy file. What is not understood is refused, as is a
// key that stands there twice, under whatever name: nobody counts double.
func ParsePolicy(text []byte) (p Policy, err error) {
	if len(text) > maxPolicy {
		return Policy{}, errors.New("ledger: the policy is too long")
	}
	p.groups, p.Text = make(map[string]group), text
	keys := map[string]bool{}
	for n, line := range strings.Split(string(text), "\n") {
		if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }); i >= 0 {
			return Policy{}, fmt.Errorf("ledger: policy, line %d: has a control character", n+1)
		}
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		if len(p.Logs)+len(p.Witnesses)+len(p.groups) >= maxEntries {
			return Policy{}, fmt.Errorf("ledger: policy, line %d: more than %d logs, witnesses and groups", n+1, maxEntries)
		}
		if err := p.read(words, keys); err != nil {
			return Policy{}, fmt.Errorf("ledger: policy, line %d: %w", n+1, err)
		}
	}
	if p.quorum == "" {
		return Policy{}, errors.New("ledger: the policy has no quorum line")
	}
	return p, nil
}

func (p *Policy) read(words []string, keys map[string]bool) error {
	switch {
	case words[0] == "log" && (len(words) == 2 || len(words) == 3):
		if _, err := newVerifier(words[1]); err != nil {
			return errors.New("no verifier key of a log")
		}
		p.Logs = append(p.Logs, words[1])
		return once(keys, words[1])
	case words[0] == "witness" && (len(words) == 3 || len(words) == 4):
		w := Witness{Name: words[1], Key: words[2]}
		if _, err := newCosigner(w.Key); err != nil {
			return errors.New("no verifier key of a witness; it is of type 0x04 or 0x06")
		}
		if len(words) == 4 {
			w.URL = words[3]
			if u, err := url.Parse(w.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
				return errors.New("no URL of a witness")
			}
		}
		if err := p.free(w.Name); err != nil {
			return err
		}
		p.Witnesses = append(p.Witnesses, w)
		return once(keys, w.Key)
	case words[0] == "group" && len(words) >= 4:
		g := group{members: words[3:]}
		for i, m := range g.members {
			if !p.has(m) {
				return fmt.Errorf("there is no %q above", m)
			}
			if slices.Contains(g.members[:i], m) || p.grouped(m) {
				return fmt.Errorf("%q is a member already", m)
			}
		}
		switch words[2] {
		case "any":
			g.least = 1
		case "all":
			g.least = len(g.members)
		default:
			k, err := strconv.Atoi(words[2])
			if err != nil || k < 1 || k > len(g.members) || words[2] != strconv.Itoa(k) {
				return fmt.Errorf("%q is no number of %d members", words[2], len(g.members))
			}
			g.least = k
		}
		if err := p.free(words[1]); err != nil {
			return err
		}
		p.groups[words[1]] = g
		return nil
	case words[0] == "quorum" && len(words) == 2:
		if p.quorum != "" {
			return errors.New("a second quorum")
		}
		if words[1] != "none" && !p.has(words[1]) {
			return fmt.Errorf("there is no %q above", words[1])
		}
		p.quorum = words[1]
		return nil
	}
	return errors.New("not a line of a policy")
}

// once notes the key in a verifier key, whatever it is called, and refuses a
// second time.
func once(keys map[string]bool, verifier string) error {
	raw, err := base64.StdEncoding.DecodeString(verifier[keyAt(verifier):])
	if err != nil || len(raw) < 2 {
		return errors.New("no verifier key")
	}
	if keys[string(raw[1:])] {
		return errors.New("this key stands there twice")
	}
	keys[string(raw[1:])] = true
	return nil
}

// keyAt is where in name+hash+key the key begins; the key itself may have a plus.
func keyAt(verifier string) int {
	name := strings.Index(verifier, "+") + 1
	return name + strings.Index(verifier[name:], "+") + 1
}

func (p *Policy) free(name string) error {
	if name == "none" || p.has(name) {
		return fmt.Errorf("the name %q is taken", name)
	}
	return nil
}

func (p *Policy) has(name string) bool {
	_, ok := p.groups[name]
	return ok || slices.ContainsFunc(p.Witnesses, func(w Witness) bool { return w.Name == name })
}

// grouped reports whether somebody is in a group already: whoever is in two
// could be counted twice.
func (p *Policy) grouped(name string) bool {
	for _, g := range p.groups {
		if slices.Contains(g.members, name) {
			return true
		}
	}
	return false
}

// Needed reports whether any witness is needed at all.
func (p Policy) Needed() bool { return p.quorum != "" && p.quorum != "none" }

// Met reports whether enough witnesses have cosigned a checkpoint. That the log
// has signed it is for [Open] to say.
func (p Policy) Met(signed []byte) bool {
	return !p.Needed() || p.counts(p.quorum, p.Cosigned(signed))
}

func (p Policy) counts(name string, cosigned []string) bool {
	g, ok := p.groups[name]
	if !ok {
		return slices.Contains(cosigned, name)
	}
	n := 0
	for _, m := range g.members { // no group contains itself: members stand above it
		if p.counts(m, cosigned) {
			n++
		}
	}
	return n >= g.least
}

// Cosigned returns the names of the witnesses that have cosigned a checkpoint.
func (p Policy) Cosigned(signed []byte) (names []string) {
	for _, w := range p.Witnesses {
		if _, _, err := Cosignature(signed, nil, w.Key); err == nil {
			names = append(names, w.Name)
		}
	}
	return names
}

// Cosign appends signature lines to a signed checkpoint.
func Cosign(signed []byte, lines ...[]byte) []byte {
	return bytes.Join(append([][]byte{signed}, lines...), nil)
}
