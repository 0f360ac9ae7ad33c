package sandbox

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Hook is a receiver of webhooks, signed as the Standard Webhooks specification
// says; its Admin is the signing secret ("whsec_…"). A message that it has
// already had is confirmed and has no effect.
//
//	POST /hook   204; 401 if the signature or the timestamp is wrong
//
// "exeunt.check" is answered with {"state": "shut" | "open"}: shut if the effect
// it asks about was done and not undone; asked about a restore, open if it was.
// "exeunt.probe" is confirmed and changes nothing. Every other message with a new
// id is a change on record: a sender that gives one order two ids is found out.
type Hook struct{ *App }

// StartHook starts one. Users of the options are not used: it takes what comes.
func StartHook(o Options) (*Hook, error) {
	if o.Admin == "" {
		key := make([]byte, 32)
		rand.Read(key)
		o.Admin = "whsec_" + base64.StdEncoding.EncodeToString(key)
	}
	verifier, err := standardwebhooks.NewWebhook(o.Admin)
	if err != nil {
		return nil, err
	}
	app, err := start(o, &mailbox{verifier: verifier, seen: map[string]bool{}, effects: map[string][]string{}})
	if err != nil {
		return nil, err
	}
	return &Hook{app}, nil
}

// HookURL is where messages go.
func (h *Hook) HookURL() string { return h.url + "/hook" }

// Message is a webhook that was received and found genuine.
type Message struct {
	ID        string          `json:"-"`
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

// Messages is what was received, oldest first, checks apart and each once.
func (h *Hook) Messages() []Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.live.(*mailbox).messages)
}

type mailbox struct {
	verifier *standardwebhooks.Webhook
	messages []Message
	seen     map[string]bool     // message ids
	effects  map[string][]string // by account: what was done and not undone
	done     []Change
}

func (m *mailbox) copy() world {
	c := *m
	c.messages, c.done = slices.Clone(m.messages), slices.Clone(m.done)
	c.seen, c.effects = maps.Clone(m.seen), maps.Clone(m.effects)
	return &c
}

func (m *mailbox) changes() []Change { return m.done }

func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/hook" {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || m.verifier.Verify(body, r.Header) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	message := Message{ID: r.Header.Get("Webhook-Id")}
	var data struct {
		Account struct{ ID string }
		Effect  string
	}
	if json.Unmarshal(body, &message) != nil || json.Unmarshal(message.Data, &data) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	what, ours := strings.CutPrefix(message.Type, "exeunt.")
	switch {
	case !ours, what != "probe" && data.Account.ID == "":
		w.WriteHeader(http.StatusBadRequest)
	case what == "probe":
		w.WriteHeader(http.StatusNoContent)
	case what == "check":
		done, state := slices.Contains(m.effects[data.Account.ID], data.Effect), "open"
		if done != (data.Effect == "restore") {
			state = "shut"
		}
		writeJSON(w, http.StatusOK, "application/json", map[string]string{"state": state})
	default:
		m.take(message, data.Account.ID, what)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (m *mailbox) take(message Message, account, effect string) {
	if m.seen[message.ID] {
		return
	}
	m.seen[message.ID] = true
	m.messages = append(m.messages, message)
	had := slices.DeleteFunc(slices.Clone(m.effects[account]), func(e string) bool { return e == effect })
	if effect == "restore" {
		had = nil
	} else {
		had = slices.DeleteFunc(had, func(e string) bool { return e == "restore" })
	}
	m.effects[account] = append(had, effect)
	m.done = append(m.done, Change{account, effect, time.Now()})
}
