package bridge

import (
	"fmt"
	"io"
)

// Secret is a password, token or key in a configuration. Whatever prints,
// formats or marshals it shows "***"; string(s) is the only way to its value,
// and is written only where it goes onto the wire.
type Secret string

const hidden = "***"

func (Secret) String() string { return hidden }

// Format keeps every verb of package fmt from the value, also those for which
// String is not asked.
func (Secret) Format(w fmt.State, _ rune) { io.WriteString(w, hidden) }

// MarshalText hides the value in JSON, YAML and structured logs.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
