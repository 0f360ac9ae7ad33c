package saml

import (
	"context"
	"errors"
	"slices"

	"github.com/beevik/etree"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
	"github.com/exeunt/exeunt/bridge/connector/internal/probe"
)

// door is one app. It holds no state between calls.
type door struct {
	app       string
	authority *Authority
	client    *call.Client
	key       *Pair // nil: the authority's
	template  NameIDConfig
	encrypt   bool
	complete  bool
	once      bool
	probe     *probe.Probe
}

var (
	errUnknown    = errors.New("nothing is known of the person's sessions in this app, and no name_id says how the app knows them: have a feed tell of sessions, or set name_id")
	errNoSOAP     = errors.New("the app's metadata has no SingleLogoutService with the SOAP binding: it can only be reached through the person's browser")
	errNoMetadata = errors.New("the app's metadata could not be had yet, or has expired; the log of exeunt says why")
	errSessions   = errors.New("SAML can end sessions, and do nothing else")
)

// Capabilities: sessions are ended. No account is locked by that.
func (d *door) Capabilities() bridge.Capabilities {
	return bridge.Capabilities{{Effect: bridge.Revoke, Covers: []string{"sessions"}, Checked: d.probe != nil}}
}

// Find asks nobody but the probe: who somebody is in the app is known from their
// sessions, or made by the template.
func (d *door) Find(ctx context.Context, who bridge.Identifiers) (bridge.Account, error) {
	names, told := d.names(who)
	if len(names) == 0 {
		if d.complete && len(who.Sessions) == 0 { // one without a NameID is one all the same
			return bridge.Account{}, bridge.ErrNoneKnown
		}
		return bridge.Account{}, bridge.Impossible(errUnknown)
	}
	account := bridge.Account{ID: names[0].Value, Match: "name_id"}
	if told {
		account.Match = "session"
	}
	account.Live = d.probe.Look(ctx, who.Sessions)
	return account, nil
}

// names are the NameIDs that a person has in the app, each once: those that were
// told (then true), else that of the template.
func (d *door) names(who bridge.Identifiers) (names []bridge.NameID, told bool) {
	for _, s := range who.Sessions {
		if s.Name.Value != "" && !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	if len(names) > 0 {
		return names, true
	}
	if name, ok := d.template.of(who); ok {
		return []bridge.NameID{name}, false
	}
	return nil, false
}

// Check proves by the probe that sessions are dead; without one, there is the
// app's word and no more.
func (d *door) Check(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	if o.Effect != bridge.Revoke {
		return bridge.Receipt{}, bridge.Permanent(errSessions)
	}
	return d.probe.Proof(ctx, o.Who.Sessions, o.Account.Live)
}

// Probe has the session of nobody ended: an app that refuses our key or our name
// says so, and what it answers shows whether its metadata is right.
func (d *door) Probe(ctx context.Context) error {
	if err := d.authority.refresh(ctx, d.app); err != nil {
		return err
	}
	to, err := d.speak()
	if err != nil {
		return err
	}
	nobody := bridge.NameID{Value: NewID(), Format: d.template.format(),
		NameQualifier: d.template.NameQualifier, SPNameQualifier: d.template.SPNameQualifier}
	if _, _, err := to.ask(ctx, nobody); err != nil {
		return err
	}
	return d.probe.Sound(ctx)
}

// speak says with whom, where and by which key we speak.
func (d *door) speak() (line, error) {
	app, ok := d.authority.Named(d.app, RoleSP)
	if !ok {
		return line{}, errNoMetadata
	}
	at, ok := app.takes(SOAP)
	if !ok {
		return line{}, bridge.Impossible(errNoSOAP)
	}
	key, err := d.signer()
	return line{door: d, app: app, endpoint: at.Location, key: key}, err
}

// signer is by what key the app knows us.
func (d *door) signer() (Pair, error) {
	if d.key != nil {
		return *d.key, nil
	}
	return d.authority.signer()
}

// element is a request as this app reads it, not signed yet.
func (d *door) element(r Request, app Partner) (*etree.Element, error) {
	el := r.Element()
	if !d.encrypt {
		return el, nil
	}
	return el, encryptName(el, app)
}
