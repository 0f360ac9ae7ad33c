package evidence

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/store/ledger"
)

// sign signs the log as a journal has it.
func (j *journal) sign(t testing.TB) (c ledger.Checkpoint, note []byte, key string, hashes tlog.HashReader) {
	t.Helper()
	secret, key, err := ledger.NewKey("exeunt/test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	var tree ledger.Frontier
	var all []tlog.Hash
	for _, leaf := range j.raw {
		all = tree.Append(all, leaf)
	}
	if note, err = signer.Sign(tree.Size(), tree.Root()); err != nil {
		t.Fatal(err)
	}
	return ledger.Checkpoint{Origin: "exeunt/test", Size: tree.Size(), Root: tree.Root()}, note, key,
		tlog.HashReaderFunc(func(indexes []int64) (list []tlog.Hash, err error) {
			for _, i := range indexes {
				list = append(list, all[i])
			}
			return list, nil
		})
}

// written is the archive of a period of a journal, and the key that it verifies with.
func written(t testing.TB, j *journal, p Period) (archive []byte, key string) {
	t.Helper()
	c, note, key, hashes := j.sign(t)
	var b bytes.Buffer
	if _, err := WriteArchive(&b, p, Stretch{
		Checkpoint: c, Note: note, First: 2, Hashes: hashes,
		Leaves: func(from int64) ([][]byte, error) { return j.raw[from:min(int(from)+5, len(j.raw))], nil },
	}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), key
}

func verify(archive []byte, key string) (Survey, error) {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return Survey{}, err
	}
	found, _, err := Verify(z, key)
	v, _ := found.(Survey)
	return v, err
}

// files are those of an archive, in their order; rezip packs them again.
func files(t testing.TB, archive []byte) (names []string, text map[string]string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	text = map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		names, text[f.Name] = append(names, f.Name), string(b)
	}
	return names, text
}

func rezip(t testing.TB, names []string, text map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// with is text with another content of one file.
func with(text map[string]string, name, content string) map[string]string {
	changed := maps.Clone(text)
	changed[name] = content
	return changed
}

func TestArchive(t *testing.T) {
	j, p := quarter(t)
	for range 20 { // the log goes on
		j.add("", 14*24*time.Hour, bridge.PersonChanged, bridge.Facts{Source: "hr"})
	}
	a, key := written(t, j, p)
	v, err := verify(a, key)
	if err != nil || len(v.Departures) != 2 || v.First != 2 || v.Last != 13 || v.Issue != Final {
		t.Fatalf("%+v, %v", v, err)
	}
	names, text := files(t, a)
	if err := func() error { _, err := verify(rezip(t, names, text), key); return err }(); err != nil {
		t.Fatalf("packed again, it does not verify: %v", err)
	}

	// Every byte of every file counts, but for the README's. Another period or SLA
	// is another question: it is answered as rightly, and the answer says which.
	for _, name := range names {
		for i := range text[name] {
			b := []byte(text[name])
			b[i] ^= 1
			got, err := verify(rezip(t, names, with(text, name, string(b))), key)
			if err == nil && name != readmeFile && (name != surveyFile || got.Period == v.Period) || err != nil && name == readmeFile {
				t.Fatalf("%s with byte %d changed (%q): %v", name, i, text[name][max(0, i-20):i+1], err)
			}
		}
	}

	// A departure cannot be taken out, and neither can its row.
	for what, change := range map[string]func(map[string]string){
		"a row of the table": func(m map[string]string) {
			lines := strings.SplitAfter(m[tableFile], "\n")
			m[tableFile] = lines[0] + strings.Join(lines[2:], "")
		},
		"the last events": func(m map[string]string) {
			m[leavesFile] = m[leavesFile][:len(m[leavesFile])-4-len(j.raw[13])]
		},
		"all events": func(m map[string]string) { m[leavesFile] = "" },
		"the period": func(m map[string]string) {
			m[surveyFile] = strings.Replace(m[surveyFile], "2026-08-31T16", "2026-08-31T19", 1) // after the first departure
		},
		"the SLA": func(m map[string]string) {
			m[surveyFile] = strings.Replace(m[surveyFile], "14400000000000", "14400000000001", 1)
		},
	} {
		changed := maps.Clone(text)
		change(changed)
		var evidence *ledger.EvidenceError
		if _, err := verify(rezip(t, names, changed), key); !errors.As(err, &evidence) {
			t.Errorf("%s taken out or changed: %v", what, err)
		}
	}

	other, _ := quarter(t)
	_, otherKey := written(t, other, p)
	var evidence *ledger.EvidenceError
	if _, err := verify(a, otherKey); !errors.As(err, &evidence) || evidence.Fault != ledger.FaultSignature {
		t.Errorf("with another log's key: %v", err)
	}
	var input *ledger.InputError
	for what, list := range map[string][]string{"a file more": append(slices.Clone(names), "x"), "a file less": names[1:], "a file twice": append(slices.Clone(names), names[0])} {
		if _, err := verify(rezip(t, list, text), key); !errors.As(err, &input) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzVerifyArchive(f *testing.F) {
	j, p := quarter(&testing.T{})
	a, key := written(f, j, p)
	_, text := files(f, a)
	f.Add(text[checkpointFile], text[spanFile], text[leavesFile], text[surveyFile], text[tableFile])
	f.Add("", "exeunt.span/v1\n0 1\n", "\x00\x00\x00\x00", "{\"version\": \"exeunt.population/v1\", \"period\": {}", "")
	f.Fuzz(func(t *testing.T, checkpoint, span, leaves, list, table string) {
		got := map[string]string{checkpointFile: checkpoint, spanFile: span, leavesFile: leaves, surveyFile: list, tableFile: table}
		if _, err := verify(rezip(t, archiveFiles, got), key); err == nil {
			for name, b := range got {
				if b != text[name] && name != checkpointFile && name != spanFile { // more signatures are fine, and so is a later checkpoint
					t.Errorf("%s is accepted: %q", name, b)
				}
			}
		}
	})
}
