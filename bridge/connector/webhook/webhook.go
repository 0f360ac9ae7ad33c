package webhook

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/internal/call"
)

// hook is one receiver.
type hook struct {
	client   *call.Client
	url      string
	signing  Signing
	identify string
	checks   bool
	offers   bridge.Capabilities
	gone     atomic.Bool // answered 410 once
}

var errGone = errors.New("the app answered 410: it wants no more messages, and gets none until exeunt is restarted")

// pendingWait is how long to wait when a receiver says "pending" and not how long.
const pendingWait = 30 * time.Second

// Capabilities says what the app was configured to carry out.
func (h *hook) Capabilities() bridge.Capabilities { return slices.Clone(h.offers) }

// Find asks nobody: the account's id is the configured identifier. It is
// Permanent if the person has none, for then nobody knows whom to name.
func (h *hook) Find(_ context.Context, who bridge.Identifiers) (bridge.Account, error) {
	id := map[string]string{byUserName: who.UserName, byEmail: who.Email(),
		byExternalID: who.ExternalID, byID: who.Person}[h.identify]
	if id == "" {
		return bridge.Account{}, bridge.Permanent(fmt.Errorf("the person has no %s to be named by", h.identify))
	}
	return bridge.Account{ID: id, Login: who.UserName, Match: h.identify}, nil
}

// Do sends the order. Whatever the receiver answers with 2xx counts as done.
func (h *hook) Do(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	if _, offered := h.offers.Of(o.Effect); !offered {
		return bridge.Receipt{}, bridge.Permanent(fmt.Errorf("the app does not offer %s", o.Effect))
	}
	payload, err := body(string(o.Effect), o.Since, o)
	if err != nil {
		return bridge.Receipt{}, bridge.Permanent(errors.New("the message cannot be written"))
	}
	answer, err := h.post(ctx, string(o.Effect), o.Key, payload)
	if err != nil {
		return bridge.Receipt{}, err
	}
	return answer.Receipt(""), nil
}

// Check asks the receiver whether the order has taken hold.
func (h *hook) Check(ctx context.Context, o bridge.Order) (bridge.Receipt, error) {
	if _, offered := h.offers.Of(o.Effect); !offered || !h.checks {
		return bridge.Receipt{}, bridge.ErrCannotCheck
	}
	payload, err := body("check", time.Now(), o)
	if err != nil {
		return bridge.Receipt{}, bridge.Permanent(errors.New("the message cannot be written"))
	}
	// Each question has an id of its own, so that no receiver takes it for a
	// repetition and leaves it unanswered.
	answer, err := h.post(ctx, "check", o.Key+"-check-"+rand.Text(), payload)
	if err != nil {
		return bridge.Receipt{}, err
	}
	var says struct {
		State string `json:"state"`
	}
	if err := answer.Decode(&says); err != nil {
		return bridge.Receipt{}, err
	}
	wanted, contrary := "shut", "open"
	if o.Effect == bridge.Restore {
		wanted, contrary = contrary, wanted
	}
	switch says.State {
	case wanted:
		return answer.Receipt("state=" + wanted), nil
	case contrary:
		return answer.Receipt("state=" + contrary), bridge.ErrStillOpen
	case "pending":
		wait, told := call.Wait(answer.Header, answer.At.Add(answer.Took), nil)
		if !told {
			wait = pendingWait
		}
		return bridge.Receipt{}, bridge.RetryAfter(wait, fmt.Errorf("%s answered that it is pending", answer.Name))
	}
	return bridge.Receipt{}, fmt.Errorf("%s answered with no state that is known", answer.Name)
}

// Probe sends a message that names nobody and orders nothing.
func (h *hook) Probe(ctx context.Context) error {
	payload, err := json.Marshal(message{Type: "exeunt.probe", Timestamp: time.Now().UTC()})
	if err != nil {
		return err
	}
	_, err = h.post(ctx, "probe", "probe-"+rand.Text(), payload)
	return err
}

// post makes one attempt to deliver a message.
func (h *hook) post(ctx context.Context, kind, id string, payload []byte) (*call.Response, error) {
	if h.gone.Load() {
		return nil, bridge.Permanent(errGone)
	}
	// A full stop would let the id reach into what is signed after it.
	if id == "" || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '.' }) {
		return nil, bridge.Permanent(errors.New("the order has no key that can be a message id"))
	}
	headers, err := h.signing.Header(id, time.Now(), payload)
	if err != nil {
		return nil, bridge.Permanent(errors.New("the message cannot be signed"))
	}
	answer, err := h.client.Send(ctx, call.Request{Name: "POST exeunt." + kind, Method: http.MethodPost, URL: h.url,
		Header: headers, Body: payload, Key: id})
	if err != nil {
		return nil, err
	}
	if answer.Status == http.StatusGone {
		h.gone.Store(true)
		return nil, bridge.Permanent(errGone)
	}
	return answer, answer.Outcome()
}
