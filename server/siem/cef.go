package siem

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/exeunt/exeunt/bridge"
)

// CEF's own escapes: a header ends with |, a value of the extension with the next
// key, so that = is what must not be taken for one.
var (
	cefHeader = strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\n", " ", "\r", " ")
	cefValue  = strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`)
)

// cefSeverity is from 0 to 10.
var cefSeverity = map[int]int{informational: 2, low: 4, medium: 6, critical: 10}

// cef is the row as ArcSight's Common Event Format, revision 25.
func (l Log) cef(r Row) []byte {
	var b strings.Builder
	b.WriteString("CEF:0")
	kind := r.Type.String()
	for _, h := range []string{"exeunt", "exeunt", l.Version, kind, strings.ReplaceAll(kind, ".", " "), strconv.Itoa(cefSeverity[severity(r)])} {
		b.WriteByte('|')
		b.WriteString(cefHeader.Replace(h))
	}
	b.WriteByte('|')
	between := ""
	say := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s%s=%s", between, key, cefValue.Replace(value))
			between = " "
		}
	}
	label := func(n, name, value string) {
		if value != "" {
			say(n+"Label", name)
			say(n, value)
		}
	}
	say("rt", strconv.FormatInt(r.At.UnixMilli(), 10))
	say("externalId", r.id())
	say("duid", subject(r))
	say("suid", actor(r))
	say("act", r.Facts.Effect)
	say("outcome", outcome(r))
	say("reason", r.Facts.Outcome)
	say("destinationServiceName", r.Facts.App)
	from := r.Facts.Source
	if r.Type == bridge.LogoutRefused { // of a partner, if it really was they; several are told together
		from = r.Facts.Token
		say("cnt", strconv.Itoa(max(r.Facts.Count, 1)))
	}
	say("sourceServiceName", from)
	label("cs1", "logOrigin", l.Origin)
	label("cs2", "leafHash", r.Hash.String())
	label("cs3", "case", r.Facts.Case)
	label("cs4", "erasure", r.Facts.Erasure)
	label("cs5", "trigger", r.Facts.Trigger)
	label("cn1", "logIndex", strconv.FormatInt(r.Index, 10))
	return []byte(b.String())
}
