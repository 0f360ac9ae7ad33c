package server

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/scim"
	"github.com/exeunt/exeunt/store"
)

// Metrics counts what happens. It is a bridge.Observer. Every label has a
// closed set of values or names from the configuration.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	slowed   *prometheus.CounterVec
	fetches  *prometheus.CounterVec
	shed     *prometheus.CounterVec
	dialects *prometheus.CounterVec
	panics   prometheus.Counter
	attempts *prometheus.CounterVec
	calls    *prometheus.HistogramVec
	settled  *prometheus.CounterVec
	cases    *prometheus.CounterVec
	shut     prometheus.Histogram
	anchored *prometheus.CounterVec
	behind   *prometheus.GaugeVec
	sound    prometheus.Gauge
	exported *prometheus.CounterVec
	lacks    *prometheus.GaugeVec
	lag      *prometheus.GaugeVec
	fed      *prometheus.CounterVec
}

// NewMetrics returns metrics of their own registry.
func NewMetrics() *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "exeunt_" + name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: "exeunt_" + name, Help: help, Buckets: buckets}
	}
	fast := prometheus.ExponentialBuckets(.001, 2.5, 11)
	slow := []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("http_requests_total", "Requests answered.", "route", "method", "status"),
		duration: prometheus.NewHistogramVec(histogram("http_request_seconds", "Time to answer a request.", fast), []string{"route"}),
		refused:  counter("credentials_refused_total", "Requests with missing or wrong credentials.", "door", "reason"),
		slowed:   counter("credentials_slowed_total", "Those of them that were answered 429, because there were many.", "door"),
		fetches:  counter("issuer_fetches_total", "Fetches of the keys of an issuer of access tokens.", "issuer", "outcome"),
		shed:     counter("requests_shed_total", "Requests answered 429, by what was exhausted.", "source", "limit"),
		dialects: counter("scim_dialects_total", "SCIM requests, by the dialect in which they were read.", "source", "dialect"),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "exeunt_panics_total",
			Help: "Requests that ended in a panic."}),
		attempts: counter("attempts_total", "Calls of apps, by outcome.", "app", "effect", "outcome"),
		calls:    prometheus.NewHistogramVec(histogram("attempt_seconds", "Time that calls of apps took.", fast), []string{"app"}),
		settled:  counter("actions_settled_total", "Actions that came to an end, or got stuck.", "app", "effect", "state"),
		cases:    counter("cases_settled_total", "Cases that came to an end, or got stuck.", "state"),
		shut: prometheus.NewHistogram(histogram("departure_seconds",
			"Time from the request until the last door was settled, of closed cases.", slow)),
	}
	m.anchored = counter("anchor_attempts_total", "Attempts to bring a checkpoint to a place outside, by outcome.", "place", "outcome")
	m.behind = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "exeunt_anchor_behind_seconds",
		Help: "For how long a place outside lacks a checkpoint; 0: it has the newest."}, []string{"place"})
	m.sound = prometheus.NewGauge(prometheus.GaugeOpts{Name: "exeunt_log_sound",
		Help: "1 if the log is what it was when it was signed, as far as is known; 0 if it was refused a signature."})
	m.exported = counter("exported_events_total", "Events brought to an export's receiver, by outcome.", "export", "outcome")
	m.lacks = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "exeunt_export_behind_events",
		Help: "Sealed events that an export's receiver has not taken yet."}, []string{"export"})
	m.lag = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "exeunt_export_behind_seconds",
		Help: "How old the oldest event is that an export's receiver has not taken yet; 0: it has all."}, []string{"export"})
	m.fed = counter("feed_sessions_total", "Sessions that feeds told of, by what became of it.", "feed", "outcome")
	m.registry.MustRegister(m.fed, m.exported, m.lacks, m.lag, m.anchored, m.behind, m.sound, m.requests, m.duration, m.refused, m.slowed, m.fetches, m.shed, m.dialects, m.panics, m.attempts, m.calls,
		m.settled, m.cases, m.shut, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Watch adds figures of the store, counted when somebody asks for the metrics,
// but not more often than every two seconds.
func (m *Metrics) Watch(stats func(context.Context) (store.Stats, error), log zerolog.Logger) {
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("exeunt_"+name, help, labels, nil)
	}
	m.registry.MustRegister(&watch{stats: stats, log: log,
		cases:    gauge("cases", "Cases by state.", "state"),
		erasures: gauge("erasures", "Erasures by stage, and by how late they are.", "stage", "urgency"),
		sessions: gauge("sessions", "Sessions that are known, by app.", "app"),
		overdue:  gauge("holds_overdue", "Legal holds that nobody has reviewed in time."),
		actions:  gauge("actions", "Actions by app and state.", "app", "state"),
		age:      gauge("queue_age_seconds", "How long an app's oldest action is due and not done.", "app"),
		size:     gauge("log_events", "Events in the log's tree."),
		pending:  gauge("log_pending_events", "Events that wait for their place in the log's tree."),
		waiting:  gauge("store_waiting", "Changes that wait for their commit."),
		wal:      gauge("store_wal_bytes", "Size of SQLite's write-ahead log."),
	})
}

