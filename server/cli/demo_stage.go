package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge/connector/sandbox"
	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/store"
)

// stage is everything that runs during a demo: six apps, and exeunt between
// an identity provider and them.
type stage struct {
	dirName string
	wiki    *sandbox.SCIM
	crm     *sandbox.SaaS
	badge   *sandbox.Hook
	guests
	running *running // exeunt
	idp     string   // the identity provider's token
	admin   *client

	ids    map[string]string // person's id in exeunt by user name
	doors  []*oldDoor
	caseID string
}

// cast are the five people; the second one leaves.
var cast = []sandbox.User{
	{UserName: "ada@example.com", DisplayName: "Ada Lovelace"},
	{UserName: "grace@example.com", DisplayName: "Grace Hopper"},
	{UserName: "alan@example.com", DisplayName: "Alan Turing"},
	{UserName: "edsger@example.com", DisplayName: "Edsger Dijkstra"},
	{UserName: "barbara@example.com", DisplayName: "Barbara Liskov"},
}

var leaver = cast[1]

func password(u sandbox.User) string { return "correct horse " + u.UserName }

// setStage starts the apps and exeunt; everything listens on the loopback only.
func setStage(ctx context.Context, dir string) (*stage, error) {
	s := &stage{dirName: dir, ids: map[string]string{}}
	users := make([]sandbox.User, len(cast))
	for i, u := range cast {
		u.Email, u.Password = u.UserName, password(u)
		users[i] = u
	}
	var err [3]error
	s.wiki, err[0] = sandbox.StartSCIM(sandbox.Options{Users: users}, sandbox.Quirks{})
	s.crm, err[1] = sandbox.StartSaaS(sandbox.Options{Users: users})
	s.badge, err[2] = sandbox.StartHook(sandbox.Options{})
	if err := errors.Join(append(err[:], s.openGuests())...); err != nil {
		return nil, err
	}
	file, err1 := s.configure()
	if err1 != nil {
		return nil, err1
	}
	config, apps, _, err2 := server.LoadConfig(file)
	if err2 != nil {
		return nil, err2
	}
	if s.running, err2 = start(ctx, config, apps, config.AdminToken, zerolog.Nop()); err2 != nil {
		return nil, err2
	}
	s.admin = &client{url: s.running.URL, token: config.AdminToken, http: caller(config, 30*time.Second)}
	return s, nil
}

// configure writes the configuration a user would write, and its secrets.
func (s *stage) configure() (file string, err error) {
	admin, _ := server.NewToken(server.AdminToken)
	s.idp, _ = server.NewToken(server.SCIMToken)
	s.feed = rand.Text()
	for name, value := range map[string]string{"entra-token": s.idp, "admin-token": admin, "feed-token": s.feed, "travel.xml": string(s.travel.Metadata()),
		"wiki-token": s.wiki.Admin(), "crm-key": s.crm.Admin(), "badge-secret": s.badge.Admin()} {
		if err := os.WriteFile(filepath.Join(s.dirName, name), []byte(value+"\n"), 0o600); err != nil {
			return "", err
		}
	}
	text := fmt.Sprintf(`# Written by exeunt demo.
listen: 127.0.0.1:0
public_url: %[5]s
data: %[1]s/data
admin_token: file:%[1]s/admin-token
saml: {keys: [%[1]s/saml.pem]}

sources:
  entra:
    token: file:%[1]s/entra-token
    dialect: entra

feeds:
  idp:
    token: file:%[1]s/feed-token
    source: entra
    apps: [travel, chat]

apps:
  wiki:
    title: Wiki, by SCIM
    connector: scim
    with:
      base_url: %[2]s
      token: file:%[1]s/wiki-token
      allow_networks: [127.0.0.1/32]
    policy: {deactivate: [lock], delete: [delete]}
  crm:
    title: CRM, by a REST recipe
    connector: rest
    with:
      recipe: sandbox
      params: {base: %[3]s}
      secrets: {token: file:%[1]s/crm-key}
      allow_networks: [127.0.0.1/32]
    policy: {deactivate: [lock, revoke], delete: [delete]}
  badge:
    title: Badge system, by signed webhook
    connector: webhook
    with:
      url: %[4]s
      secrets: [file:%[1]s/badge-secret]
      check: true
      allow_networks: [127.0.0.1/32]
    policy: {deactivate: [lock], delete: [lock]}
%[6]s`, s.dirName, s.wiki.BaseURL(), s.crm.URL(), s.badge.HookURL(), demoURL, s.guestApps())
	file = filepath.Join(s.dirName, "exeunt.yaml")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// clear stops everything.
func (s *stage) clear() error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return errors.Join(s.running.stop(ctx), s.wiki.Close(), s.crm.Close(), s.badge.Close(), s.travel.Close(), s.chat.Close(), s.forum.Close())
}

// verifyLog seals and signs what there is, and recomputes all of it.
func (s *stage) verifyLog(ctx context.Context) (string, error) {
	if _, err := s.running.store.Seal(ctx); err != nil {
		return "", err
	}
	if _, err := s.running.store.Checkpoint(ctx); err != nil {
		return "", err
	}
	report, err := s.running.store.VerifyLog(ctx, store.VerifyOptions{})
	return report.Report.String(), err
}

// scim sends a request as the identity provider does.
func (s *stage) scim(ctx context.Context, method, path, body string) (status int, answer map[string]any, took time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, method, s.running.URL+"/scim/v2"+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, 0, err
	}
	r.Header.Set("Authorization", "Bearer "+s.idp)
	r.Header.Set("Content-Type", "application/scim+json")
	began := time.Now()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, 0, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	took = time.Since(began)
	if err == nil && len(raw) > 0 {
		err = json.Unmarshal(raw, &answer)
	}
	return resp.StatusCode, answer, took, err
}

// oldDoor is a credential from before, and how to try it.
type oldDoor struct {
	what   string // "wiki session"
	url    string
	cookie *http.Cookie
	bearer string
}

// open reports whether the credential is still let in.
func (o *oldDoor) open(ctx context.Context) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url, nil)
	if err != nil {
		return 0, err
	}
	if o.cookie != nil {
		r.AddCookie(o.cookie)
	} else {
		r.Header.Set("Authorization", "Bearer "+o.bearer)
	}
	resp, err := http.DefaultTransport.RoundTrip(r) // where it leads is an answer, and nothing to follow
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// login signs the leaver in by password and returns her session.
func login(ctx context.Context, app, field string) (*oldDoor, error) {
	body, _ := json.Marshal(map[string]string{field: leaver.UserName, "password": password(leaver)})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, app+"/login", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 || len(resp.Cookies()) == 0 {
		return nil, fmt.Errorf("login answered %d", resp.StatusCode)
	}
	return &oldDoor{url: app + "/me", cookie: resp.Cookies()[0]}, nil
}

// newKey makes an API key with a session.
func newKey(ctx context.Context, app string, session *oldDoor) (*oldDoor, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, app+"/me/keys", nil)
	if err != nil {
		return nil, err
	}
	r.AddCookie(session.cookie)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var made struct{ Key string }
	if err := json.NewDecoder(resp.Body).Decode(&made); err != nil || made.Key == "" {
		return nil, fmt.Errorf("no API key was made: status %d", resp.StatusCode)
	}
	return &oldDoor{url: app + "/me", bearer: made.Key}, nil
}
