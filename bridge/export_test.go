package bridge

import "time"

// Retain is what an erasure does before nothing of the person can be read any more.
func Retain(tx Tx, now time.Time, erasure string, h Handle, who Identifiers) ([]string, error) {
	return retain(tx, now, erasure, h, who)
}
