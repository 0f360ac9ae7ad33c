package webhook

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// message is the body of a webhook. Type is "exeunt." and an effect, "check" or
// "probe".
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when the departure was ordered; when sent, for check and probe
	Data      data      `json:"data"`
}

// data is what the receiver needs, and no more: no name, no other addresses.
type data struct {
	Account *account       `json:"account,omitempty"`
	Effect  bridge.Effect  `json:"effect,omitempty"`
	Trigger bridge.Trigger `json:"trigger,omitempty"`
	Person  *person        `json:"person,omitempty"`
}

type account struct {
	ID string `json:"id"`
}

type person struct {
	ID         string `json:"id"`
	UserName   string `json:"userName,omitempty"`
	ExternalID string `json:"externalId,omitempty"`
	Email      string `json:"email,omitempty"`
}

func body(kind string, at time.Time, o bridge.Order) ([]byte, error) {
	return json.Marshal(message{Type: "exeunt." + kind, Timestamp: at.UTC(), Data: data{
		Account: &account{o.Account.ID}, Effect: o.Effect, Trigger: o.Trigger,
		Person: &person{o.Who.Person, o.Who.UserName, o.Who.ExternalID, o.Who.Email()},
	}})
}

// Signing signs messages for one receiver, with all of its secrets, so that one
// can replace another. It is safe for concurrent use.
type Signing []*standardwebhooks.Webhook

// NewSigning takes secrets that [CheckSecrets] has no objection to.
func NewSigning(secrets []bridge.Secret) (s Signing, err error) {
	for i, secret := range secrets {
		signer, err := standardwebhooks.NewWebhook(string(secret))
		if err != nil {
			return nil, bridge.Errorf(bridge.KindInvalid, "secrets[%d] cannot be used", i)
		}
		s = append(s, signer)
	}
	return s, nil
}

// CheckSecrets returns what is wrong with secrets, without repeating them.
func CheckSecrets(secrets []bridge.Secret) (problems []*bridge.Error) {
	add := func(field, format string, args ...any) {
		problems = append(problems, bridge.Invalid(field, format, args...))
	}
	if len(secrets) == 0 {
		add("secrets", "at least one is required")
	}
	for i, s := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(string(s), "whsec_"))
		if err != nil || len(key) < minKey || len(key) > maxKey {
			add(fmt.Sprintf("secrets[%d]", i), "must be whsec_ and %d to %d bytes in base64", minKey, maxKey)
		}
	}
	return problems
}

// Header returns the headers of one attempt to send a body of JSON: the id
// stays, the time is the attempt's, and there is one signature for each secret.
// An id must have no dot, which would reach into what is signed.
func (s Signing) Header(id string, at time.Time, body []byte) (http.Header, error) {
	var signatures []string
	for _, signer := range s {
		signature, err := signer.Sign(id, at, body)
		if err != nil {
			return nil, err
		}
		signatures = append(signatures, signature)
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return h, nil
}
