package server

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// secretAdvice never repeats what stands in the file: it is probably a secret.
const secretAdvice = "a secret must not stand in this file; put it into a file that only exeunt may read " +
	"and write file:/path/to/it, or write env:NAME (if it stood here: change it, it has been seen)"

// maxSecret is far above any key, and far below what could hurt.
const maxSecret = 64 << 10

// secret resolves a reference into the secret it names.
func (d *decoder) secret(n ast.Node, v reflect.Value, path string) {
	pos := n.GetToken().Position
	reference, ok := textOf(n)
	if m, keys := n.(ast.MapNode); keys {
		reference, ok = asReference(m)
	}
	if !ok {
		d.addAt(pos, path, "%s", secretAdvice)
		return
	}
	var value string
	switch kind, name, _ := strings.Cut(reference, ":"); kind {
	case "env":
		if value = strings.TrimSpace(d.getenv(name)); value == "" {
			d.addAt(pos, path, "the environment variable %s is not set; export it before exeunt starts", name)
			return
		}
	case "file":
		raw, err := d.readSecret(name, path)
		if err != nil {
			d.addAt(pos, path, "cannot read %s: %s; check the path and who may read it", name, err)
			return
		}
		if value = strings.TrimSpace(raw); value == "" {
			d.addAt(pos, path, "%s is empty; write the secret into it", name)
			return
		}
	default:
		d.addAt(pos, path, "%s", secretAdvice)
		return
	}
	v.SetString(value)
}

// asReference reads "file: /path". People write it with a space, and the YAML
// library reads it so without one in a list inside braces, {a: [file:/path]}.
func asReference(m ast.MapNode) (string, bool) {
	it := m.MapRange()
	if !it.Next() {
		return "", false
	}
	value, ok := textOf(it.Value())
	reference := keyOf(it.KeyValue()) + ":" + value
	return reference, ok && !it.Next()
}

// readSecret reads a file; a relative path is relative to the configuration.
func (d *decoder) readSecret(name, path string) (string, error) {
	f, err := os.Open(beside(d.file, name))
	if err != nil {
		return "", withoutPath(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", withoutPath(err)
	case info.IsDir():
		return "", errors.New("it is a directory")
	case info.Mode().Perm()&0o004 != 0:
		d.warn(path, "everybody on this machine may read %s; chmod 600 it", name)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(raw) > maxSecret {
		err = errors.New("it is longer than 64 KiB")
	}
	return string(raw), withoutPath(err)
}

// withoutPath drops what the caller says itself.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
