package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
	"github.com/exeunt/exeunt/store/vault"
)

// everybody is the handle of the installation itself: what is sealed and belongs
// to nobody in particular is sealed under its key.
var everybody bridge.Handle

// wrappedOf is what to select to open what is sealed in a table that has a
// handle: the handle, and the wrapped key, NULL if there is none.
func wrappedOf(table string) string {
	return "handle, (SELECT wrapped FROM subject_keys k WHERE k.handle = " + table + ".handle)"
}

// keyFile is where the keys are; "" if that was not said.
func (o Options) keyFile() string {
	if o.KeyFile == "" && o.Dir != "" {
		return o.Dir + ".keys"
	}
	return o.KeyFile
}

// openKeys opens the key file, and sees to it that it is this database's. A new
// database gets a new one.
func (s *Store) openKeys(ctx context.Context) (err error) {
	path := s.opts.keyFile()
	if path == "" {
		return errors.New("a key file must be named: what is kept of people is sealed with keys that stand elsewhere")
	}
	if s.opts.ReadOnly { // the log can be read without
		s.keys, s.keysErr = vault.Open(ctx, path, s.opts.Keeper)
		return nil
	}
	var wrapped []byte
	err = s.engine.view(ctx, s, func(t *tx) error {
		return t.get("key", `SELECT wrapped FROM subject_keys WHERE handle = $1`, []any{everybody[:]}, &wrapped)
	})
	switch {
	case bridge.IsKind(err, bridge.KindNotFound):
		if s.keys, err = vault.OpenOrCreate(ctx, path, s.opts.Keeper, s.now()); err != nil {
			return err
		}
		return s.update(ctx, func(t *tx) error {
			_, err := t.subject(everybody)
			return err
		})
	case err != nil:
		return err
	}
	if s.keys, err = vault.Open(ctx, path, s.opts.Keeper); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the key file %s is missing, and without it nobody can read what is kept of people: put it back", path)
	} else if err != nil {
		return err
	}
	if _, err := s.keys.Subject(everybody, wrapped); errors.Is(err, vault.ErrDestroyed) {
		return fmt.Errorf("this is an old copy of the database: %w", err)
	} else if err != nil {
		return fmt.Errorf("%s is not the key file of this database, or an old copy of it", path)
	}
	return s.forgetAgain(ctx)
}

// forgetAgain forgets whoever the key file says was erased, and the database does
// not know of: it is an older copy, put back.
func (s *Store) forgetAgain(ctx context.Context) error {
	for _, e := range s.keys.Erased() {
		if err := s.forgetOnce(ctx, e.Handle); err != nil {
			return err
		}
	}
	return nil
}

