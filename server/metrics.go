package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/exeunt/exeunt/bridge"
)

// Metrics counts what happens. It is a bridge.Observer. Every label has a
// closed set of values or names from the configuration.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	shed     *prometheus.CounterVec
	panics   prometheus.Counter
	attempts *prometheus.CounterVec
	calls    *prometheus.HistogramVec
	settled  *prometheus.CounterVec
	cases    *prometheus.CounterVec
	shut     prometheus.Histogram
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
		shed:     counter("requests_shed_total", "Requests answered 429, by what was exhausted.", "source", "limit"),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "exeunt_panics_total",
			Help: "Requests that ended in a panic."}),
		attempts: counter("attempts_total", "Calls of apps, by outcome.", "app", "effect", "outcome"),
		calls:    prometheus.NewHistogramVec(histogram("attempt_seconds", "Time that calls of apps took.", fast), []string{"app"}),
		settled:  counter("actions_settled_total", "Actions that came to an end, or got stuck.", "app", "effect", "state"),
		cases:    counter("cases_settled_total", "Cases that came to an end, or got stuck.", "state"),
		shut: prometheus.NewHistogram(histogram("departure_seconds",
			"Time from the request until the last door was settled, of closed cases.", slow)),
	}
	m.registry.MustRegister(m.requests, m.duration, m.refused, m.shed, m.panics, m.attempts, m.calls,
		m.settled, m.cases, m.shut, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

func (m *Metrics) answered(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
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
	if c.State == bridge.CaseClosed {
		m.shut.Observe(took.Seconds())
	}
}
