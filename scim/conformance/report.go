package conformance

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// Line writes one result as a line of the table, and under a failure what was
// asked, what was expected, what came, and what it leads to.
func (r Result) Line(w io.Writer) error {
	c := r.Check
	if _, err := fmt.Fprintf(w, "%-5s %-20s %-8s %s\n", r.Outcome, c.Section(), c.Level, c.ID); err != nil {
		return err
	}
	var lines [][2]string
	switch r.Outcome {
	case Fail:
		lines = [][2]string{{"", c.Title}, {"asked", r.Finding.Asked}, {"expected", r.Finding.Expected}, {"came", r.Finding.Came}, {"so", c.Harm}}
	case Error, Skip:
		lines = [][2]string{{"", r.Why}}
	}
	for _, l := range lines {
		label := ""
		if l[0] != "" {
			label = fmt.Sprintf("%-9s", l[0])
		}
		if _, err := fmt.Fprintf(w, "      %s%s\n", label, excerpt(strings.TrimSpace(l[1]))); err != nil {
			return err
		}
	}
	return nil
}

// Summary is one line about the whole.
func (r Report) Summary() string {
	s := fmt.Sprintf("%d checks: %d passed, %d failed (%d of them MUST or announced, %d SHOULD, %d dialect), %d skipped, %d could not be found out",
		len(r.Results), r.Count(Pass), r.Count(Fail), r.Count(Fail, Must, Feature), r.Count(Fail, Should), r.Count(Fail, Dialect), r.Count(Skip), r.Count(Error))
	if len(r.Left) > 0 {
		s += fmt.Sprintf("\nnot removed: %s", strings.Join(r.Left, ", "))
	}
	return s
}

// told is a result as JSON.
type told struct {
	ID      string   `json:"id"`
	Section string   `json:"section"`
	Level   Level    `json:"level"`
	Title   string   `json:"title"`
	Outcome Outcome  `json:"outcome"`
	Why     string   `json:"why,omitempty"`
	Finding *Finding `json:"finding,omitempty"`
	Harm    string   `json:"harm,omitempty"` // of what failed
	Seconds float64  `json:"seconds"`
}

// MarshalJSON gives the form of a report that programs read:
//
//	{"url", "began", "seconds", "conforms", "passed", "failed", "skipped", "errors",
//	 "left": ["/Users/…"], "results": [{"id", "section", "level", "title", "outcome",
//	 "why", "finding": {"asked", "expected", "came"}, "harm", "seconds"}]}
func (r Report) MarshalJSON() ([]byte, error) {
	results := make([]told, len(r.Results))
	for i, x := range r.Results {
		results[i] = told{x.Check.ID, x.Check.Section(), x.Check.Level, x.Check.Title, x.Outcome, x.Why, x.Finding, "", x.Took.Seconds()}
		if x.Outcome == Fail {
			results[i].Harm = x.Check.Harm
		}
	}
	return json.Marshal(struct {
		URL      string    `json:"url"`
		Began    time.Time `json:"began"`
		Seconds  float64   `json:"seconds"`
		Conforms bool      `json:"conforms"`
		Passed   int       `json:"passed"`
		Failed   int       `json:"failed"`
		Skipped  int       `json:"skipped"`
		Errors   int       `json:"errors"`
		Left     []string  `json:"left,omitempty"`
		Results  []told    `json:"results"`
	}{r.URL, r.Began.UTC(), r.Took.Seconds(), r.Conforms(), r.Count(Pass), r.Count(Fail), r.Count(Skip), r.Count(Error), r.Left, results})
}

type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Stamp    string      `xml:"timestamp,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string     `xml:"classname,attr"`
		Name    string     `xml:"name,attr"`
		Time    string     `xml:"time,attr"`
		Failure *junitNote `xml:"failure"`
		Error   *junitNote `xml:"error"`
		Skipped *junitNote `xml:"skipped"`
	}
	junitNote struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the report in the form that CI systems read. Failures that do
// not count (SHOULD, dialect) are skipped there, with what was found, so that
// they do not break a build.
func (r Report) JUnit(w io.Writer) error {
	s := junitSuite{Name: "exeunt scim check " + r.URL, Tests: len(r.Results), Failures: r.Count(Fail, Must, Feature), Errors: r.Count(Error),
		Skipped: r.Count(Skip) + r.Count(Fail, Should, Dialect), Time: seconds(r.Took), Stamp: r.Began.UTC().Format("2006-01-02T15:04:05")}
	for _, x := range r.Results {
		c := junitCase{Class: x.Check.Section(), Name: x.Check.ID, Time: seconds(x.Took)}
		note := &junitNote{Message: cmp.Or(x.Why, x.Check.Title)}
		if f := x.Finding; f != nil {
			note.Text = fmt.Sprintf("asked: %s\nexpected: %s\ncame: %s\n%s", f.Asked, f.Expected, f.Came, x.Check.Harm)
		}
		switch {
		case x.Outcome == Fail && x.Check.Level.Counts():
			c.Failure = note
		case x.Outcome == Fail, x.Outcome == Skip:
			c.Skipped = note
		case x.Outcome == Error:
			c.Error = note
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
