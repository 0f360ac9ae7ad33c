package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
)

// grace is how long requests and actions may take to finish after the first signal.
const grace = 20 * time.Second

func serveCommand() *cobra.Command {
	var listen, data string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run exeunt",
		Long: `Runs exeunt until it is told to stop. Without a configuration it listens on the loopback
address only, keeps everything in ./exeunt-data, makes a token for one source, shows it
once, and says what to enter in Okta or Entra ID.

SIGTERM or SIGINT: no new requests; what is under way may finish, at most 20 seconds.
The same again: it is cut off, and taken up at the next start. SIGHUP: the configuration
is read again, and used if it is good.`,
		Example: `  exeunt serve
  exeunt serve --config /etc/exeunt/exeunt.yaml
  exeunt serve --listen 127.0.0.1:0 --data /tmp/try`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			signals := make(chan os.Signal, 8)
			signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
			defer signal.Stop(signals)
			return serve(c.Context(), serveOptions{
				File: configFile(c), Listen: listen, Data: data, Logs: c.ErrOrStderr(), Out: c.OutOrStdout(), Signals: signals})
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "listen on this `address:port` instead; port 0 takes a free one")
	c.Flags().StringVar(&data, "data", "", "keep everything in this `directory` instead")
	c.MarkFlagDirname("data")
	return c
}

// serveOptions is what one exeunt needs to run.
type serveOptions struct {
	File    string           // configuration; "" for the defaults
	Listen  string           // instead of what the file says; "" for that
	Data    string           // as Listen
	Logs    io.Writer        // log lines, and the mistakes of a configuration
	Out     io.Writer        // what is for people; nil for nothing
	Ready   func(url string) // told when requests are answered; may be nil
	Signals <-chan os.Signal // SIGHUP reloads, others stop; may be nil
}

// serve runs one exeunt until ctx ends or a signal says so. It returns an error
// that is fit for the command line.
func serve(ctx context.Context, o serveOptions) error {
	s := &serving{serveOptions: o}
	if s.Out == nil {
		s.Out = io.Discard
	}
	config, apps, warnings, err := s.load()
	if err != nil {
		return explain(o.Logs, o.File, err)
	}
	s.log = newLogger(o.Logs, config.Log.Level)
	s.warn(warnings)
	return s.run(ctx, config, apps)
}

// serving is one exeunt that serves.
type serving struct {
	serveOptions
	log zerolog.Logger
}

func (s *serving) load() (server.Config, []bridge.App, server.Mistakes, error) {
	config, apps, warnings, err := server.DefaultConfig(), []bridge.App(nil), server.Mistakes(nil), error(nil)
	if s.File == "" {
		config.Sources = map[string]server.SourceConfig{defaultSource: {}}
	} else if config, apps, warnings, err = server.LoadConfig(s.File); err != nil {
		return config, nil, warnings, err
	}
	config.Listen, config.Data = cmp.Or(s.Listen, config.Listen), cmp.Or(s.Data, config.Data)
	return config, apps, warnings, nil
}

func (s *serving) warn(warnings server.Mistakes) {
	for _, w := range warnings {
		s.log.Warn().Msg(w.String())
	}
}

func (s *serving) run(ctx context.Context, config server.Config, apps []bridge.App) error {
	admin, adminFile, err := adminToken(config)
	if err != nil {
		return err
	}
	r, err := start(ctx, config, apps, admin, s.log)
	if err != nil {
		return err
	}
	if err := s.greet(ctx, r, adminFile); err != nil {
		s.log.Error().Err(err).Msg("the first token cannot be made")
	}
	s.log.Info().Str("version", version()).Str("url", r.URL).Int("apps", len(apps)).
		Int("sources", len(config.Sources)).Msg("ready")
	if s.Ready != nil {
		s.Ready(r.URL)
	}

	for {
		select {
		case sig := <-s.Signals:
			if sig == syscall.SIGHUP {
				s.reload(ctx, r)
				continue
			}
			s.log.Info().Str("signal", sig.String()).Msg("stopping; the same signal again cuts off what is under way")
		case <-ctx.Done():
			s.log.Info().Msg("stopping")
		case <-r.ctx.Done():
			s.log.Error().Err(context.Cause(r.ctx)).Msg("a part of exeunt ended; stopping")
		}
		return s.stop(context.WithoutCancel(ctx), r)
	}
}

// greet prints the line that says that all is up, and without a configuration
// what to do next.
func (s *serving) greet(ctx context.Context, r *running, adminFile string) error {
	if s.File == "" {
		token, err := firstToken(ctx, r.store)
		if err != nil {
			return err
		}
		advise(s.Out, r.URL, token, adminFile)
	}
	_, err := fmt.Fprintf(s.Out, "exeunt is ready at %s\n", r.URL)
	return err
}

func (s *serving) stop(ctx context.Context, r *running) error {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() { // ends with done
		for {
			select {
			case sig := <-s.Signals:
				if sig == syscall.SIGHUP {
					continue
				}
				s.log.Warn().Msg("cutting off what is under way")
				cancel()
			case <-done:
				return
			}
		}
	}()
	if err := r.stop(ctx); err != nil {
		return failf("exeunt did not end cleanly: %w; nothing is lost, it goes on at the next start", err)
	}
	s.log.Info().Msg("stopped")
	return nil
}

// reload reads the configuration again and uses it, or says why not.
func (s *serving) reload(ctx context.Context, r *running) {
	if s.File == "" {
		s.log.Warn().Msg("configuration not reloaded: exeunt was started without one")
		return
	}
	config, apps, warnings, err := s.load()
	s.warn(warnings)
	var mistakes server.Mistakes
	switch {
	case errors.As(err, &mistakes):
		for _, m := range mistakes {
			s.log.Error().Msg(m.String())
		}
		s.log.Error().Int("mistakes", len(mistakes)).Msg("configuration not reloaded; the old one stays in force")
		return
	case err != nil:
		s.log.Error().Err(err).Msg("configuration not reloaded; the old one stays in force")
		return
	case config.PublicURL != r.config.PublicURL && config.Federated():
		s.log.Error().Msg("configuration not reloaded; the old one stays in force: partners in SAML and OpenID Connect know exeunt by public_url, so restart exeunt to change it")
		return
	}
	stays, err := r.apply(ctx, config, apps)
	if err != nil {
		s.log.Error().Err(err).Msg("configuration not reloaded completely; send SIGHUP again")
		return
	}
	if len(stays) > 0 {
		s.log.Warn().Strs("keys", stays).Msg("these are read at start only; restart exeunt to change them")
	}
	s.log.Info().Int("apps", len(apps)).Int("sources", len(config.Sources)).Msg("configuration reloaded")
}

// newLogger writes JSON lines, or something prettier to a terminal.
func newLogger(w io.Writer, level string) zerolog.Logger {
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		w = zerolog.ConsoleWriter{Out: f, TimeFormat: "15:04:05.000", NoColor: os.Getenv("NO_COLOR") != ""}
	}
	parsed, err := zerolog.ParseLevel(strings.ToLower(level))
	if err != nil { // the configuration has been checked
		parsed = zerolog.InfoLevel
	}
	return zerolog.New(zerolog.SyncWriter(w)).Level(parsed).Hook(zerolog.HookFunc(func(e *zerolog.Event, _ zerolog.Level, _ string) {
		e.Str(zerolog.TimestampFieldName, time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	}))
}
