package bridge_test

import (
	"testing"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/sandbox"
)

// An app that fails is left alone, however many people leave it.
func TestAnAppThatFailsIsLeftAlone(t *testing.T) {
	onBoth(t, 10, func(w *world) {
		l := limits
		l.BreakerWait = time.Minute
		w.bridge.SetApps([]bridge.App{{Name: "wiki", Protocol: "scim", Connector: w.conn,
			Policy: bridge.Policy{bridge.Deactivated: {bridge.Lock}}, Limits: l}})
		w.app.Faults.Set(sandbox.Fault{Kind: sandbox.Fail, Status: 500})
		for _, id := range w.ids {
			w.active(id, false)
		}
		w.until("the breaker has opened", func() bool { return len(w.app.Asked()) >= l.BreakerAfter })
		<-time.After(5 * l.RetryMax) // everybody would have been tried again by now
		if n := len(w.app.Asked()); n > l.BreakerAfter+4 {
			t.Errorf("asked %d times", n)
		}
	})
}
