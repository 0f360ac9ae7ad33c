package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/exeunt/exeunt/testdata/peers"
)

// TestSCIM2Tester runs scim2-tester, a public suite of others, against exeunt:
// it tries every attribute of every schema that exeunt publishes.
func TestSCIM2Tester(t *testing.T) {
	dir := peers.Need(t, "EXEUNT_TEST_SCIM2_TESTER")
	for _, dialect := range []string{"strict", "auto"} {
		t.Run(dialect, func(t *testing.T) { testedByOthers(t, dir, dialect) })
	}
}

func testedByOthers(t *testing.T, dir, dialect string) {
	p := newProduct(t, "log: {level: warn}\nsources:\n  hr: {token: file:hr-token, dialect: "+dialect+"}\n", nil)
	p.start()
	c := exec.Command("bin/python", "check.py")
	c.Dir, c.Stderr = dir, os.Stderr
	c.Env = append(os.Environ(), "SCIM_URL="+p.url+"/scim/v2", "SCIM_TOKEN="+hrToken)
	out, err := c.Output()
	if err != nil {
		t.Fatalf("the suite did not end well: %v\n%s", err, out)
	}
	done := map[string]int{} // successes, by resource type and check
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var result struct{ Status, Check, About, Reason, Data string }
		if err := json.Unmarshal(lines.Bytes(), &result); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		if result.Status != "SUCCESS" {
			t.Errorf("%s %s %s: %s\n%s", result.Status, result.About, result.Check, result.Reason, result.Data)
		}
		done[result.About+" "+result.Check]++
	}
	// A suite that gives up early must not pass: so many checks there are at least.
	if done[" core_schemas_validation"] != 1 {
		t.Error("the check of discovery's own schemas was not made")
	}
	for about, attributes := range map[string]int{"User": 30, "Group": 2} {
		for check, least := range map[string]int{"object_creation": 1, "object_query": 1, "object_query_without_id": 1, "object_query_with_attributes": 2,
			"object_list_with_attributes": 2, "search_with_attributes": 2, "object_replacement": 1, "object_deletion": 1,
			"check_add_attribute": attributes, "check_remove_attribute": attributes, "check_replace_attribute": attributes} {
			if n := done[about+" "+check]; n < least {
				t.Errorf("%s was tried %d times on %s, not %d", check, n, about, least)
			}
		}
	}
}
