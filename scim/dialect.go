package scim

import "slices"

// Dialect says how a source's client departs from the RFCs. What it sends is
// mended before it is read; see mends.go.
type Dialect string

const (
	Auto      Dialect = "auto"    // recognised, request by request; see clients.go
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
	return []Dialect{Auto, Generic, Strict, Okta, Entra, OneLogin, JumpCloud, Google, Ping, Rippling}
}

// leave is a rule of the RFCs that a dialect need not keep.
type leave int

const (
	anySchemas       leave = 1 << iota // messages may name wrong schemas, or none
	noOperations                       // a PATCH may have none
	pathsInside                        // path-less PATCH values may name parts of attributes
	readOnlyInside                     // path-less PATCH values may repeat id, meta, groups
	addMissing                         // PATCH adds the value that its path selects in vain
	createMissing                      // and so it does where it should replace one
	stringBooleans                     // filters may compare booleans with "True"
	partOfSelected                     // filters may be of the form name[…].sub op value
	unknownExtension                   // PATCH may name extensions that we do not have
	answerPlainJSON                    // answers are application/json
	looseBulkIDs                       // operations of a Bulk may lack a bulkId, or share one
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
	meaning meaning                                    // finds what an unknown name means
	leave   leave
}

// meaning finds what a name in a path or filter means that stands in no
// schema: the way from the resource to the attribute, or nil.
type meaning func(t *resourceType, name string) []*attribute

// mending is what one dialect mends.
type mending struct {
	bodies   []func(*resourceType, map[string]any)
	values   []func(*attribute, any) any
	element  func(*attribute, any) any
	op       func(string) string
	meanings []meaning
	leave    leave
}

// serves reports whether the dialect has the mend.
func (x mend) serves(d Dialect) bool {
	return d != Strict && (x.only == nil || slices.Contains(x.only, d))
}

func newMending(d Dialect, all []mend) *mending {
	m := &mending{}
	for _, x := range all {
		if !x.serves(d) {
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
		if x.meaning != nil {
			m.meanings = append(m.meanings, x.meaning)
		}
	}
	return m
}

// may reports whether the rule need not be kept.
func (m *mending) may(l leave) bool { return m.leave&l != 0 }

// resolve is [resourceType.resolve] for names as clients write them.
func (m *mending) resolve(t *resourceType, name string) []*attribute {
	path := t.resolve(name)
	for i := 0; path == nil && i < len(m.meanings); i++ {
		path = m.meanings[i](t, name)
	}
	return path
}
