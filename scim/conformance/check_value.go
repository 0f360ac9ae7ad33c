package conformance

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"
)

// with is the body of a new user with one attribute of the core schema or of an
// extension.
func (t *T) with(extension, name string, v any) object {
	if extension == "" {
		return t.person(object{name: v})
	}
	return t.person(object{"schemas": []string{userURN, extension}, extension: object{name: v}})
}

// of reads that attribute.
func (o object) of(extension, name string) any {
	if extension == "" {
		return o.at(name)
	}
	return o.at(extension, name)
}

func valueChecks() []Check {
	return []Check{
		{ID: "7643-2.3.2-boolean", Level: Must,
			Title: "A boolean comes back as true or false",
			Harm:  "It takes the text \"false\" for true: whoever left is shown as active.",
			run: func(t *T) {
				for _, active := range []bool{true, false} {
					a := t.read(t.user(t.hire(object{"active": active})))
					t.same(a, "active", a.json.at("active"), active)
				}
			}},
		{ID: "7643-2.3.4-integer", Level: Must, Gap: []int{23},
			Title: "An integer comes back exactly, also one beyond 2^53",
			Harm:  "Long numbers, such as ids of other systems, are changed on the way.",
			needs: []need{writes("integer")},
			run: func(t *T) {
				extension, name, _ := t.facts.writable("integer")
				const n = json.Number("9007199254740993")
				a := t.want(t.post(t.facts.users, t.with(extension, name, n)), http.StatusCreated, http.StatusOK)
				a = t.read(t.user(a.json))
				t.same(a, name, a.json.of(extension, name), n)
			}},
		{ID: "7643-2.3.5-date-time", Level: Must, Gap: []int{23},
			Title: "A dateTime with a fraction and a zone stays the same moment",
			Harm:  "A last day moves to the day before or after.",
			needs: []need{writes("dateTime")},
			run: func(t *T) {
				extension, name, _ := t.facts.writable("dateTime")
				for _, s := range []string{"2031-05-13T04:42:34.125Z", "2031-05-13T04:42:34.5+02:00"} {
					a := t.want(t.post(t.facts.users, t.with(extension, name, s)), http.StatusCreated, http.StatusOK)
					a = t.read(t.user(a.json))
					got, _ := a.json.of(extension, name).(string)
					want, _ := moment(s)
					have, ok := moment(got)
					t.must(ok && have.Equal(want), a, "%s to be the moment %s", name, s)
				}
			}},
		{ID: "7643-2.3.5-not-a-date", Level: Must, Gap: []int{23},
			Title: "What is no dateTime is refused with 400",
			Harm:  "A wrong last day is stored, and nobody leaves on it.",
			needs: []need{writes("dateTime")},
			run: func(t *T) {
				extension, name, _ := t.facts.writable("dateTime")
				for _, s := range []string{"tomorrow", "2031-02-30T00:00:00Z"} {
					t.fault(t.post(t.facts.users, t.with(extension, name, s)), http.StatusBadRequest)
				}
			}},
		{ID: "7643-2.3.6-binary", Level: Must, Gap: []int{23},
			Title: "Binary data comes back byte for byte",
			Harm:  "A certificate that was stored does not work.",
			needs: []need{has("x509Certificates.value")},
			run:   func(t *T) { t.binary(base64.StdEncoding) }},
		{ID: "7643-2.3.6-base64url", Level: Should, Gap: []int{23},
			Title: "Binary data is accepted in the alphabet for URLs too",
			Harm:  "Clients whose language encodes so by default are refused.",
			needs: []need{has("x509Certificates.value")},
			run:   func(t *T) { t.binary(base64.URLEncoding) }},
		{ID: "7643-2.5-null-is-nothing", Level: Must, Gap: []int{4},
			Title: "null and an empty list are the same as nothing",
			Harm:  "Clients such as JumpCloud, which send null for what is empty, are refused.",
			needs: []need{has("nickName", "emails")},
			run: func(t *T) {
				a := t.want(t.post(t.facts.users, t.person(object{"nickName": nil, "phoneNumbers": []string{}})), http.StatusCreated, http.StatusOK)
				a = t.read(t.user(a.json))
				t.must(unassigned(a.json.at("nickName")), a, "no nickName")
			}},
		{ID: "7643-9.2-password-never-shown", Level: Must, Gap: []int{7, 15},
			Title: "A password is never shown, not even to whoever asks for it",
			Harm:  "Whoever reads its traffic or logs has the passwords of all.",
			needs: []need{has("password")},
			run: func(t *T) {
				const secret = "Xc-1!secret-that-is-no-secret"
				a := t.post(t.facts.users, t.person(object{"password": secret}))
				if !a.ok() {
					t.skip("passwords are not accepted: %d", a.status)
				}
				for _, b := range []answer{a, t.read(t.user(a.json)), t.get(t.user(a.json) + "?attributes=password"),
					t.get(query(t.facts.users, "filter", `userName eq "`+a.json.text("userName")+`"`, "attributes", "userName,password"))} {
					t.must(!strings.Contains(string(b.body), secret) && b.json.at("password") == nil, b, "no password")
					for _, r := range b.resources() {
						t.must(r.at("password") == nil, b, "no password")
					}
				}
			}},
	}
}

