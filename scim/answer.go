package scim

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/exeunt/exeunt/bridge"
)

// stored is a person or group on its way out.
type stored struct {
	id                string
	resource          []byte
	version           int64
	created, modified time.Time
	belongs           []any // members of a group, groups of a user; nil for none
	caseState         string
}

// etag is the version of a resource, also in its meta (RFC 7644, section 3.14).
func etag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

func (q *request) location(t *resourceType, id string) string { return q.base + t.endpoint + "/" + id }

func (q *request) meta(t *resourceType, s stored) map[string]any {
	return map[string]any{
		"resourceType": t.name,
		"created":      s.created.UTC().Format(time.RFC3339Nano),
		"lastModified": s.modified.UTC().Format(time.RFC3339Nano),
		"location":     q.location(t, s.id),
		"version":      etag(s.version),
	}
}

// whole is the resource with everything that is not stored in it.
func (q *request) whole(t *resourceType, s stored) (map[string]any, error) {
	res, err := decodeStored(s.resource)
	if err != nil {
		return nil, err
	}
	res["id"], res["meta"] = s.id, q.meta(t, s)
	if len(s.belongs) > 0 {
		res[t.belongs.name] = s.belongs
	}
	if s.caseState != "" {
		e, state := t.caseState[0].name, t.caseState[1].name
		if _, ok := res[e].(map[string]any); !ok {
			res[e] = map[string]any{}
			res["schemas"] = append(res["schemas"].([]any), e)
		}
		res[e].(map[string]any)[state] = s.caseState
	}
	return res, nil
}

// appendResource appends a resource as the client asked for it. If it asked for
// all of it, what is stored is not decoded again.
func (q *request) appendResource(b []byte, t *resourceType, s stored, p projection) ([]byte, error) {
	if !p.all() {
		res, err := q.whole(t, s)
		if err != nil {
			return nil, err
		}
		return appendJSON(b, p.of(res)), nil
	}
	b = append(b, s.resource[:len(s.resource)-1]...) // never empty: schemas is always in it
	b = appendString(append(b, `,"id":`...), s.id)
	if len(s.belongs) > 0 {
		b = appendString(append(b, ','), t.belongs.name)
		b = appendJSON(append(b, ':'), s.belongs)
	}
	b = append(b, `,"meta":{"created":"`...)
	b = s.created.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","lastModified":"`...)
	b = s.modified.UTC().AppendFormat(b, time.RFC3339Nano)
	b = appendString(append(b, `","location":`...), q.location(t, s.id))
	b = appendString(append(b, `,"resourceType":`...), t.name)
	b = appendString(append(b, `,"version":`...), etag(s.version))
	return append(b, '}', '}'), nil
}

// answer sends one resource.
func (q *request) answer(status int, t *resourceType, s stored, p projection) error {
	var b []byte
	if !q.part { // an answer to a Bulk has no resources in it
		var err error
		if b, err = q.appendResource(make([]byte, 0, len(s.resource)+512), t, s, p); err != nil {
			return err
		}
	}
	q.w.Header().Set("ETag", etag(s.version))
	if status == http.StatusCreated {
		q.w.Header().Set("Location", q.location(t, s.id))
	}
	writeJSON(q.w, q.media, status, b)
	return nil
}

// answerNow sends one resource that was changed, with what belongs to it now, as
// far as it will be seen; at most limit of that. If there is more, it sends none
// of the resource: the change is stored, so it must not look refused. RFC 7644,
// sections 3.3 and 3.5, lets an answer have no body.
func (q *request) answerNow(status int, t *resourceType, s stored, shows projection, limit int) error {
	page := []stored{s}
	if shows.shows(t.belongs) || shows.asks(t.caseState) {
		err := q.Reader.See(q.Context(), func(v bridge.Sight) error {
			_, err := q.beside(v, t, shows, page, limit)
			return err
		})
		if errors.Is(err, errTooMany) {
			q.answerBare(status, t, s)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return q.answer(status, t, page[0], shows)
}

// answerBare says that a resource was changed, and not what it is now.
func (q *request) answerBare(status int, t *resourceType, s stored) {
	q.w.Header().Set("ETag", etag(s.version))
	if status == http.StatusCreated {
		q.w.Header().Set("Location", q.location(t, s.id))
	} else {
		status = http.StatusNoContent
	}
	q.w.WriteHeader(status)
}

// beside adds to resources what is kept apart from them, as far as it will be
// seen: at most limit groups or members, and says how many more it would bear.
func (q *request) beside(v bridge.Sight, t *resourceType, shows projection, some []stored, limit int) (left int, err error) {
	if shows.asks(t.caseState) {
		if err := q.addCaseStates(v, some); err != nil {
			return limit, err
		}
	}
	if !shows.shows(t.belongs) {
		return limit, nil
	}
	return t.belong(q, v, some, limit)
}

// get sends the resource that the path names.
func (q *request) get(t *resourceType) error {
	shows, err := q.shown(t)
	if err != nil {
		return err
	}
	page := make([]stored, 1)
	if err := q.Reader.See(q.Context(), func(v bridge.Sight) (err error) {
		if page[0], err = t.one(v, q.id); err == nil && !q.unchanged(page[0].version) {
			_, err = q.beside(v, t, shows, page, q.Limits.Members)
		}
		return err
	}); err != nil {
		return err
	}
	if q.unchanged(page[0].version) {
		q.w.Header().Set("ETag", etag(page[0].version))
		q.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return q.answer(http.StatusOK, t, page[0], shows)
}

func writeJSON(w http.ResponseWriter, media string, status int, b []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b) // if it does not arrive, nobody is there to tell
}

// unchanged reports whether the client has this version already (RFC 7644,
// section 3.14).
func (q *request) unchanged(version int64) bool {
	return lists(q.Header.Get("If-None-Match"), etag(version))
}

// expected refuses to change another version than the client expects.
func (q *request) expected(version int64) error {
	want, not := q.Header.Get("If-Match"), q.Header.Get("If-None-Match")
	if want != "" && !lists(want, etag(version)) || lists(not, etag(version)) {
		return refusal(http.StatusPreconditionFailed, "The resource is at another version.")
	}
	return nil
}

// lists reports whether a list of entity tags has tag or is *. Tags are
// compared weakly (RFC 9110, section 8.8.3.2): ours are weak.
func lists(header, tag string) bool {
	for header != "" {
		var one string
		one, header, _ = strings.Cut(header, ",")
		one = strings.TrimSpace(one)
		if one == "*" || one != "" && strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
