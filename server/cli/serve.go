package cli

import (
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
			s := &serving{file: configFile(c), stdout: c.OutOrStdout(), override: func(config *server.Config) {
				if listen != "" {
					config.Listen = listen
				}
				if data != "" {
					config.Data = data
				}
			}}
			config, apps, warnings, err := s.load()
			if err != nil {
				return explain(c.ErrOrStderr(), s.file, err)
			}
			s.log = newLogger(c.ErrOrStderr(), config.Log.Level)
			s.warn(warnings)
			return s.run(c.Context(), config, apps)
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "listen on this `address:port` instead; port 0 takes a free one")
	c.Flags().StringVar(&data, "data", "", "keep everything in this `directory` instead")
	c.MarkFlagDirname("data")
	return c
}

// serving is one exeunt serve.
type serving struct {
	file     string // "" for the defaults
	override func(*server.Config)
	stdout   io.Writer
	log      zerolog.Logger
}

func (s *serving) load() (server.Config, []bridge.App, server.Mistakes, error) {
	config, apps, warnings, err := server.DefaultConfig(), []bridge.App(nil), server.Mistakes(nil), error(nil)
	if s.file == "" {
		config.Sources = map[string]server.SourceConfig{defaultSource: {}}
	} else if config, apps, warnings, err = server.LoadConfig(s.file); err != nil {
		return config, nil, warnings, err
	}
	s.override(&config)
	return config, apps, warnings, nil
}

func (s *serving) warn(warnings server.Mistakes) {
	for _, w := range warnings {
		s.log.Warn().Msg(w.String())
	}
}

func (s *serving) run(ctx context.Context, config server.Config, apps []bridge.App) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

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

	for {
		select {
		case sig := <-signals:
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
		return s.stop(context.WithoutCancel(ctx), r, signals)
	}
}

// greet prints the line that says that all is up, and without a configuration
// what to do next.
func (s *serving) greet(ctx context.Context, r *running, adminFile string) error {
	if s.file == "" {
		token, err := firstToken(ctx, r.store)
		if err != nil {
			return err
		}
		advise(s.stdout, r.URL, token, adminFile)
	}
	_, err := fmt.Fprintf(s.stdout, "exeunt is ready at %s\n", r.URL)
	return err
}

func (s *serving) stop(ctx context.Context, r *running, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() { // ends with done
		for {
			select {
			case sig := <-signals:
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
	if s.file == "" {
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