// forgetLogged forgets whoever the log says is to be erased: a process may have died
// after it had said so and before the key file noted it.
func (s *Store) forgetLogged(ctx context.Context) error {
	var erased []bridge.Handle
	if err := s.engine.view(ctx, s, func(t *tx) error {
		return t.eventsOf(func(l ledger.ParsedLeaf) {
			for _, p := range l.Parties {
				if p.Role == bridge.Subject {
					erased = append(erased, p.Handle)
				}
			}
		}, bridge.ErasureIntended, bridge.ErasureDone)
	}); err != nil {
		return err
	}
	for _, h := range erased {
		if err := s.forgetOnce(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// forgetOnce forgets somebody whom the database does not know to be forgotten.
func (s *Store) forgetOnce(ctx context.Context, h bridge.Handle) error {
	err := s.engine.view(ctx, s, func(t *tx) error {
		var n int
		return t.get("tombstone", `SELECT 1 FROM tombstones WHERE handle = $1`, []any{h[:]}, &n)
	})
	if bridge.IsKind(err, bridge.KindNotFound) {
		_, err = s.Shred(ctx, h)
	}
	return err
}

// Keys is the key file of an opened store. A store that was opened for reading
// only may have none: the error says why.
func (s *Store) Keys() (*vault.Keyring, error) { return s.keys, s.keysErr }

// errErased says that somebody has no key any more, and never will have.
var errErased = bridge.Errorf(bridge.KindNotFound, "this person was erased")

// subject returns the key of a person. In Update, who has none gets one, unless
// they were erased.
func (t *tx) subject(h bridge.Handle) (vault.Subject, error) {
	if s, ok := t.subjects[h]; ok {
		return s, nil
	}
	if t.store.keys == nil {
		return vault.Subject{}, t.store.keysErr
	}
	var wrapped []byte
	err := t.get("key", `SELECT wrapped FROM subject_keys WHERE handle = $1`, []any{h[:]}, &wrapped)
	if bridge.IsKind(err, bridge.KindNotFound) {
		if !t.write {
			return vault.Subject{}, errErased
		}
		return t.newSubject(h, "")
	}
	if err != nil {
		return vault.Subject{}, err
	}
	return t.unwrap(h, wrapped)
}

// unwrap returns the key of a person as it was read.
func (t *tx) unwrap(h bridge.Handle, w vault.Wrapped) (vault.Subject, error) {
	if s, ok := t.subjects[h]; ok {
		return s, nil
	}
	if t.store.keys == nil {
		return vault.Subject{}, t.store.keysErr
	}
	if w == nil {
		return vault.Subject{}, errErased
	}
	s, err := t.store.keys.Subject(h, w)
	if err != nil {
		return s, t.failed(err)
	}
	t.know(h, s)
	return s, nil
}

// know remembers a key until the transaction ends. Only writers come back to
// somebody; reading very many must not keep all their keys.
func (t *tx) know(h bridge.Handle, s vault.Subject) {
	if !t.write {
		return
	}
	if t.subjects == nil {
		t.subjects = make(map[bridge.Handle]vault.Subject)
	}
	t.subjects[h] = s
}

// newSubject gives somebody a key; person is whose it is, as far as known.
func (t *tx) newSubject(h bridge.Handle, person string) (vault.Subject, error) {
	var erased int
	if t.store.keys.IsErased(h) {
		return vault.Subject{}, errErased
	}
	err := t.get("tombstone", `SELECT 1 FROM tombstones WHERE handle = $1`, []any{h[:]}, &erased)
	if err == nil {
		return vault.Subject{}, errErased
	}
	if !bridge.IsKind(err, bridge.KindNotFound) {
		return vault.Subject{}, err
	}
	if err := t.epochStays(); err != nil {
		return vault.Subject{}, err
	}
	s, wrapped := t.store.keys.NewSubject(h)
	n, err := t.do(`INSERT INTO subject_keys (handle, person, wrapped) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		h[:], person, []byte(wrapped))
	if err != nil {
		return vault.Subject{}, err
	}
	if n == 0 { // it has one already
		if person != "" {
			if _, err := t.do(`UPDATE subject_keys SET person = $2 WHERE handle = $1`, h[:], person); err != nil {
				return vault.Subject{}, err
			}
		}
		return t.subject(h)
	}
	t.know(h, s)
	return s, nil
}

// openJSON reads what was sealed as JSON. What is empty says nothing: of whoever
// was erased nothing is left.
func openJSON(s vault.Subject, context string, sealed []byte, into any) error {
	plain, err := s.Open(context, sealed)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, into)
}

func sealJSON(s vault.Subject, context string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return s.Seal(context, plain), nil
}

// place is the context in which something is sealed: the table and its row.
func place(table, id string) string { return table + "\x00" + id }

// blind is the form in which people's keys are stored and looked up.
func (t *tx) blind(source string, k bridge.Key) ([]byte, error) {
	if t.store.keys == nil {
		return nil, t.store.keysErr
	}
	b := t.store.keys.Blind(source, string(k.Attribute), k.Value)
	return b[:], nil
}
