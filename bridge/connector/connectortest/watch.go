package connectortest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/exeunt/exeunt/bridge"
)

// watcher passes everything on, and reads what comes back as somebody would who
// looks for secrets and personal data in logs.
type watcher struct {
	bridge.Connector
	t         *testing.T
	forbidden []string
}

func watch(t *testing.T, target Target, c bridge.Connector) bridge.Connector {
	w := watcher{Connector: c, t: t, forbidden: target.Secrets}
	for _, who := range []bridge.Identifiers{target.Known, target.Unknown, target.Ambiguous} {
		w.forbidden = append(w.forbidden, who.UserName, who.ExternalID, who.DisplayName, who.Person)
		w.forbidden = append(w.forbidden, who.Emails...)
	}
	return w
}

func (w watcher) look(said string) {
	w.t.Helper()
	for _, f := range w.forbidden {
		if f != "" && strings.Contains(strings.ToLower(said), strings.ToLower(f)) {
			w.t.Errorf("%q is said in %q", f, said)
		}
	}
}

func (w watcher) heard(r bridge.Receipt, err error) (bridge.Receipt, error) {
	w.t.Helper()
	w.look(r.Summary)
	w.look(r.Ref)
	if err != nil {
		w.look(err.Error())
		w.look(fmt.Sprintf("%+v", err))
	}
	return r, err
}

func (w watcher) Find(ctx context.Context, who bridge.Identifiers) (bridge.Account, error) {
	w.t.Helper()
	a, err := w.Connector.Find(ctx, who)
	w.heard(bridge.Receipt{}, err)
	return a, err
}

func (w watcher) Do(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	w.t.Helper()
	return w.heard(w.Connector.Do(ctx, o))
}

func (w watcher) Check(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	w.t.Helper()
	return w.heard(w.Connector.Check(ctx, o))
}

func (w watcher) Probe(ctx context.Context) error {
	w.t.Helper()
	_, err := w.heard(bridge.Receipt{}, w.Connector.Probe(ctx))
	return err
}
