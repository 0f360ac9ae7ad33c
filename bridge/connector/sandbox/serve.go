package sandbox

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Serve runs one app as a process of its own until ctx ends: kind is "scim",
// "saas" or "hook". When the app listens, it writes one line to w: the kind, the
// URL and the administrator's token (hook: signing secret), parted by spaces.
func Serve(ctx context.Context, kind string, o Options, w io.Writer) error {
	var app *App
	switch kind {
	case "scim":
		s, err := StartSCIM(o, Quirks{})
		if err != nil {
			return err
		}
		app = s.App
	case "saas":
		s, err := StartSaaS(o)
		if err != nil {
			return err
		}
		app = s.App
	case "hook":
		s, err := StartHook(o)
		if err != nil {
			return err
		}
		app = s.App
	default:
		return fmt.Errorf("there is no sandbox app %q; there are scim, saas and hook", kind)
	}
	fmt.Fprintln(w, kind, app.URL(), app.Admin())
	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if app.shutdown(ending) != nil {
		return app.Close()
	}
	return nil
}
