package rest

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

func TestNextLink(t *testing.T) {
	for _, test := range []struct {
		headers []string
		want    string
	}{
		{nil, ""},
		{[]string{`<https://a/2>; rel="next"`}, "https://a/2"},
		{[]string{`<https://a/1>; rel="prev", <https://a/3>; rel="next"`}, "https://a/3"},
		{[]string{`<https://a/1>; rel="prev"`, `</x?a=1,2>;rel=next`}, "/x?a=1,2"},
		{[]string{`<https://a/2>; title="a, b; rel=next"; rel="last"`}, ""},
		{[]string{`<https://a/2>; title="<https://evil/>"; rel="Next last"`}, "https://a/2"},
		{[]string{`<https://a/2>; rel="last"; rev="next"`}, ""},
		{[]string{`<https://a/2`, `junk`, `<>; rel=next`}, ""},
	} {
		if got := nextLink(test.headers); got != test.want {
			t.Errorf("%q: %q, want %q", test.headers, got, test.want)
		}
	}
}

func TestSameOrigin(t *testing.T) {
	const here = "https://api.example.com/users?page=1"
	for next, want := range map[string]string{
		"":                                      "",
		"https://api.example.com/users?page=2":  "https://api.example.com/users?page=2",
		"https://API.example.com/users?page=2":  "https://API.example.com/users?page=2",
		"/users?page=2#x":                       "https://api.example.com/users?page=2",
		"?page=2":                               "https://api.example.com/users?page=2",
		"http://api.example.com/users?page=2":   "elsewhere",
		"https://api.example.com:8443/users":    "elsewhere",
		"https://api.example.com.evil.example/": "elsewhere",
		"//evil.example/users":                  "elsewhere",
		"https://me:pw@api.example.com/users":   "elsewhere",
		"javascript:alert(1)":                   "elsewhere",
		"https://api.example.com/users?page=1":  "same",
		"\x7f":                                  "elsewhere",
	} {
		got, err := sameOrigin(here, next)
		switch {
		case errors.Is(err, errElsewhere):
			got = "elsewhere"
		case errors.Is(err, errSamePage):
			got = "same"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", next, got, want)
		}
	}
}

func TestPages(t *testing.T) {
	expr := func(source string) *Expr {
		e := &Expr{Source: source}
		c := compilerFor(t)
		c.compile("", e, inAccount.answer(), nil)
		if c.problems != nil {
			t.Fatal(c.problems)
		}
		return e
	}
	one := 0
	for name, test := range map[string]struct {
		p           Paginate
		first, next string
		n           int
		body        string
	}{
		"page":                   {Paginate{Page: "p", Size: 2}, "p=1", "p=2", 2, ""},
		"page, last":             {Paginate{Page: "p", Size: 2}, "p=1", "", 1, ""},
		"page from 0":            {Paginate{Page: "p", Size: 2, First: &one}, "p=0", "p=1", 2, ""},
		"offset":                 {Paginate{Offset: "o", Size: 2}, "o=0", "o=2", 2, ""},
		"offset, more than size": {Paginate{Offset: "o", Size: 2}, "o=0", "o=3", 3, ""},
		"offset, last":           {Paginate{Offset: "o", Size: 2}, "o=0", "", 0, ""},
		"cursor":                 {Paginate{Cursor: expr("body.?next.orValue('')"), Param: "c"}, "", "c=a%26b", 9, `{"next":"a&b"}`},
		"cursor, last":           {Paginate{Cursor: expr("body.?next.orValue('')"), Param: "c"}, "", "", 9, `{}`},
		"next_url":               {Paginate{NextURL: expr("body.next")}, "", "x=1", 9, `{"next":"?x=1"}`},
		"next_url, last":         {Paginate{NextURL: expr("body.next")}, "", "", 9, `{"next":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			first := test.p.first("https://a.example.com/u")
			if _, query, _ := strings.Cut(first, "?"); query != test.first {
				t.Errorf("first %q", first)
			}
			a := newAnswer(&call.Response{Status: 200, Body: []byte(test.body), Header: http.Header{}, At: time.Now()}, vars{}, nil)
			next, err := test.p.next(t.Context(), first, a, test.n)
			if err != nil {
				t.Fatal(err)
			}
			if _, query, _ := strings.Cut(next, "?"); query != test.next {
				t.Errorf("next %q", next)
			}
		})
	}
}

func FuzzNextLink(f *testing.F) {
	f.Add(`<https://api.example.com/users?page=2>; rel="next"`)
	f.Add(`<//evil.example/>; rel=next`)
	f.Add(`<a>;rel="x\", <b>; rel=next`)
	const here = "https://api.example.com/users"
	f.Fuzz(func(t *testing.T, header string) {
		next, err := sameOrigin(here, nextLink([]string{header}))
		if err != nil || next == "" {
			return
		}
		u, err := url.Parse(next)
		if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Host, "api.example.com") || u.User != nil {
			t.Fatalf("%q leads to %q", header, next)
		}
	})
}

func compilerFor(t testing.TB) *compiler {
	t.Helper()
	env, err := newEnv()
	if err != nil {
		t.Fatal(err)
	}
	return &compiler{env: env, params: map[string]Param{}, used: map[string]bool{}}
}

// textFor compiles a text with every variable in scope.
func textFor(t testing.TB, source string) *Text {
	t.Helper()
	d := &decoder{}
	text := new(Text)
	text.read(d, "", source, Pos{1, 1})
	c := compilerFor(t)
	c.text("", text, inAccount.answer().with("item"))
	if problems := append(d.problems, c.problems...); problems != nil {
		t.Fatal(problems)
	}
	return text
}
