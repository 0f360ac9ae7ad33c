package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"
	roundtrip "github.com/mattermost/xml-roundtrip-validator"
)

// limits are what a document may have before a tree is made of it.
type limits struct {
	bytes      int
	depth      int // of elements
	elements   int
	attributes int  // of one element, namespace declarations included
	comments   bool // comments and CDATA sections are allowed
}

const (
	maxMessage  = 256 << 10 // bytes
	maxMetadata = 1 << 20   // bytes: of one entity, not of a federation
)

// parse reads a message, or what was encrypted in one.
func parse(data []byte) (*etree.Element, error) {
	return read(data, limits{bytes: maxMessage, depth: 32, elements: 1000, attributes: 64})
}

// parseMetadata reads metadata, which people write comments into.
func parseMetadata(data []byte) (*etree.Element, error) {
	return read(data, limits{bytes: maxMetadata, depth: 32, elements: 10_000, attributes: 64, comments: true})
}

// read is the only way from bytes to a tree. Its errors say nothing of the contents.
func read(data []byte, most limits) (*etree.Element, error) {
	if err := scan(data, most); err != nil {
		return nil, err
	}
	if err := roundtrip.Validate(bytes.NewReader(data)); err != nil {
		return nil, errors.New("the XML means something else when it is written again")
	}
	doc := etree.NewDocument()
	doc.ReadSettings.MaxDepth = most.depth
	if err := doc.ReadFromBytes(data); err != nil || doc.Root() == nil {
		return nil, errors.New("the XML is not well-formed")
	}
	return doc.Root(), nil
}

// scan refuses what no partner sends, at a cost that is bounded by the limits and
// before anything is built that would cost more. It uses the tokens of
// encoding/xml, as the tree's parser does: there is no second opinion on what the
// bytes mean.
func scan(data []byte, most limits) error {
	switch {
	case len(data) > most.bytes:
		return errors.New("the XML is too long")
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		return errors.New("the XML is not UTF-8")
	case !most.comments && bytes.Contains(data, []byte("<![CDATA[")):
		return errors.New("the XML has a CDATA section")
	}
	tokens := xml.NewDecoder(bytes.NewReader(data)) // without a CharsetReader: UTF-8 only
	var depth, elements, roots int
	for begun := false; ; begun = true {
		token, err := tokens.Token()
		if err == io.EOF && roots == 1 {
			return nil
		}
		if err != nil {
			return errors.New("the XML is not well-formed")
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			elements++
			switch {
			case roots > 1:
				return errors.New("the XML has a second root")
			case depth > most.depth:
				return errors.New("the XML is too deep")
			case elements > most.elements:
				return errors.New("the XML has too many elements")
			case len(t.Attr) > most.attributes:
				return errors.New("an element of the XML has too many attributes")
			case odd(t):
				return errors.New("an element of the XML has an attribute twice, or a name with colons")
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && strings.Trim(string(t), " \t\r\n") != "" {
				return errors.New("the XML has text outside its root")
			}
		case xml.Comment:
			if !most.comments {
				return errors.New("the XML has a comment")
			}
		case xml.Directive:
			return errors.New("the XML has a DOCTYPE or another directive")
		case xml.ProcInst:
			if begun || t.Target != "xml" {
				return errors.New("the XML has a processing instruction")
			}
		}
	}
}

// odd reports what encoding/xml allows and readers differ about: an attribute that is
// there twice, of which one takes the first and another the last; and colons that are
// part of a name.
func odd(el xml.StartElement) bool {
	seen := make(map[xml.Name]bool, len(el.Attr))
	for _, a := range el.Attr {
		if seen[a.Name] || strings.Contains(a.Name.Local, ":") {
			return true
		}
		seen[a.Name] = true
	}
	return strings.Contains(el.Name.Local, ":")
}

// The reading of a tree. etree's own selectors match any prefix, and its Text stops
// at the first thing that is not text; these do neither.

// is reports whether el has that namespace and name.
func is(el *etree.Element, space, tag string) bool {
	return el.Tag == tag && el.NamespaceURI() == space
}

// attribute returns an attribute without a prefix; "" if there is none.
func attribute(el *etree.Element, key string) string {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == key {
			return a.Value
		}
	}
	return ""
}

// text returns all that an element holds; false if that is more than text.
func text(el *etree.Element) (string, bool) {
	var b strings.Builder
	for _, child := range el.Child {
		t, ok := child.(*etree.CharData)
		if !ok {
			return "", false
		}
		b.WriteString(t.Data)
	}
	return b.String(), true
}

// exactly returns the children of el if they are these, all of one namespace and in
// this order, and no others.
func exactly(el *etree.Element, space string, tags ...string) ([]*etree.Element, bool) {
	children := el.ChildElements()
	if len(children) != len(tags) {
		return nil, false
	}
	for i, child := range children {
		if !is(child, space, tags[i]) {
			return nil, false
		}
	}
	return children, true
}

// children are the direct children of that name, and no deeper ones.
func children(e *etree.Element, space, tag string) (list []*etree.Element) {
	for _, c := range e.ChildElements() {
		if is(c, space, tag) {
			list = append(list, c)
		}
	}
	return list
}

// only returns the one child of that name; nil if there is none, or are several.
func only(e *etree.Element, space, tag string) *etree.Element {
	if found := children(e, space, tag); len(found) == 1 {
		return found[0]
	}
	return nil
}
