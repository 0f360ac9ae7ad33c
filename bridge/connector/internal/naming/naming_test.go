package naming

import (
	"testing"

	"github.com/exeunt/exeunt/bridge"
)

func TestRule(t *testing.T) {
	amina := bridge.Identifiers{Person: "p-1", UserName: "amina.{id}", ExternalID: "4711", Emails: []string{"amina@corp.example"}}
	for rule, want := range map[Rule]string{
		"": "", "userName": "amina.{id}", "email": "amina@corp.example", "externalId": "4711", "id": "p-1",
		"acme|{externalId}": "acme|4711", "{userName}@{id}": "amina.{id}@p-1",
	} {
		if e := rule.Validate("subject"); e != nil {
			t.Errorf("%q: %v", rule, e)
		}
		if got := rule.Of(amina); got != want {
			t.Errorf("%q: %q, want %q", rule, got, want)
		}
	}
	for _, rule := range []Rule{"phone", "acme", "acme|", "acme|{}", "{phone}", "{userName", "userName}", "{{userName}}", "{userName} {"} {
		if e := rule.Validate("subject"); e == nil || e.Field != "subject" {
			t.Errorf("%q: %v", rule, e)
		}
	}
	// Half a name may be somebody else's.
	if got := Rule("acme|{externalId}").Of(bridge.Identifiers{UserName: "amina"}); got != "" {
		t.Errorf("without an external id: %q", got)
	}
}
