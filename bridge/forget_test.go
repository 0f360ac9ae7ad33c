package bridge_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store"
)

// failing is a real store and its log, of which steps fail: before they are done, or
// after, so that only the answer is lost.
type failing struct {
	*store.Store
	sign, shred, lost, unsound int // how often still
	shredded                   int
}

var errFails = errors.New("fails")

func fails(n *int) error {
	if *n--; *n >= 0 {
		return errFails
	}
	return nil
}

func (f *failing) Shred(ctx context.Context, h bridge.Handle) (bridge.Shredded, error) {
	if err := fails(&f.shred); err != nil {
		return bridge.Shredded{}, err
	}
	f.shredded++
	done, err := f.Store.Shred(ctx, h)
	return done, errors.Join(err, fails(&f.lost))
}

// office is a bridge without apps, on such a store, whose steps a test makes itself.
func office(t *testing.T) (*failing, *bridge.Bridge) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), KeyFile: filepath.Join(t.TempDir(), "keys")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f := &failing{Store: s}
	return f, bridge.New(bridge.Options{Store: f, Sound: func() error { return fails(&f.unsound) },
		Sign: func(context.Context) error { return fails(&f.sign) }})
}

// asked has somebody deleted, and the erasure of them asked for.
func (f *failing) asked(t *testing.T, b *bridge.Bridge, user string) (bridge.Person, bridge.Erasure) {
	t.Helper()
	p, err := b.AddPerson(hr(), bridge.Person{UserName: user, Active: true, Resource: []byte(`{}`)})
	if err == nil {
		_, err = b.ChangePerson(hr(), p.ID, func(p *bridge.Person) error { p.Active = false; return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.RequestErasure(operator(), bridge.ErasureRequest{Person: p.ID, Verified: true})
	if err != nil {
		t.Fatal(err)
	}
	return p, e
}

func (f *failing) erasure(t *testing.T, id string) (e bridge.Erasure) {
	t.Helper()
	if err := f.View(t.Context(), func(tx bridge.Tx) (err error) {
		e, err = tx.Erasure(id)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return e
}

// Each step fails, and each happens but its answer is lost: the erasure is not
// called done before it is, and is done in the end.
func TestStepsOfForgettingFail(t *testing.T) {
	for _, c := range []struct {
		what              string
		sign, shred, lost int
		waits             bridge.Wait
	}{
		{"the log cannot be signed", 1, 0, 0, bridge.WaitsLog},
		{"the key cannot be destroyed", 0, 1, 0, bridge.WaitsFiles},
		{"the key is destroyed, and the answer is lost", 0, 0, 1, bridge.WaitsFiles},
	} {
		t.Run(c.what, func(t *testing.T) {
			f, b := office(t)
			_, e := f.asked(t, b, "ada@example.org")
			f.sign, f.shred, f.lost = c.sign, c.shred, c.lost
			if err := b.AdvanceErasures(t.Context()); !errors.Is(err, errFails) {
				t.Errorf("what failed is not told: %v", err)
			}
			if got := f.erasure(t, e.ID); got.Stage != bridge.StageIntended || got.Waits != c.waits {
				t.Errorf("it is %s, waits for %q", got.Stage, got.Waits)
			}
			if c.sign > 0 && f.shredded > 0 {
				t.Error("destroyed before the intent was signed")
			}
			if err := b.AdvanceErasures(t.Context()); err != nil {
				t.Error(err)
			}
			if got := f.erasure(t, e.ID); got.Stage != bridge.StageDone || got.Waits != "" || got.Shredded.Scanned == 0 || f.shredded != 1+c.lost {
				t.Errorf("%+v after %d times", got, f.shredded)
			}
		})
	}
}

// One erasure that fails holds up no other.
func TestOneErasureFailsAlone(t *testing.T) {
	f, b := office(t)
	_, first := f.asked(t, b, "ada@example.org")
	_, second := f.asked(t, b, "bob@example.org")
	f.shred = 1
	if err := b.AdvanceErasures(t.Context()); err == nil {
		t.Error("no error")
	}
	stages := map[bridge.Stage]bool{f.erasure(t, first.ID).Stage: true, f.erasure(t, second.ID).Stage: true}
	if !stages[bridge.StageIntended] || !stages[bridge.StageDone] {
		t.Error(stages)
	}
}

// While something speaks against the log, nothing is destroyed.
func TestNothingDestroyedWhileUnsound(t *testing.T) {
	f, b := office(t)
	p, e := f.asked(t, b, "ada@example.org")
	f.unsound = 1 << 20
	for range 3 {
		if err := b.AdvanceErasures(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got := f.erasure(t, e.ID); got.Waits != bridge.WaitsLog || !got.Stage.Stoppable() || f.shredded != 0 {
		t.Errorf("%+v", got)
	}
	if err := f.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Person(p.ID); return err }); err != nil {
		t.Error("they are gone:", err)
	}
	f.unsound = 0
	if err := b.AdvanceErasures(t.Context()); err != nil || f.erasure(t, e.ID).Stage != bridge.StageDone {
		t.Error(err, f.erasure(t, e.ID).Stage)
	}
}

// With four eyes, who asked may not approve.
func TestFourEyes(t *testing.T) {
	f, b := office(t)
	b.SetErasing(bridge.Erasing{Laws: bridge.NewLawbook(nil, nil, 0, 0), Law: "gdpr", Approval: bridge.FourEyes})
	_, e := f.asked(t, b, "ada@example.org")
	if _, err := b.ApproveErasure(operator(), e.ID); !bridge.IsKind(err, bridge.KindDenied) {
		t.Error("one pair of eyes:", err)
	}
	other := bridge.WithCaller(t.Context(), bridge.Caller{Operator: "ops", Token: "other"})
	if got, err := b.ApproveErasure(other, e.ID); err != nil || got.Stage != bridge.StageApproved {
		t.Error(got.Stage, err)
	}
}
