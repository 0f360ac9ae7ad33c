package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// River's SQLite driver stands in for LISTEN with a table that it polls twenty
// times a second, on the writer. We know in this process when jobs have been
// committed, so River is told at once; only what River tells itself, such as
// a pause, is looked for in the table, once a second and on a reader.

// insertTopic is River's name for news of jobs.
const insertTopic = "river_insert"

// controlPoll is how often River's own messages are looked for.
const controlPoll = time.Second

// announcing is River's SQLite driver with our listener.
type announcing struct {
	*riversqlite.Driver
	inbox *inbox
}

func (d *announcing) GetListener(params *riverdriver.GetListenenerParams) riverdriver.Listener {
	return &listener{inbox: d.inbox, schema: params.Schema, topics: make(map[string]bool)}
}

// inbox carries news from the appender to the listener.
type inbox struct {
	reader *sql.DB
	mu     sync.Mutex
	queues map[string]bool // that have new jobs
	news   chan struct{}
}

func newInbox(reader *sql.DB) *inbox {
	return &inbox{reader: reader, queues: make(map[string]bool), news: make(chan struct{}, 1)}
}

// announce says that jobs of these lanes are committed.
func (i *inbox) announce(wakes []wake) {
	if len(wakes) == 0 {
		return
	}
	i.mu.Lock()
	for _, w := range wakes {
		i.queues[queueName(w.lane.App)] = true
	}
	i.mu.Unlock()
	select {
	case i.news <- struct{}{}:
	default: // there is news already
	}
}

// take returns a queue with news, and whether there is one.
func (i *inbox) take() (string, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for q := range i.queues {
		delete(i.queues, q)
		return q, true
	}
	return "", false
}

type listener struct {
	inbox  *inbox
	schema string

	mu        sync.Mutex
	connected bool
	topics    map[string]bool
	last      int64 // id of the last message seen
	pending   []*riverdriver.Notification
	due       time.Time // of the next poll
}

func (l *listener) Connect(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.connected {
		return errors.New("store: listener connected twice")
	}
	l.connected = true
	return l.inbox.reader.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM river_notification`).Scan(&l.last)
}

func (l *listener) Close(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected, l.topics, l.pending = false, make(map[string]bool), nil
	return nil
}

func (l *listener) Listen(_ context.Context, topic string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.topics[topic] = true
	return nil
}

func (l *listener) Unlisten(_ context.Context, topic string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.topics, topic)
	return nil
}

func (l *listener) Ping(ctx context.Context) error { return l.inbox.reader.PingContext(ctx) }
func (l *listener) Schema() string                 { return l.schema }
func (l *listener) SetAfterConnectExec(string)     {}

func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		if n, err := l.next(ctx); n != nil || err != nil {
			return n, err
		}
		timer := time.NewTimer(time.Until(l.due))
		select {
		case <-ctx.Done():
		case <-l.inbox.news:
		case <-timer.C:
		}
		timer.Stop()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// next returns what is there already, or nil.
func (l *listener) next(ctx context.Context) (*riverdriver.Notification, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.topics[insertTopic] {
		if queue, ok := l.inbox.take(); ok {
			return &riverdriver.Notification{Topic: insertTopic, Payload: `{"queue":` + strconv.Quote(queue) + `}`}, nil
		}
	}
	if len(l.pending) == 0 && !time.Now().Before(l.due) {
		l.due = time.Now().Add(controlPoll)
		// A cancelled poll is no failure, but the driver's word for it
		// would be taken for one; so it is not cancelled.
		if err := l.poll(context.WithoutCancel(ctx)); err != nil {
			return nil, err
		}
	}
	for len(l.pending) > 0 {
		n := l.pending[0]
		l.pending = l.pending[1:]
		if l.topics[n.Topic] {
			return n, nil
		}
	}
	return nil, nil
}

// poll reads what River told itself. News of jobs are left out: ours came at
// once, and for River's own (a job whose time has come) a queue looks every
// second anyway.
func (l *listener) poll(ctx context.Context) error {
	rs, err := l.inbox.reader.QueryContext(ctx,
		`SELECT id, topic, payload FROM river_notification WHERE id > ?1 AND topic <> ?2 ORDER BY id LIMIT 256`, l.last, insertTopic)
	if err != nil {
		return err
	}
	defer rs.Close()
	for rs.Next() {
		n := new(riverdriver.Notification)
		if err := rs.Scan(&l.last, &n.Topic, &n.Payload); err != nil {
			return err
		}
		l.pending = append(l.pending, n)
	}
	return rs.Err()
}