// binary stores a certificate in one encoding and reads it back in any.
func (t *T) binary(form *base64.Encoding) {
	// A fixed key: the certificate opens nothing. Its serial number makes it
	// contain the two characters in which the alphabets differ.
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	about := &x509.Certificate{SerialNumber: new(big.Int).SetBytes(bytes.Repeat([]byte{0x7b, 0xef, 0xff}, 5)), Subject: pkix.Name{CommonName: "exeunt scim check"},
		NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(4e9, 0)}
	der, err := x509.CreateCertificate(nil, about, about, key.Public(), key)
	if err != nil {
		t.give("our own certificate: %v", err)
	}
	a := t.post(t.facts.users, t.person(object{"x509Certificates": []object{{"value": form.EncodeToString(der)}}}))
	t.want(a, http.StatusCreated, http.StatusOK)
	a = t.read(t.user(a.json))
	values := each(a.json.at("x509Certificates"), "value")
	t.must(len(values) == 1, a, "one certificate")
	plain := strings.NewReplacer("-", "+", "_", "/", "=", "", "\n", "", "\r", "").Replace(values[0])
	got, err := base64.RawStdEncoding.DecodeString(plain)
	t.must(err == nil && bytes.Equal(got, der), a, "the bytes that were sent")
}

func multiValuedChecks() []Check {
	primaries := func(list any) (n int) {
		for _, e := range objects(list) {
			if e.at("primary") == true {
				n++
			}
		}
		return n
	}
	return []Check{
		{ID: "7643-2.4-one-primary", Level: Must, Gap: []int{17},
			Title: "At most one value is primary",
			Harm:  "It writes to the wrong address.",
			needs: []need{has("emails.primary")},
			run: func(t *T) {
				a := t.post(t.facts.users, t.person(object{"emails": []object{
					{"value": "a@work.example", "type": "work", "primary": true}, {"value": "b@home.example", "type": "home", "primary": true}}}))
				if a.status == http.StatusBadRequest {
					t.scimError(a)
					return
				}
				t.want(a, http.StatusCreated, http.StatusOK)
				a = t.read(t.user(a.json))
				t.must(primaries(a.json.at("emails")) <= 1, a, "400, or at most one primary address")
			}},
		{ID: "7643-2.4-no-repetition", Level: Should, Gap: []int{17},
			Title: "The same type and value stand in a list once",
			Harm:  "It sends things twice, and removing one leaves the other.",
			needs: []need{has("emails.type")},
			run: func(t *T) {
				same := object{"value": "a@work.example", "type": "work"}
				a := t.post(t.facts.users, t.person(object{"emails": []object{same, same}}))
				if a.status == http.StatusBadRequest {
					t.scimError(a)
					return
				}
				t.want(a, http.StatusCreated, http.StatusOK)
				a = t.read(t.user(a.json))
				t.must(len(objects(a.json.at("emails"))) == 1, a, "the address once")
			}},
		{ID: "7643-2.4-values", Level: Must, Gap: []int{17},
			Title: "All values of a list are stored, with type and primary",
			Harm:  "All addresses but one get lost.",
			needs: []need{has("emails.type", "emails.primary")},
			run: func(t *T) {
				u := t.hire(object{"emails": []object{{"value": "a@work.example", "type": "work", "primary": true}, {"value": "b@home.example", "type": "home"}}})
				a := t.read(t.user(u))
				t.same(a, "the values of emails", each(a.json.at("emails"), "value"), []string{"a@work.example", "b@home.example"})
				t.must(having(a.json.at("emails"), "value", "a@work.example").at("primary") == true, a, "the address of work to be primary")
				t.must(having(a.json.at("emails"), "value", "b@home.example").text("type") == "home", a, "the other to be of type home")
			}},
		{ID: "7643-2.2-returned-on-request", Level: Must, Gap: []int{7},
			Title: "What the schema says is returned on request only is not shown otherwise",
			Harm:  "Everybody is shown what should be shown to few.",
			needs: []need{func(f facts) string {
				if len(f.onRequest()) == 0 {
					return "no schema of users has an attribute that is returned on request only"
				}
				return ""
			}},
			run: func(t *T) {
				a := t.read(t.user(t.hire(nil)))
				for _, path := range t.facts.onRequest() {
					t.must(a.json.at(path...) == nil, a, "no %s", path[len(path)-1])
				}
			}},
	}
}

// onRequest are the paths of attributes of users that are "returned": "request".
func (f facts) onRequest() (paths [][]string) {
	for _, urn := range append([]string{userURN}, f.extensions...) {
		for _, a := range objects(f.schemas[strings.ToLower(urn)].at("attributes")) {
			if path := []string{urn, a.text("name")}; a.at("returned") == "request" {
				if urn == userURN {
					path = path[1:]
				}
				paths = append(paths, slices.Clone(path))
			}
		}
	}
	return paths
}
