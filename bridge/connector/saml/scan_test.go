package saml

import (
	"bytes"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/beevik/etree"
)

// hostile are changes to the bytes of a message that a reader might not see, or
// might see otherwise than another: all are refused by the scan, whoever signed them.
var hostile = []struct {
	name   string
	change func(message string) string
}{
	{"a comment in a value", func(m string) string { return strings.Replace(m, "example", "exam<!-- -->ple", 1) }},
	{"a comment in the name", func(m string) string {
		return strings.Replace(m, "ada@example.com", "ada@example.com<!---->.evil", 1) + "<!-- -->"
	}},
	{"a comment behind the root", func(m string) string { return m + "<!-- -->" }},
	{"a CDATA section", func(m string) string { return strings.Replace(m, "</saml:Issuer>", "<![CDATA[]]></saml:Issuer>", 1) }},
	{"a processing instruction in a value", func(m string) string { return strings.Replace(m, "</saml:Issuer>", "<?x?></saml:Issuer>", 1) }},
	{"a processing instruction in front", func(m string) string { return "<?xml-stylesheet href='x'?>" + m }},
	{"two declarations", func(m string) string { return `<?xml version="1.0"?><?xml version="1.0"?>` + m }},
	{"a declaration behind space", func(m string) string { return ` <?xml version="1.0"?>` + m }},
	{"an entity bomb", func(m string) string {
		return `<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>` + strings.Replace(m, "</saml:Issuer>", "&b;</saml:Issuer>", 1)
	}},
	{"an external entity", func(m string) string {
		return `<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + strings.Replace(m, "</saml:Issuer>", "&x;</saml:Issuer>", 1)
	}},
	{"an unknown entity", func(m string) string { return strings.Replace(m, "</saml:Issuer>", "&x;</saml:Issuer>", 1) }},
	{"a DTD", func(m string) string { return "<!DOCTYPE m>" + m }},
	{"a DTD alone", func(string) string { return "<!DOCTYPE m SYSTEM 'http://evil.example/'>" }},
	{"UTF-16", func(m string) string {
		var b strings.Builder
		b.WriteString("\xff\xfe")
		for _, c := range m {
			b.WriteString(string([]byte{byte(c), 0}))
		}
		return b.String()
	}},
	{"UTF-16, said", func(m string) string { return `<?xml version="1.0" encoding="UTF-16"?>` + m }},
	{"UTF-7, said", func(m string) string { return `<?xml version="1.0" encoding="UTF-7"?>` + m }},
	{"Latin-1, said", func(m string) string { return `<?xml version="1.0" encoding="ISO-8859-1"?>` + m }},
	{"XML 1.1", func(m string) string { return `<?xml version="1.1"?>` + m }},
	{"not UTF-8", func(m string) string { return strings.Replace(m, "</saml:Issuer>", "\xc3\x28</saml:Issuer>", 1) }},
	{"NUL", func(m string) string { return m + "\x00" }},
	{"NUL, escaped", func(m string) string { return strings.Replace(m, "</saml:Issuer>", "&#0;</saml:Issuer>", 1) }},
	{"a second root behind", func(m string) string { return m + "<x/>" }},
	{"a second root in front", func(m string) string { return "<x/>" + m }},
	{"the same root twice", func(m string) string { return m + m }},
	{"text in front", func(m string) string { return "x" + m }},
	{"text behind", func(m string) string { return m + "x" }},
	{"an attribute twice", func(m string) string { return strings.Replace(m, " ID=", ` ID="_x" ID=`, 1) }},
	{"an attribute twice, by two prefixes", func(m string) string {
		return strings.Replace(m, " ID=", ` xmlns:p="urn:x" xmlns:q="urn:x" p:a="1" q:a="2" ID=`, 1)
	}},
	{"a namespace twice", func(m string) string { return strings.Replace(m, " xmlns:saml=", ` xmlns:saml="urn:x" xmlns:saml=`, 1) }},
	{"colons in a name", func(m string) string { return strings.Replace(m, "</saml:Issuer>", "<x::y/></saml:Issuer>", 1) }},
	{"colons in an attribute", func(m string) string { return strings.Replace(m, " ID=", ` ::a="x" ID=`, 1) }},
	{"an attribute without a name", func(m string) string { return strings.Replace(m, " ID=", ` x:="y" ID=`, 1) }},
	{"an element without a name", func(m string) string { return strings.Replace(m, "</saml:Issuer>", "<x:/></saml:Issuer>", 1) }},
	{"an attribute without quotes", func(m string) string { return strings.Replace(m, " ID=", " a=b ID=", 1) }},
	{"an end that does not fit", func(m string) string { return strings.Replace(m, "</saml:Issuer>", "</saml:Issue>", 1) }},
	{"cut off", func(m string) string { return m[:len(m)-1] }},
	{"nothing", func(string) string { return "" }},
	{"space", func(string) string { return " \n" }},
	{"deep", func(m string) string {
		return strings.Replace(m, "</saml:Issuer>", strings.Repeat("<x>", 40)+strings.Repeat("</x>", 40)+"</saml:Issuer>", 1)
	}},
	{"wide", func(m string) string {
		var b strings.Builder
		for i := range 65 {
			fmt.Fprintf(&b, ` a%d="x"`, i)
		}
		return strings.Replace(m, " ID=", b.String()+" ID=", 1)
	}},
	{"many elements", func(m string) string {
		return strings.Replace(m, "</saml:Issuer>", strings.Repeat("<x/>", 1000)+"</saml:Issuer>", 1)
	}},
}

// TestHostileXML brings each of them in by every binding, signed as well as can be:
// by POST and SOAP it is added to what was signed, by Redirect it is signed itself.
func TestHostileXML(t *testing.T) { try(t, hostileAttacks(t)) }

func hostileAttacks(t testing.TB) (all []attack) {
	for _, request := range []bool{true, false} {
		for _, by := range []Binding{SOAP, POST, Redirect} {
			for _, h := range hostile {
				s := newScene(t, request)
				travel := func(message string) string { return enclosed(by, request, []byte(message)) }
				message := bytesOf(t, s.good)
				switch by {
				case SOAP: // the envelope is changed
					message, travel = soap(message), func(envelope string) string { return envelope }
				case Redirect:
					message, travel = bytesOf(t, s.unsigned()), func(message string) string {
						query, err := signedQuery([]byte(message), paramOf(request), "", idpKey())
						if err != nil {
							t.Fatal(err)
						}
						return query
					}
				}
				changed := h.change(string(message))
				if changed == string(message) {
					t.Fatalf("%s: nothing was changed", h.name)
				}
				all = append(all, attack{name: h.name, by: by, request: request, want: BadXML, wire: travel(changed)},
					attack{name: "twin of " + h.name, by: by, request: request, wire: travel(string(message))})
			}
		}
	}
	return all
}

// TestLong: what is too long is refused before it is looked at.
func TestLong(t *testing.T) {
	long := "<x>" + strings.Repeat("x", maxMessage) + "</x>"
	if _, err := parse([]byte(long)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("parse: %v", err)
	}
	if _, err := parse([]byte(long[:maxMessage-10] + "</x>")); err != nil {
		t.Errorf("as long as allowed: %v", err)
	}
	if _, err := newWorld().POST(t.Context(), bytes.Repeat([]byte("a"), 2*maxMessage+1)); reason(t, err) != BadEncoding {
		t.Errorf("POST: %v", err)
	}
}

// TestMetadataMayHaveComments, and nothing else that messages may not.
func TestMetadataMayHaveComments(t *testing.T) {
	el, err := parseMetadata([]byte("<?xml version='1.0'?><!-- ours --><a><!-- x --><b><![CDATA[c]]></b></a>"))
	if err != nil || el.Tag != "a" {
		t.Fatal(err)
	}
	for _, bad := range []string{"<!DOCTYPE a><a/>", "<a/><a/>", "<a><?x?></a>", `<a b="1" b="2"/>`, "<a>&x;</a>"} {
		if _, err := parseMetadata([]byte(bad)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

// TestText reads all of an element or nothing: etree's own Text stops half-way.
func TestText(t *testing.T) {
	for data, want := range map[string]string{
		"<a>b</a>": "b", "<a>b&amp;c&#x20;</a>": "b&c ", "<a/>": "", "<a>b<c/>d</a>": "no", "<a>b<!-- c -->d</a>": "no",
	} {
		doc := etree.NewDocument()
		if err := doc.ReadFromString(data); err != nil {
			t.Fatal(err)
		}
		if got, ok := text(doc.Root()); ok != (want != "no") || ok && got != want {
			t.Errorf("%s: %q, %v", data, got, ok)
		}
	}
}

// bomb is a query of about 10 KB that unfolds to a million nested elements. With it
// comes a signature that is good, but of something else.
func bomb(t testing.TB, request bool) string {
	encoded, err := deflate([]byte(strings.Repeat("<a>", 1_000_000) + strings.Repeat("</a>", 1_000_000)))
	if err != nil {
		t.Fatal(err)
	}
	query, err := signedQuery([]byte("<a/>"), paramOf(request), "", idpKey())
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(query, "&")
	return paramOf(request) + "=" + url.QueryEscape(encoded) + "&" + rest
}

// TestBomb: a small query that unfolds costs next to nothing, and so does what the
// scan would see of it, were it let in.
func TestBomb(t *testing.T) {
	for _, request := range []bool{true, false} {
		query := bomb(t, request)
		if len(query) > 16<<10 {
			t.Fatalf("it is a bomb of %d bytes", len(query))
		}
		w := newWorld()
		var before, afterwards runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := w.Redirect(t.Context(), query)
		runtime.ReadMemStats(&afterwards)
		if reason(t, err) != BadEncoding {
			t.Errorf("%s: got %v", tagOf(request), err)
		}
		if cost := afterwards.TotalAlloc - before.TotalAlloc; cost > 1<<20 {
			t.Errorf("%s: it costs %d bytes", tagOf(request), cost)
		}
	}
	nested := []byte(strings.Repeat("<a>", maxMessage/7) + strings.Repeat("</a>", maxMessage/7))
	if _, err := parse(nested); err == nil || err.Error() != "the XML is too deep" {
		t.Errorf("parse: %v", err)
	}
}

func BenchmarkBomb(b *testing.B) {
	query, w := bomb(b, true), newWorld()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Redirect(b.Context(), query); err == nil {
			b.Fatal("accepted")
		}
	}
}

// BenchmarkScan are the documents that cost the scan most.
func BenchmarkScan(b *testing.B) {
	wide := &strings.Builder{}
	for i := range maxMessage / 14 {
		fmt.Fprintf(wide, ` a%d="x"`, i)
	}
	for name, data := range map[string]string{
		"deep":     strings.Repeat("<a>", maxMessage/7) + strings.Repeat("</a>", maxMessage/7),
		"wide":     "<a" + wide.String() + "/>",
		"many":     "<a>" + strings.Repeat("<b/>", maxMessage/4-10) + "</a>",
		"text":     "<a>" + strings.Repeat("b", maxMessage-10) + "</a>",
		"allowed":  "<a>" + strings.Repeat(`<b c="d">`+strings.Repeat("e", 240)+"</b>", 900) + "</a>",
		"entities": "<a>" + strings.Repeat("&amp;", maxMessage/5-10) + "</a>",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = parse([]byte(data))
			}
		})
	}
}

// BenchmarkVerify is what an honest message costs.
func BenchmarkVerify(b *testing.B) {
	message := soap(bytesOf(b, newScene(b, true).good))
	w := newWorld()
	w.Fresh = nil
	for b.Loop() {
		if _, err := w.SOAP(b.Context(), message); err != nil {
			b.Fatal(err)
		}
	}
}
