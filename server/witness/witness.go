package witness

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/exeunt/exeunt/store/ledger"
)

// Options says whose word is held to what.
type Options struct {
	Dir    string   // what was cosigned is kept here; made if missing
	Logs   []string // public keys of the logs; several of one log while one replaces another
	Key    *ledger.Cosigner
	Logger zerolog.Logger
}

// Witness answers POST /add-checkpoint. It is safe for concurrent use; nobody
// else may use its directory.
type Witness struct {
	Options
	logs map[string]*memory // by origin; never changed
	lock *os.File
	mux  http.ServeMux
}

// Open opens a witness and reads what it has cosigned.
func Open(o Options) (_ *Witness, err error) {
	w := &Witness{Options: o, logs: make(map[string]*memory)}
	for _, key := range o.Logs {
		origin, err := ledger.OriginOf(key)
		if err != nil {
			return nil, err
		}
		m := w.logs[origin]
		if m == nil {
			m = &memory{path: filepath.Join(o.Dir, fileOf(origin))}
			w.logs[origin] = m
		}
		m.keys = append(m.keys, key)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	if w.lock, err = lock(o.Dir); err != nil {
		return nil, err
	}
	for origin, m := range w.logs {
		if err := m.remember(origin); err != nil {
			w.lock.Close()
			return nil, fmt.Errorf("what was cosigned of %s cannot be read: %w", origin, err)
		}
	}
	w.mux.HandleFunc("POST /add-checkpoint", w.add)
	w.mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, "ok\n") })
	return w, nil
}

// Close lets another witness have the directory.
func (w *Witness) Close() error { return w.lock.Close() }

func (w *Witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) { w.mux.ServeHTTP(rw, r) }

// Sizes are how many events of each log have been cosigned.
func (w *Witness) Sizes() map[string]int64 {
	sizes := make(map[string]int64)
	for origin, m := range w.logs {
		m.mu.Lock()
		sizes[origin] = m.last.Size
		m.mu.Unlock()
	}
	return sizes
}

func (w *Witness) add(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody+1))
	if err != nil {
		answer(rw, http.StatusBadRequest, "the body is too long, or broke off")
		return
	}
	q, err := parse(body)
	if err != nil {
		answer(rw, http.StatusBadRequest, err.Error())
		return
	}
	m := w.logs[q.origin]
	if m == nil {
		answer(rw, http.StatusNotFound, "this log is not witnessed here")
		return
	}
	c, err := m.open(q.checkpoint)
	if err != nil {
		answer(rw, http.StatusForbidden, "this is no checkpoint that the log has signed")
		return
	}
	if q.old > c.Size {
		answer(rw, http.StatusBadRequest, "the old size is larger than the checkpoint")
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	log := w.Logger.With().Str("log", q.origin).Int64("cosigned", m.last.Size).Int64("size", c.Size).Logger()
	switch {
	case q.old != m.last.Size:
		conflict(rw, m.last.Size)
		if c.Size < m.last.Size {
			log.Warn().Str("checkpoint", string(q.checkpoint)).Msg("a log shows fewer events than it had")
		}
		return
	case c.Size == m.last.Size && c.Root != m.last.Root:
		conflict(rw, m.last.Size)
		log.Error().Str("checkpoint", string(q.checkpoint)).Msg("a log has signed two histories")
		return
	}
	if err := ledger.CheckConsistency(c, m.last, q.proof); err != nil {
		answer(rw, http.StatusUnprocessableEntity, "what was cosigned before is not shown to be in it")
		log.Error().Str("checkpoint", string(q.checkpoint)).Msg("a log shows a history that does not go on from the one it had")
		return
	}
	line, err := w.Key.Cosign(q.checkpoint)
	if err == nil {
		err = m.keep(q.checkpoint, c)
	}
	if err != nil {
		log.Error().Err(err).Msg("a checkpoint could not be kept")
		answer(rw, http.StatusInternalServerError, "the checkpoint could not be kept")
		return
	}
	log.Debug().Msg("cosigned")
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Write(line)
}

// conflict says how far the log was cosigned.
func conflict(rw http.ResponseWriter, size int64) {
	rw.Header().Set("Content-Type", "text/x.tlog.size")
	rw.WriteHeader(http.StatusConflict)
	fmt.Fprintf(rw, "%d\n", size)
}

func answer(rw http.ResponseWriter, status int, why string) {
	http.Error(rw, strings.TrimSpace(why), status)
}
