package scim

import "slices"

// Dialect says how a source's client departs from the RFCs. What it sends is
// mended before it is read; see mends.go.
type Dialect string

const (
	Generic   Dialect = "generic" // any client: every mend that cannot hurt a correct one
	Strict    Dialect = "strict"  // the RFCs to the letter: no mends
	Okta      Dialect = "okta"
	Entra     Dialect = "entra"
	OneLogin  Dialect = "onelogin"
	JumpCloud Dialect = "jumpcloud"
	Google    Dialect = "google"
	Ping      Dialect = "ping"
	Rippling  Dialect = "rippling"
)

// Dialects returns the closed set.
func Dialects() []Dialect {
	return []Dialect{Generic, Strict, Okta, Entra, OneLogin, JumpCloud, Google, Ping, Rippling}
}

// leave is a rule of the RFCs that a dialect need not keep.
type leave int

const (
	anySchemas      leave = 1 << iota // messages may name wrong schemas, or none
	noOperations                      // a PATCH may have none
	readOnlyInside                    // path-less PATCH values may repeat id, meta, groups
	createMissing                     // PATCH creates the value that its path selects in vain
	stringBooleans                    // filters may compare booleans with "True"
	answerPlainJSON                   // answers are application/json
	looseBulkIDs                      // operations of a Bulk may lack a bulkId, or share one
)

// mend is one departure from the RFCs: who needs it, where it is recorded (under
// testdata/idp), and what is done about it.
type mend struct {
	name     string
	why      string
	recorded string
	only     []Dialect // none: all but Strict

	body    func(t *resourceType, body map[string]any) // mends a resource sent whole
	value   func(a *attribute, v any) any              // mends what stands where a belongs
	element func(a *attribute, v any) any              // mends one value of a complex attribute
	op      func(op string) string                     // mends the name of a PATCH operation
	leave   leave
}

// mending is what one dialect mends.
type mending struct {
	bodies  []func(*resourceType, map[string]any)
	values  []func(*attribute, any) any
	element func(*attribute, any) any
	op      func(string) string
	leave   leave
}

func newMending(d Dialect, all []mend) *mending {
	m := &mending{}
	for _, x := range all {
		if d == Strict || x.only != nil && !slices.Contains(x.only, d) {
			continue
		}
		m.leave |= x.leave
		if x.body != nil {
			m.bodies = append(m.bodies, x.body)
		}
		if x.value != nil {
			m.values = append(m.values, x.value)
		}
		if x.element != nil {
			m.element = x.element
		}
		if x.op != nil {
			m.op = x.op
		}
	}
	return m
}

// may reports whether the rule need not be kept.
func (m *mending) may(l leave) bool { return m.leave&l != 0 }
