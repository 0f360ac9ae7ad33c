package webhook

import (
	"encoding/json"
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

// sign returns the headers of one attempt: the id stays, the time is the
// attempt's, and there is one signature for each secret.
func sign(signers []*standardwebhooks.Webhook, id string, at time.Time, body []byte) (http.Header, error) {
	var signatures []string
	for _, s := range signers {
		signature, err := s.Sign(id, at, body)
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
