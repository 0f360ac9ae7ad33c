package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
)

// The engine hears whether the log is sound, and the log itself says when it was
// not. Nothing that cannot be undone is done before places outside were asked.
func TestAlarm(t *testing.T) {
	secret, _, err := ledger.NewKey(ledger.NewOrigin())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(t.TempDir(), "data"), LogKey: key, Doubt: store.ErrUnasked, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n, err := newNotary(s, key, server.LogConfig{}, server.NewMetrics(), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if n.Sound() == nil {
		t.Error("sound before anybody was asked")
	}
	if err := n.Sign(t.Context()); err == nil {
		t.Error("signed before anybody was asked")
	}
	n.keeper.Ask(t.Context())
	if err := errors.Join(n.Sound(), n.Sign(t.Context())); err != nil {
		t.Error(err)
	}
	for range 2 { // said once
		n.doubt(t.Context(), fmt.Errorf("%w: somebody holds more", store.ErrTampered))
	}
	if !errors.Is(n.Sound(), store.ErrTampered) || !errors.Is(n.Sign(t.Context()), store.ErrTampered) {
		t.Errorf("in doubt it is sound: %v, or signed", n.Sound())
	}
	n.doubt(t.Context(), nil)
	if err := errors.Join(n.Sound(), n.Sign(t.Context())); err != nil {
		t.Error(err)
	}
	events, err := s.Tail(t.Context(), -1, 10)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, e := range events {
		types = append(types, e.Type.String())
	}
	if want := []string{"alarm.raised", "alarm.cleared"}; !slices.Equal(types, want) {
		t.Errorf("the log says %v, want %v", types, want)
	}
}
