package saml

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"
	dsig "github.com/russellhaering/goxmldsig"
)

// FuzzScan: whatever is let in reads the same when it is written again, in canonical
// form too, and has no more of anything than the limits say.
func FuzzScan(f *testing.F) {
	message := string(bytesOf(f, newScene(f, true).good))
	f.Add([]byte(message))
	f.Add(soap([]byte(message)))
	f.Add(bytesOf(f, newScene(f, false).good))
	for _, h := range hostile {
		f.Add([]byte(h.change(message)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		el, err := parse(data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "<>&\"") {
				t.Fatalf("the error quotes: %v", err)
			}
			return
		}
		elements, depth := measure(el)
		if elements > 1000 || depth > 32 || len(el.Parent().ChildElements()) != 1 {
			t.Fatalf("%d elements, %d deep", elements, depth)
		}
		written := bytesOf(t, el)
		second, err := parse(written)
		if err != nil {
			t.Fatalf("%q was read, but not as %q: %v", data, written, err)
		}
		if d := cmp.Diff(told(el), told(second)); d != "" {
			t.Fatalf("%q reads otherwise as %q: %s", data, written, d)
		}
		canonical, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(el.Copy())
		if err != nil {
			return // prefixes that nobody declared
		}
		third := etree.NewDocument()
		if err := third.ReadFromBytes(canonical); err != nil {
			t.Fatalf("%q is canonically %q: %v", data, canonical, err)
		}
		if d := cmp.Diff(told(el), told(third.Root())); d != "" {
			t.Fatalf("%q reads otherwise as %q: %s", data, canonical, d)
		}
	})
}

func measure(el *etree.Element) (elements, depth int) {
	for _, child := range el.ChildElements() {
		e, d := measure(child)
		elements, depth = elements+e, max(depth, d)
	}
	return elements + 1, depth + 1
}

// told is what an element says by our reading, line by line.
func told(el *etree.Element) (lines []string) {
	value, _ := text(el)
	attributes := []string{}
	for _, a := range el.Attr {
		if a.Space == "" && a.Key != "xmlns" {
			attributes = append(attributes, a.Key+"="+a.Value)
		}
	}
	slices.Sort(attributes)
	lines = append(lines, el.NamespaceURI()+" "+el.Tag+" "+strings.Join(attributes, " ")+" "+value)
	for _, child := range el.ChildElements() {
		lines = append(lines, told(child)...)
	}
	return lines
}

// fixed is a key that is the same in every process, so that what fuzzing found keeps
// its meaning.
func fixed(t testing.TB) Pair {
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), []byte(strings.Repeat("\x01\x02", 16)))
	if err != nil {
		t.Fatal(err)
	}
	return certified(private)
}

// mutate changes a tree by a list of instructions of three bytes each: what, which
// element, which other. It takes a few of them only: copies of copies grow fast.
func mutate(root *etree.Element, pool []*etree.Element, instructions []byte) {
	const most = 8
	for instructions = instructions[:min(len(instructions), 3*most)]; len(instructions) >= 3; instructions = instructions[3:] {
		a, b := pool[int(instructions[1])%len(pool)], pool[int(instructions[2])%len(pool)]
		switch instructions[0] % 10 {
		case 0: // a copy, first
			b.InsertChildAt(0, a.Copy())
		case 1: // a copy, last
			b.AddChild(a.Copy())
		case 2: // a copy, behind the first child
			if len(b.ChildElements()) > 0 {
				after(b, a.Copy())
			}
		case 3:
			if a.Parent() != nil && a != root {
				a.Parent().RemoveChild(a)
			}
		case 4:
			a.SetText(b.Text())
		case 5: // attributes of another
			for _, attr := range b.Attr {
				set(a, attr.FullKey(), attr.Value)
			}
		case 6: // the ID of another
			set(a, "ID", b.SelectAttrValue("ID", "x"))
		case 7:
			a.Space, a.Tag = b.Space, b.Tag
		case 8: // a namespace of another meaning
			set(a, "xmlns:samlp", b.NamespaceURI())
		case 9:
			a.AddChild(etree.NewText(b.Text()))
		}
	}
}

func poolOf(roots ...*etree.Element) (pool []*etree.Element) {
	for _, el := range roots {
		pool = append(append(pool, el), poolOf(el.ChildElements()...)...)
	}
	return pool
}

// FuzzVerify mutates a signed message, first its tree, with parts of another that
// nobody signed, then its bytes. If it is accepted all the same, it says what was signed.
func FuzzVerify(f *testing.F) {
	f.Add(byte(0), []byte{}, uint(0), uint(0), []byte{})
	f.Add(byte(1), []byte{2, 0, 20}, uint(0), uint(0), []byte{})
	f.Add(byte(2), []byte{1, 20, 0, 6, 20, 0}, uint(100), uint(1), []byte("x"))
	f.Add(byte(3), []byte{4, 18, 30}, uint(900), uint(0), []byte("<!-- -->"))
	f.Add(byte(4), []byte{2, 0, 17, 3, 1, 0, 7, 3, 2}, uint(0), uint(0), []byte{})
	f.Add(byte(5), []byte{9, 1, 1}, uint(0), uint(0), []byte("<a>"))
	key := fixed(f)
	f.Fuzz(func(t *testing.T, kind byte, instructions []byte, offset, cut uint, insert []byte) {
		w := newWorld()
		w.Fresh = nil
		p := w.partners[RoleIdP][idpID]
		p.Signing = []*x509.Certificate{key.Certificate}
		w.partners[RoleIdP][idpID] = p

		request := kind%2 == 0
		r, a := aRequest(), aResponse()
		el := a.Element()
		if request {
			el = r.Element()
		}
		el = again(t, signed(t, el, key))
		evil, answer := r, a
		evil.ID, evil.Name.Value, evil.Indexes = "_evil", "eve@example.com", nil
		answer.ID, answer.Second = "_evil", ""
		mutate(el, poolOf(el, again(t, evil.Element()), again(t, answer.Element())), instructions)
		message := bytesOf(t, el)
		if len(insert) > 0 || cut > 0 {
			from := int(offset % uint(len(message)+1))
			to := from + int(cut%uint(len(message)-from+1))
			message = slices.Concat(message[:from], insert, message[to:])
		}
		m, err := w.receive([]Binding{SOAP, POST}[kind/2%2], request, message)
		if err != nil {
			reason(t, err)
			return
		}
		if request {
			if d := cmp.Diff(&r, m.Request); d != "" {
				t.Fatalf("%s\n%s", d, message)
			}
		} else if d := cmp.Diff(&a, m.Response); d != "" {
			t.Fatalf("%s\n%s", d, message)
		}
	})
}
