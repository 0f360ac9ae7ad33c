package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/store/evidence"
)

func (d *demo) certify(ctx context.Context) error {
	d.title("Her departure's certificate, verified as an auditor would, without database or network")
	return d.judge(ctx, "/v1/cases/"+d.caseID+"/certificate")
}

// judge fetches a certificate and verifies it.
func (d *demo) judge(ctx context.Context, path string) error {
	var bundle []byte
	if err := d.admin.call(ctx, http.MethodGet, path, nil, &bundle); err != nil {
		return err
	}
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		return err
	}
	found, _, err := evidence.Verify(z, d.running.store.VerifierKey())
	if err != nil {
		d.doubt("the certificate: %v", err)
		d.say("%s", d.paint.bad(err.Error()))
		return nil
	}
	d.say("%s.", found)
	return nil
}

func (d *demo) forget(ctx context.Context) error {
	d.title("She asks to be forgotten: first by every app, then here")
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var e server.Erasure
	if err := d.admin.call(ctx, http.MethodPost, "/v1/erasures", map[string]any{"case": d.caseID, "verified": true}, &e); err != nil {
		return err
	}
	d.say("received: %s gives time until %s", e.Law, stamp(e.Due))
	begun := time.Now()
	for tick := time.NewTicker(10 * time.Millisecond); e.Stage != bridge.StageDone; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return fmt.Errorf("the erasure is still %s, and waits for %s", e.Stage, e.Waits)
		}
		if err := d.admin.call(ctx, http.MethodGet, "/v1/erasures/"+e.ID, nil, &e); err != nil {
			return err
		}
	}
	d.say("done after %s: her accounts are deleted, her key is destroyed", millis(time.Since(begun)))
	d.say("%d bytes of files were searched for what is left of it: nothing; the log still verifies", e.Scanned)
	return d.judge(ctx, "/v1/erasures/"+e.ID+"/certificate")
}
