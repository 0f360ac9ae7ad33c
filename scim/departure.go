package scim

import (
	"strings"
	"time"

	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
)

// urnDeparture names our own extension of User: what a source can say of a
// departure before it comes. All of it is simple attributes, because Entra
// maps no others of extensions that it does not know; and contractEnd is a
// string, because what is meant in a time zone is no xsd:dateTime, which would
// be compared as if it were in UTC. The canonical values of dates say how HR
// systems say that there is none, and what a date looks like to whoever makes
// up values from schemas, as test suites do.
const urnDeparture = "urn:ietf:params:scim:schemas:extension:exeunt:2.0:User"

func departureSchema() schema.Schema {
	str := func(name, about string, canonical ...string) schema.CoreAttribute {
		return schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{Name: name,
			Description: optional.NewString(about), CanonicalValues: canonical}))
	}
	return schema.Schema{
		ID:          urnDeparture,
		Name:        optional.NewString("Departure"),
		Description: optional.NewString("What is known of a person's departure. It is kept and returned; of all this, only legalHold is acted on yet."),
		Attributes: []schema.CoreAttribute{
			str("contractEnd", "When the contract ends: a date and time. Without an offset it is meant in timeZone, or in UTC if there is none. "+
				"The year 9999 says that no end is agreed. Nothing acts on it yet.", "9999-12-31T23:59:59Z"),
			str("timeZone", "The person's time zone by its name in the IANA database; any of them, not only the canonical values.",
				"UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"),
			str("lastWorkingDay", "The last day on which the person works, as YYYY-MM-DD. The year 9999 says that it is not known. Nothing acts on it yet.",
				"9999-12-31"),
			str("employmentType", "How the person is employed. Other words than the canonical ones are kept as they are.",
				"employee", "contractor", "temporary", "intern", "external"),
			schema.SimpleCoreAttribute(schema.SimpleBooleanParams(schema.BooleanParams{Name: "legalHold",
				Description: optional.NewString("Whether the person's data must be preserved: while it is true nothing of theirs is erased, " +
					"anonymised or deleted, also after the person was deleted. Only false lifts the hold.")})),
			schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{Name: "caseState",
				Description: optional.NewString("Where the person's departure stands; unassigned if there is none, or if they came back since. " +
					"Returned only if attributes names it."),
				Mutability: schema.AttributeMutabilityReadOnly(), Returned: schema.AttributeReturnedRequest(),
				CanonicalValues: []string{"open", "running", "stuck", "closed", "cancelled"}})),
		},
	}
}

// formDeparture says what a schema has no words for.
func (t *resourceType) formDeparture() {
	e := t.top[strings.ToLower(urnDeparture)]
	e.subs["contractend"].form = &form{isMoment, "a date and time, such as 2026-12-31T17:00:00 or 2026-12-31T17:00:00+01:00"}
	e.subs["timezone"].form = &form{isZone, "the name of a time zone in the IANA database, such as Europe/Berlin"}
	e.subs["lastworkingday"].form = &form{isDate, "a date, such as 2026-12-31"}
	e.subs["casestate"].computed = true
	t.caseState = []*attribute{e, e.subs["casestate"]}
}

// holdOf reports whether a resource says that the person is under legal hold. What
// it does not say stays as it was, and is written into it.
func holdOf(before bool, res map[string]any) bool {
	of, _ := res[urnDeparture].(map[string]any)
	if said, ok := of["legalHold"].(bool); ok {
		return said
	}
	if before {
		if of == nil {
			of = map[string]any{}
			res[urnDeparture] = of
		}
		of["legalHold"] = true
	}
	return before
}

// isZone reports whether s is the name of a time zone. All of the database
// begin with a capital; other names, such as "posixrules", depend on the machine.
func isZone(s string) bool {
	if s == "Local" || s == "" || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	_, err := time.LoadLocation(s)
	return err == nil
}

func isMoment(s string) bool {
	_, ok := moment(s)
	return ok
}

func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}
