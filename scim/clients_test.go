package scim

import (
	"path/filepath"
	"slices"
	"testing"
)

// Each sign alone tells its client in the recording that it names, and no other
// client in any.
func TestSigns(t *testing.T) {
	all := signs()
	for i, s := range all {
		t.Run(string(s.client)+": "+s.what, func(t *testing.T) {
			if Dialect(filepath.Dir(s.recorded)) != s.client {
				t.Fatal("recorded of another:", s.recorded)
			}
			d, heard := listening(t, Auto)
			d.handler.(*handler).signs = all[i : i+1]
			if replay(filepath.Join(recordings, s.recorded), d); !slices.Contains(*heard, s.client) {
				t.Fatalf("read as %s", *heard)
			}
			recorded(t, func(t *testing.T, client Dialect, file string) {
				d, heard := listening(t, Auto)
				d.handler.(*handler).signs = all[i : i+1]
				if replay(file, d); client != s.client && slices.Contains(*heard, s.client) {
					t.Fatalf("read as %s", *heard)
				}
			})
		})
	}
}

// What a source is named, it stays, however much it looks like another; and
// one request says nothing about the next.
func TestNamesWin(t *testing.T) {
	capital := `{"Operations":[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"x@y"}]}`
	small := `{"Operations":[{"op":"replace","path":"emails[type eq \"work\"].value","value":"x@y"}]}`
	for _, d := range Dialects() {
		x, heard := listening(t, d)
		id := x.send("POST", "/Users", `{"schemas":["`+urnUser+`"],"userName":"bob"}`).want(201, "").id()
		for _, body := range []string{small, capital, small} {
			*heard = nil
			a := x.send("PATCH", "/Users/"+id, body)
			want, status := d, 400
			if d == Auto && body == capital {
				want, status = Entra, 200
			} else if d == Auto {
				want = Generic
			} else if d == Entra {
				status = 200
			}
			if !slices.Equal(*heard, []Dialect{want}) || a.status != status {
				t.Errorf("%s: %d, read as %s: %s", d, a.status, *heard, body)
			}
			x.send("PATCH", "/Users/"+id, `{"schemas":["`+urnPatch+`"],"Operations":[{"op":"remove","path":"emails"}]}`).want(200, "")
		}
	}
}

// Whoever is only taken for OneLogin and asks for application/scim+json hears
// that; whoever is named so never does.
func TestRecognisedMedia(t *testing.T) {
	for _, c := range []struct {
		dialect      Dialect
		path, accept string
		want         string
	}{
		{Auto, "/Users?count=1&", "", mediaJSON}, {Auto, "/Users?count=1&", mediaSCIM, mediaSCIM}, {Auto, "/Users?count=1", "", mediaSCIM},
		{OneLogin, "/Users", mediaSCIM, mediaJSON}, {Generic, "/Users?count=1&", "", mediaSCIM},
	} {
		a := newDoor(t, c.dialect).send("GET", c.path, "", "Accept: "+c.accept).want(200, "")
		if got := a.header.Get("Content-Type"); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// Refused and unreadable requests are heard too, once each.
func TestHeardOnce(t *testing.T) {
	d, heard := listening(t, Auto)
	d.send("GET", "/Nothing", "", "User-Agent: Okta SCIM Client 1.0.0").want(404, "")
	d.send("POST", "/Users", "{", "User-Agent: Google-Auto-Provisioning").want(400, "")
	d.send("GET", "/Users", "").want(200, "")
	if want := []Dialect{Okta, Google, Generic}; !slices.Equal(*heard, want) {
		t.Fatalf("%s", *heard)
	}
}
