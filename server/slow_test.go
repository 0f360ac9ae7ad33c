package server

import (
	"io"
	"net/http"
	"testing"
	"time"
)

// A client that sends its body slowly keeps nobody else waiting.
func TestASlowBodyTakesNobodysPlace(t *testing.T) {
	s := defaults()
	s.Limit.Queue, s.Limit.Rate, s.Limit.Burst = 2, 1e6, 1e6
	f := start(t, s, nil, nil)
	ended := make(chan error, s.Limit.Queue)
	for range s.Limit.Queue {
		body, slow := io.Pipe()
		r, err := http.NewRequest(http.MethodPost, f.url+"/scim/v2/Users", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+hrText)
		go func() {
			res, err := http.DefaultTransport.RoundTrip(r)
			if err == nil {
				res.Body.Close()
			}
			ended <- err
		}()
		slow.Write([]byte("{")) // it is on its way
		defer func() {
			slow.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
	}
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		if res, said := f.ask(t, "GET", "/scim/v2/Users", "", "Authorization", "Bearer "+hrText); res.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", res.StatusCode, said)
		}
	}
}
