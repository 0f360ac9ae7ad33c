package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/bridge/connector/saml"
	"github.com/exeunt/exeunt/scim"
	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/server/siem"
	"github.com/exeunt/exeunt/store"
)

// running is one exeunt in this process.
type running struct {
	URL    string // where it listens: http://127.0.0.1:8080
	store  *store.Store
	bridge *bridge.Bridge
	front  *server.Server
	desk   *saml.Desk // where logout messages arrive

	config   server.Config // as it is in force
	dialects atomic.Pointer[map[string]scim.Dialect]
	heard    sync.Map // spoken: of which a line was logged
	log      zerolog.Logger

	http   *http.Server
	notary *notary
	export *siem.Exporter
	work   *errgroup.Group // planner, console, notary, listener
	ctx    context.Context // of work; ends when one of it fails
	cancel context.CancelFunc
}

// logoutWait is how long the answer to a logout message waits for the apps: apps
// take seconds, and whoever asks gives up after some ten.
const logoutWait = 8 * time.Second

// start brings up everything: the address first, because that fails most
// often; then the store, which takes up what the last process left behind;
// then the engine; and requests are answered last.
func start(ctx context.Context, config server.Config, apps []bridge.App, admin bridge.Secret, log zerolog.Logger) (_ *running, err error) {
	config.AdminToken = admin
	r := &running{log: log}
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return nil, failf("%w; choose another address with --listen", err)
	}
	defer func() {
		if err != nil {
			listener.Close()
		}
	}()
	if r.store, err = openStore(ctx, config, false, log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.store.Stop(ctx)
			r.store.Close()
		}
	}()
	metrics := server.NewMetrics()
	metrics.Watch(r.store.Stats, log)
	if r.notary, err = newNotary(r.store, r.store.LogKey(), config.Log, metrics, log); err != nil {
		return nil, err
	}
	r.bridge = bridge.New(bridge.Options{Store: r.store, Queues: r.store, Observer: metrics, Logger: log,
		Sound: r.notary.Sound, Sign: r.notary.Sign})
	r.notary.sound = func(ctx context.Context) {
		if err := r.bridge.Release(ctx); err != nil { // they look by themselves in a minute
			log.Error().Err(err).Msg("the log is sound again, and what waited for it could not be woken")
		}
	}
	if r.export, err = newExporter(r.store, config.Exports, metrics, log); err != nil {
		return nil, err
	}
	console, background, err := r.store.Console(server.ConsolePath)
	if err != nil {
		return nil, failf("the job console cannot be made: %w", err)
	}
	if err := config.LoadOIDC(true); err != nil {
		return nil, failf("%w", err)
	}
	r.desk = saml.NewDesk(saml.DeskOptions{Logouts: r.bridge, Memory: r.store, Note: r.note, Wait: logoutWait, Now: time.Now, Log: log,
		Show: func(w http.ResponseWriter, status int, p saml.Page) { r.front.ShowLogout(w, status, p) }})
	r.config = config
	r.setDialects(config)
	r.front = server.New(server.Options{
		SCIM:       r.scim(metrics),
		Operations: r.bridge,
		Erasing:    r.bridge,
		Holding:    r.bridge,
		Retaining:  r.bridge,
		Linking:    r.bridge,
		Feeding:    r.bridge,
		PublicURL:  config.PublicURL,
		Store:      r.store,
		Tokens:     r.store,
		Uses:       r.store,
		SAML:       r.desk,
		Console:    console,
		Checkpoint: r.notary.newest,
		Sign:       r.notary.sign,
		EndEpoch:   r.store.EndEpoch,
		Note:       r.note,
		Replay:     r.store.Replay,
		LogKey:     r.store.VerifierKey(),
		Policy:     r.notary.policy.Text,
		Evidence:   r.store,
		Log:        r.store,
		Metrics:    metrics,
		Logger:     log,
		Ready: []server.Readiness{
			{Name: "store", Check: func(ctx context.Context) error {
				return r.store.View(ctx, func(bridge.Tx) error { return nil })
			}},
			{Name: "engine", Check: func(context.Context) error { return r.ctx.Err() }},
			{Name: "log", Check: r.notary.alarmed},
			{Name: "anchors", Check: r.notary.keeper.Late, Warn: true},
		},
	}, config.Settings())

	if _, err := config.SAMLAuthority(true, log); err != nil {
		return nil, failf("%w", err)
	}
	r.desk.Know(config.SAMLCircle(apps))
	r.bridge.SetApps(apps)
	r.bridge.SetErasing(config.Erasing())
	if err := r.store.Start(ctx, r.bridge, queues(apps)); err != nil {
		return nil, failf("the engine cannot start: %w", err)
	}
	if err := r.noteLoaded(ctx, len(apps)); err != nil {
		return nil, failf("the log cannot be written: %w", err)
	}
	r.notary.keeper.Ask(ctx) // before anything is signed
	r.notary.all(ctx)
	r.http = r.front.HTTP()
	r.URL = "http://" + listener.Addr().String()
	serve := r.http.Serve
	if config.TLS.On() {
		r.URL = "https://" + listener.Addr().String()
		r.http.TLSConfig = r.front.TLS()
		serve = func(l net.Listener) error { return r.http.ServeTLS(l, "", "") } // the certificate is in TLSConfig
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx)) // stop ends it, in its order
	r.cancel = cancel
	r.work, r.ctx = errgroup.WithContext(work)
	r.work.Go(func() error { return r.bridge.Run(r.ctx) })
	r.work.Go(func() error { return r.notary.run(r.ctx) })
	r.work.Go(func() error { r.export.Run(r.ctx); return nil })
	r.work.Go(func() error { return background(r.ctx) })
	r.work.Go(func() error { r.front.Meet(r.ctx); return nil })
	r.work.Go(func() error { r.desk.Run(r.ctx); return nil })
	r.work.Go(func() error {
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("listening ended: %w", err)
		}
		return nil
	})
	return r, nil
}

