package scim

import (
	"net/url"
	"strings"
	"testing"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"

	"github.com/exeunt/exeunt/bridge"
)

// badgeType is a kind of resource whose definition has what no definition that
// we serve has: rules must come from the definition, not from names.
func badgeType() *resourceType {
	str := func(name string, m schema.AttributeMutability, r schema.AttributeReturned) schema.SimpleParams {
		return schema.SimpleStringParams(schema.StringParams{Name: name, Mutability: m, Returned: r})
	}
	rw, fixed, secret := schema.AttributeMutabilityReadWrite(), schema.AttributeMutabilityImmutable(), schema.AttributeMutabilityWriteOnly()
	def, request, never := schema.AttributeReturnedDefault(), schema.AttributeReturnedRequest(), schema.AttributeReturnedNever()
	t := newResourceType("Badge", "/Badges", "", schema.Schema{ID: "urn:example:2.0:Badge", Attributes: []schema.CoreAttribute{
		schema.SimpleCoreAttribute(str("displayName", rw, def)),
		schema.SimpleCoreAttribute(str("serial", fixed, def)),
		schema.SimpleCoreAttribute(str("colour", rw, def)),
		schema.SimpleCoreAttribute(str("note", rw, request)),
		schema.SimpleCoreAttribute(str("pin", secret, never)),
		schema.SimpleCoreAttribute(str("hint", rw, never)),
		schema.ComplexCoreAttribute(schema.ComplexParams{Name: "maker", SubAttributes: []schema.SimpleParams{
			str("name", fixed, def), str("city", rw, def), str("phone", rw, request), str("code", secret, never)}}),
		schema.ComplexCoreAttribute(schema.ComplexParams{Name: "uses", MultiValued: true, SubAttributes: []schema.SimpleParams{
			str("value", rw, def), str("place", rw, request)}}),
	}})
	t.setApart()
	return t
}

const badge = `{"colour":"red","maker":{"city":"Ulm","name":"A","phone":"1"},"note":"n","serial":"7","uses":[{"place":"p","value":"v"}]}`

func (t *resourceType) cleaned(tb testing.TB, body string) map[string]any {
	tb.Helper()
	object, err := decodeObject([]byte(body), Limits{}.orDefault())
	if err != nil {
		tb.Fatal(err)
	}
	res, err := cleaner{mending: newMending(Strict, mends())}.resource(t, object)
	if err != nil {
		tb.Fatal(err)
	}
	return res
}

// RFC 7644, section 3.5.1: what PUT does with what is immutable, and with what
// is written only.
func TestImmutableRFC7644_3_5_1(t *testing.T) {
	badges := badgeType()
	for _, c := range []struct{ before, sent, want string }{
		{badge, badge, badge},
		{badge, `{"serial":"8"}`, "serial cannot be changed once it is set"},
		{badge, `{"maker":{"name":"a"}}`, "name cannot be changed once it is set"},
		{badge, `{"colour":"blue"}`, `{"colour":"blue","maker":{"name":"A"},"serial":"7"}`},
		{badge, `{"maker":{"city":"Bonn"}}`, `{"maker":{"city":"Bonn","name":"A"},"serial":"7"}`},
		{`{"colour":"red"}`, `{"serial":"7","maker":{"name":"A"}}`, `{"maker":{"name":"A"},"serial":"7"}`},
		{"", `{"serial":"7","pin":"1234","hint":"h","maker":{"code":"x"}}`, `{"serial":"7"}`},
	} {
		res := badges.cleaned(t, c.sent)
		before := []byte(c.before)
		if c.before == "" {
			before = nil
		}
		got := ""
		if err := badges.keepFixed(before, res); err != nil {
			answer, _ := asAnswer(err)
			if got = answer.Detail; answer.Status != 400 || answer.ScimType != scimerrors.ScimTypeMutability {
				t.Error(err)
			}
		} else {
			got = string(appendJSON(nil, res))
		}
		if got != c.want {
			t.Errorf("%s in place of %s: %s", c.sent, c.before, got)
		}
	}
}