// watch turns the store's figures into metrics.
type watch struct {
	stats                                            func(context.Context) (store.Stats, error)
	log                                              zerolog.Logger
	cases, actions, age, size, pending, waiting, wal *prometheus.Desc
	erasures, overdue, sessions                      *prometheus.Desc

	mu    sync.Mutex // held while counting, so that two who ask count once
	last  store.Stats
	taken time.Time
}

func (w *watch) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{w.cases, w.actions, w.age, w.size, w.pending, w.waiting, w.wal, w.erasures, w.overdue, w.sessions} {
		to <- d
	}
}

func (w *watch) Collect(to chan<- prometheus.Metric) {
	st, now, ok := w.count()
	if !ok {
		return // figures that are missing are seen; old ones are believed
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, state := range bridge.CaseStates {
		gauge(w.cases, float64(st.Cases[state]), string(state))
	}
	for app, states := range st.Actions {
		for state, n := range states {
			gauge(w.actions, float64(n), app, string(state))
		}
		age := 0.0
		if oldest := st.Oldest[app]; !oldest.IsZero() {
			age = max(0, now.Sub(oldest).Seconds())
		}
		gauge(w.age, age, app)
	}
	for is, n := range st.Erasures {
		gauge(w.erasures, float64(n), string(is.Stage), is.Urgency.String())
	}
	for app, n := range st.Sessions {
		gauge(w.sessions, float64(n), app)
	}
	gauge(w.overdue, float64(st.HoldsOverdue))
	gauge(w.size, float64(st.Size))
	gauge(w.pending, float64(st.Pending))
	gauge(w.waiting, float64(st.Waiting))
	gauge(w.wal, float64(st.WAL))
}

func (w *watch) count() (store.Stats, time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if now.Sub(w.taken) < 2*time.Second {
		return w.last, now, true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	st, err := w.stats(ctx)
	if err != nil {
		w.log.Error().Err(err).Msg("the store's figures cannot be counted")
		return store.Stats{}, now, false
	}
	w.last, w.taken = st, now
	return st, now, true
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

func (m *Metrics) answered(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}

// Heard is told in which dialect a request of a source was read.
func (m *Metrics) Heard(source string, d scim.Dialect) {
	m.dialects.WithLabelValues(source, string(d)).Inc()
}

// Attempted is told of each call of an app.
func (m *Metrics) Attempted(app string, e bridge.Effect, outcome string, took time.Duration) {
	m.attempts.WithLabelValues(app, string(e), outcome).Inc()
	m.calls.WithLabelValues(app).Observe(took.Seconds())
}

// Settled is told when an action reached a final state, or got stuck.
func (m *Metrics) Settled(a bridge.Action) {
	m.settled.WithLabelValues(a.Lane.App, string(a.Effect), string(a.State)).Inc()
}

// CaseSettled is told when a case got closed, cancelled or stuck.
func (m *Metrics) CaseSettled(c bridge.Case, took time.Duration) {
	m.cases.WithLabelValues(string(c.State)).Inc()
	if c.State == bridge.CaseClosed && c.Returned.IsZero() && c.Trigger != bridge.LoggedOut { // else it is no door that was shut
		m.shut.Observe(took.Seconds())
	}
}

// Anchored is told of each attempt to bring a checkpoint to a place outside.
func (m *Metrics) Anchored(place, outcome string) { m.anchored.WithLabelValues(place, outcome).Inc() }

// Behind is told for how long a place outside lacks a checkpoint.
func (m *Metrics) Behind(place string, d time.Duration) {
	m.behind.WithLabelValues(place).Set(d.Seconds())
}

// Exported is told how many events were taken, refused, or not brought away.
func (m *Metrics) Exported(export, outcome string, n int) {
	m.exported.WithLabelValues(export, outcome).Add(float64(n))
}

// Lag is told how many events an export's receiver lacks, and how old the oldest is.
func (m *Metrics) Lag(export string, events int64, age time.Duration) {
	m.lacks.WithLabelValues(export).Set(float64(events))
	m.lag.WithLabelValues(export).Set(age.Seconds())
}

// LogSound is told whether the log was signed when that was last tried.
func (m *Metrics) LogSound(sound bool) {
	m.sound.Set(0)
	if sound {
		m.sound.Set(1)
	}
}

var _ bridge.Observer = (*Metrics)(nil)
