package oidc

import (
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/connectortest"
	"github.com/exeunt/exeunt/bridge/connector/internal/probe"
	"github.com/exeunt/exeunt/testdata/peers"
)

// Relying parties that others wrote take what we send in the name of the
// organisation's provider. What they answer is true of some, and of others is not.
func TestRelyingPartiesOfOthers(t *testing.T) {
	for name, start := range map[string]func(testing.TB, *peers.OP) *peers.RelyingParty{
		"mod_auth_openidc": peers.ModAuthOpenIDC, "express-openid-connect": peers.ExpressRP} {
		t.Run(name, func(t *testing.T) {
			op := peers.NewOP(t)
			ours, strangers := NewAuthority(Options{Now: time.Now}), withKeys(t, newKey(t, elliptic.P256()))
			if err := ours.Load(t.TempDir(), true); err != nil { // RS256: what everybody understands
				t.Fatal(err)
			}
			var set jose.JSONWebKeySet
			if err := json.Unmarshal(ours.JWKS(), &set); err != nil {
				t.Fatal(err)
			}
			op.Publish(set.Keys...)
			rp := start(t, op)
			c := Config{URI: rp.BackChannel, ClientID: rp.ClientID, Role: delegate, Issuer: op.URL, Complete: true, Egress: loopback,
				Probe: &probe.Config{URL: rp.PageURL, Present: "cookie:" + rp.Cookie, Refused: []int{http.StatusFound}}}
			session := func(sub, sid string) bridge.Session {
				return bridge.Session{Subject: sub, SID: sid, Credential: bridge.Secret(rp.SignIn(t, sub, sid))}
			}
			if err := open(t, c, ours).Probe(t.Context()); err != nil {
				t.Errorf("Probe: %v", err)
			}
			if err := open(t, c, strangers).Probe(t.Context()); !bridge.IsPermanent(err) {
				t.Errorf("Probe with keys that nobody knows: %v", err)
			}

			ada := bridge.Identifiers{Sessions: []bridge.Session{session("ada", "a1"), session("ada", "a2")}}
			done, checked, err := connectortest.Revoke(t, open(t, c, ours), ada)
			if err != nil || done.Word != bridge.Confirmed {
				t.Errorf("%+v, %+v, %v", done, checked, err)
			}

			// 200, all the same, and nothing has ended: only the probe can tell.
			grace := bridge.Identifiers{Sessions: []bridge.Session{session("grace", "g1")}}
			grace.Sessions[0].SID = ""
			done, _, err = connectortest.Revoke(t, open(t, c, ours), grace)
			if name == "mod_auth_openidc" && !errors.Is(err, bridge.ErrStillOpen) || name != "mod_auth_openidc" && err != nil || done.Word != bridge.Unconfirmed {
				t.Errorf("by subject alone: %+v, %v", done, err)
			}
		})
	}
}