// RFC 7644, section 3.5.2: a value may be added to what is immutable while it
// has none; afterwards it can be neither changed nor removed.
func TestImmutablePatch(t *testing.T) {
	badges, m := badgeType(), newMending(Strict, mends())
	for _, c := range []struct{ before, ops, want string }{
		{`{"colour":"red"}`, `{"op":"add","path":"serial","value":"7"}`, `{"colour":"red","serial":"7"}`},
		{badge, `{"op":"add","path":"serial","value":"7"}`, badge},
		{badge, `{"op":"replace","path":"serial","value":"7"}`, badge},
		{badge, `{"op":"add","path":"serial","value":"8"}`, "mutability"},
		{badge, `{"op":"replace","path":"maker","value":{"name":"B"}}`, "mutability"},
		{badge, `{"op":"remove","path":"serial"}`, "mutability"},
		{badge, `{"op":"replace","path":"serial","value":null}`, "mutability"},
		{badge, `{"op":"remove","path":"maker.name"}`, "mutability"},
	} {
		body, _ := decodeObject([]byte(patch(c.ops)), Limits{}.orDefault())
		res, _ := decodeStored([]byte(c.before))
		ops, err := badges.operations(body, m, Limits{}.orDefault())
		for _, o := range ops {
			if err == nil {
				err = o.apply(res, m)
			}
		}
		if err == nil {
			err = badges.keepFixed([]byte(c.before), res)
		}
		got := string(appendJSON(nil, res))
		if err != nil {
			answer, _ := asAnswer(err)
			got = string(answer.ScimType)
		}
		if got != c.want {
			t.Errorf("%s of %s: %s, %v", c.ops, c.before, got, err)
		}
	}
}

// RFC 7643, section 7, "returned", and RFC 7644, section 3.9.
func TestReturnedRFC7643_7(t *testing.T) {
	badges := badgeType()
	res, _ := decodeStored([]byte(badge))
	for _, c := range []struct{ only, but, want string }{
		{"", "", `{"colour":"red","maker":{"city":"Ulm","name":"A"},"serial":"7","uses":[{"value":"v"}]}`},
		{"", "colour,maker.city", `{"maker":{"name":"A"},"serial":"7","uses":[{"value":"v"}]}`},
		{"", "note", `{"colour":"red","maker":{"city":"Ulm","name":"A"},"serial":"7","uses":[{"value":"v"}]}`},
		{"note", "", `{"note":"n"}`},
		{"maker", "", `{"maker":{"city":"Ulm","name":"A"}}`},
		{"maker.phone", "", `{"maker":{"phone":"1"}}`},
		{"maker,maker.phone", "", `{"maker":{"city":"Ulm","name":"A","phone":"1"}}`},
		{"maker.phone,maker", "", `{"maker":{"city":"Ulm","name":"A","phone":"1"}}`},
		{"uses", "", `{"uses":[{"value":"v"}]}`},
		{"uses.place", "", `{"uses":[{"place":"p"}]}`},
		{"pin,hint,maker.code", "", `{}`},
	} {
		p, err := (*request)(nil).projection(badges, words([]string{c.only}), words([]string{c.but}))
		if got := string(appendJSON(nil, p.of(res))); err != nil || got != c.want {
			t.Errorf("attributes=%s excludedAttributes=%s: %s, %v", c.only, c.but, got, err)
		}
		if p.all() {
			t.Error("what is returned on request only would be spliced in")
		}
	}
}

// RFC 7643, section 2.4: one of each value, and one primary.
func TestValuesRFC7643_2_4(t *testing.T) {
	d := newDoor(t, Strict)
	post := func(values string) answer {
		d.directory.people = nil
		return d.send("POST", "/Users", `{"schemas":["`+urnUser+`"],"userName":"x",`+values+`}`)
	}
	post(`"emails":[{"value":"a@b","type":"work"},{"value":"A@B","type":"WORK","display":"A","primary":true},{"value":"a@b","type":"home"},{"value":"a@b"}]`).
		want(201, `{"emails":[{"value":"a@b","type":"work","display":"A","primary":true},{"type":"home"},{"value":"a@b","type":null}]}`)
	post(`"emails":[{"value":"a@b","primary":true},{"value":"a@b","primary":true}]`).want(201, `{"emails":[{"value":"a@b","primary":true}]}`)
	post(`"emails":[{"value":"a@b","primary":false},{"value":"a@b","primary":true}]`).want(201, `{"emails":[{"value":"a@b","primary":true}]}`)
	post(`"emails":[{"value":"a@b","primary":true},{"value":"a@c","primary":true}]`).fault(400, "invalidValue")
	post(`"photos":[{"value":"https://x/a"},{"value":"https://x/A"}]`).want(201, `{"photos":[{},{}]}`) // references are exact
	post(`"addresses":[{"locality":"Ulm"},{"locality":"Ulm"},{"locality":"ulm"}]`).want(201, `{"addresses":[{},{}]}`)
	post(`"x509Certificates":[{"value":"TQ=="},{"value":"TQ"},{"value":"tq=="}]`).want(201, `{"x509Certificates":[{"value":"TQ=="},{"value":"tg=="}]}`)
}