func (r *running) scim(metrics *server.Metrics) http.Handler {
	o := scim.Options{People: r.bridge, Groups: r.bridge, Reader: r.bridge,
		Dialect: func(source string) scim.Dialect { return (*r.dialects.Load())[source] },
		Schemes: func(source string) []scim.Scheme { return r.front.Schemes(source) },
		MaxBody: func() int64 { return r.front.MaxBody() }, // the front, which is made later, has bounded it already
		Charge:  func(ctx context.Context, n int) time.Duration { return r.front.Charge(ctx, n) },
		Heard: func(q *http.Request, d scim.Dialect) {
			caller, _ := bridge.CallerFrom(q.Context()) // the front has let it in
			metrics.Heard(caller.Source, d)
			r.noteHeard(spoken{caller.Source, d})
		},
		Report: func(q *http.Request, err error) {
			caller, _ := bridge.CallerFrom(q.Context())
			r.log.Error().Str("request", caller.Request).Str("source", caller.Source).Err(err).Msg("internal error")
		}}
	if url := r.config.PublicURL; url != "" {
		o.BaseURL = func(*http.Request) string { return strings.TrimSuffix(url, "/") + scim.Mount }
	}
	return scim.New(o)
}

func (r *running) setDialects(config server.Config) {
	m := map[string]scim.Dialect{}
	for name, s := range config.Sources {
		m[name] = cmp.Or(scim.Dialect(s.Dialect), scim.Auto)
	}
	r.dialects.Store(&m)
}

// spoken is that a source was heard to speak a dialect.
type spoken struct {
	source  string
	dialect scim.Dialect
}

// noteHeard logs, once, as what a source without a named dialect was recognised.
func (r *running) noteHeard(s spoken) {
	if s.dialect == scim.Generic || (*r.dialects.Load())[s.source] != scim.Auto {
		return
	}
	if _, known := r.heard.LoadOrStore(s, true); !known {
		r.log.Info().Str("source", s.source).Str("dialect", string(s.dialect)).Msg("source recognised")
	}
}

// apply brings another configuration into force while everything runs. What is
// read at start only stays as it is, and is named in the answer.
func (r *running) apply(ctx context.Context, config server.Config, apps []bridge.App) (stays []string, err error) {
	old := r.config
	config.AdminToken = cmp.Or(config.AdminToken, old.AdminToken)
	if config.TLS.On() != old.TLS.On() {
		config.TLS, stays = old.TLS, []string{"tls"}
	}
	for key, changed := range map[string]bool{"listen": config.Listen != old.Listen, "data": config.Data != old.Data,
		"database": config.Database != old.Database, "public_url": config.PublicURL != old.PublicURL, "exports": !reflect.DeepEqual(config.Exports, old.Exports), "log": !reflect.DeepEqual(config.Log, old.Log), "keys": config.Keys != old.Keys} {
		if changed {
			stays = append(stays, key)
		}
	}
	slices.Sort(stays)
	config.Listen, config.Data, config.Database, config.PublicURL, config.Log, config.Exports, config.Keys = old.Listen, old.Data, old.Database, old.PublicURL, old.Log, old.Exports, old.Keys
	if err := config.LoadOIDC(true); err != nil {
		return nil, err
	}
	if _, err := config.SAMLAuthority(true, r.log); err != nil {
		return nil, err
	}
	if err := r.store.SetQueues(ctx, queues(apps)); err != nil {
		return nil, err
	}
	r.desk.Know(config.SAMLCircle(apps))
	r.bridge.SetApps(apps)
	r.bridge.SetErasing(config.Erasing())
	r.setDialects(config)
	r.front.Apply(config.Settings())
	r.config = config
	return stays, r.noteLoaded(ctx, len(apps))
}

func (r *running) noteLoaded(ctx context.Context, apps int) error {
	return r.note(ctx, server.ConfigLoaded(time.Now(), apps))
}

func (r *running) note(ctx context.Context, e bridge.Event) error {
	return r.store.Update(ctx, func(tx bridge.Tx) error { return tx.Append(e) })
}

// stop ends everything in order. Until ctx ends, requests and actions under way
// may finish; then they are cut off, which loses nothing: they are repeated at
// the next start.
func (r *running) stop(ctx context.Context) error {
	var ends errgroup.Group
	ends.Go(func() error {
		if err := r.http.Shutdown(ctx); err != nil {
			return r.http.Close()
		}
		return nil
	})
	ends.Go(func() error { return r.store.Stop(ctx) })
	err := ends.Wait()
	r.cancel()
	err = errors.Join(err, r.work.Wait())
	r.notary.all(context.WithoutCancel(ctx))
	return errors.Join(err, r.store.Close())
}

func queues(apps []bridge.App) (q []store.Queue) {
	for _, a := range apps {
		q = append(q, store.Queue{App: a.Name, Concurrency: a.Limits.WithDefaults().Concurrency})
	}
	return q
}