// RFC 7644, section 5: one name, whichever way its accents are encoded, in look-ups
// and where each resource is looked at; it is answered as it was sent.
func TestNamesRFC7644_5(t *testing.T) {
	d := newDoor(t, Strict)
	d.send("POST", "/Users", `{"schemas":["`+urnUser+`"],"userName":"Zoe\u0308","nickName":"ＺＯË"}`).want(201, "")
	for _, filter := range []string{`userName eq "ZOË"`, `nickName eq "zoë"`, `not (userName ne "zoe\u0308")`, `userName sw "zoë"`} {
		d.send("GET", "/Users?filter="+url.QueryEscape(filter), "").want(200, `{"totalResults":1,"Resources":[{"userName":"Zoe\u0308","nickName":"ＺＯË"}]}`)
	}
	d.send("GET", "/Users?filter="+url.QueryEscape(`userName eq "zoe"`), "").want(200, `{"totalResults":0}`)
}

func TestDepartureExtension(t *testing.T) {
	d := newDoor(t, Entra)
	post := func(values string) answer {
		d.directory.people = nil
		return d.send("POST", "/Users", `{"userName":"x","`+strings.ToUpper(urnDeparture)+`":`+values+`}`)
	}
	all := `"contractEnd":"2026-12-31T17:30:00.5","timeZone":"Europe/Berlin","lastWorkingDay":"2026-12-23","employmentType":"Werkstudent","legalHold":true`
	id := post(`{`+all+`,"caseState":"closed"}`).want(201, `{"schemas":["`+urnUser+`","`+urnDeparture+`"],"`+urnDeparture+`":{`+all+`,"caseState":null}}`).id()
	path := func(name string) string { return urnDeparture + ":" + name }
	d.send("PUT", "/Users/"+id, `{"userName":"ada"}`).want(200, `{"`+urnDeparture+`":{"legalHold":true}}`) // absence lifts nothing
	d.send("PATCH", "/Users/"+id, patch(`{"op":"remove","path":"`+path("legalHold")+`"}`)).want(200, `{"`+urnDeparture+`":null}`)
	d.send("PUT", "/Users/"+id, `{"userName":"ada","`+urnDeparture+`":{`+all+`}}`).want(200, "")
	d.send("PATCH", "/Users/"+id, patch(`{"op":"Replace","path":"`+path("legalHold")+`","value":"False"}`)).want(200, `{"`+urnDeparture+`":{"legalHold":false}}`)
	d.send("PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"`+path("lastWorkingDay")+`":""}}`)).want(200, `{"`+urnDeparture+`":{"lastWorkingDay":null}}`)
	d.send("PATCH", "/Users/"+id, patch(`{"op":"add","path":"`+path("caseState")+`","value":"closed"}`)).fault(400, "mutability")
	if len(d.left) != 0 {
		t.Fatal("a contract's end was acted on; documentation and schema say that it is not")
	}
	for values, says := range map[string]string{
		`{"contractEnd":"2026-12-31"}`: "contractEnd takes a date and time", `{"contractEnd":5}`: "contractEnd takes a date and time",
		`{"timeZone":"CEST Berlin"}`: "timeZone takes the name of a time zone in the IANA database", `{"timeZone":"Local"}`: "timeZone",
		`{"lastWorkingDay":"2026-12-32"}`: "lastWorkingDay takes a date, such as 2026-12-31", `{"legalHold":"perhaps"}`: "legalHold takes a boolean",
		`{"employmentType":1}`: "employmentType takes a string", `5`: "takes an object",
	} {
		if a := post(values).fault(400, "invalidValue"); !strings.Contains(a.raw, says) {
			t.Errorf("%s: %s", values, a.raw)
		}
	}
}

// What schemas have words for, they say.
func TestPublishedRules(t *testing.T) {
	d := newDoor(t, Strict)
	for _, c := range [][3]string{
		{urnUser, "active", `{"required":true,"mutability":"readWrite"}`},
		{urnUser, "password", `{"mutability":"writeOnly","returned":"never"}`},
		{urnDeparture, "contractEnd", `{"type":"string","canonicalValues":["9999-12-31T23:59:59Z"]}`},
		{urnDeparture, "lastWorkingDay", `{"type":"string","canonicalValues":["9999-12-31"]}`},
		{urnDeparture, "employmentType", `{"canonicalValues":["employee","contractor","temporary","intern","external"]}`},
		{urnDeparture, "legalHold", `{"type":"boolean","multiValued":false}`},
		{urnDeparture, "caseState", `{"mutability":"readOnly","returned":"request"}`},
	} {
		a := d.send("GET", "/Schemas/"+c[0], "").want(200, "")
		for _, e := range a.body["attributes"].([]any) {
			if e := e.(map[string]any); e["name"] == c[1] {
				a.body = e
				a.want(200, c[2])
				c[1] = ""
			}
		}
		if c[1] != "" {
			t.Error("no", c[1])
		}
	}
}

// caseState is asked for by name, and costs nothing otherwise.
func TestCaseState(t *testing.T) {
	d := newDoor(t, Generic)
	stays, leaves := d.user("ann"), d.user("bob")
	d.send("PATCH", "/Users/"+leaves, patch(`{"op":"replace","value":{"active":false}}`)).want(200, "")
	for _, query := range []string{"", "?attributes=" + urnDeparture, "?attributes=userName", "?excludedAttributes=" + urnDeparture + ":caseState"} {
		a := d.send("GET", "/Users/"+leaves+query, "").want(200, `{"schemas":["`+urnUser+`"],"`+urnDeparture+`":null}`)
		if strings.Contains(a.raw, "caseState") {
			t.Error(query, a.raw)
		}
	}
	if d.asked != 0 {
		t.Fatal("case states were looked up for nobody")
	}
	query := "?attributes=userName," + strings.ToLower(urnDeparture) + ":CASESTATE"
	state := `"schemas":["` + urnUser + `","` + urnDeparture + `"],"` + urnDeparture + `":{"caseState":"running"}`
	d.send("GET", "/Users/"+leaves+query, "").want(200, `{"userName":"bob","name":null,`+state+`}`)
	d.send("GET", "/Users/"+stays+query, "").want(200, `{"userName":"ann","schemas":["`+urnUser+`"],"`+urnDeparture+`":null}`)
	d.send("GET", "/Users"+query, "").want(200, `{"Resources":[{"`+urnDeparture+`":null},{`+state+`}]}`)
	d.send("POST", "/Users/.search", `{"attributes":["`+urnDeparture+`","`+urnDeparture+`:caseState"]}`).want(200, `{"Resources":[{},{`+state+`}]}`)
	if d.asked != 4 {
		t.Fatal("asked", d.asked, "times for 4 answers")
	}
	d.send("PATCH", "/Users/"+leaves+query, patch(`{"op":"replace","path":"`+urnDeparture+`:legalHold","value":true}`)).want(200, `{`+state+`}`)
	d.send("GET", "/Users/"+leaves+"?attributes="+urnDeparture+","+urnDeparture+":caseState", "").
		want(200, `{"`+urnDeparture+`":{"legalHold":true,"caseState":"`+string(bridge.CaseRunning)+`"}}`)
	d.send("GET", "/Users?filter="+urnDeparture+":caseState+eq+%22running%22", "").fault(400, "invalidFilter")
	d.send("GET", "/Users?sortBy="+urnDeparture+":caseState", "").fault(400, "invalidPath")
}
