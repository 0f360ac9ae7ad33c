package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/server/witness"
	"github.com/exeunt/exeunt/store/ledger"
)

// witnessKey is the witness's secret key, in its directory.
const witnessKey = "witness.key"

func witnessCommand() *cobra.Command {
	var listen, data, name, cert, key string
	var logs []string
	c := &cobra.Command{
		Use:   "witness",
		Short: "Hold other exeunts' logs to their word, on a machine of its own",
		Long: `Runs a C2SP tlog-witness: it remembers the newest checkpoint of each log that it knows, and
cosigns the next only if everything is still in it. A log that was set back or rewritten gets
no signature any more, and its exeunt raises an alarm. Whoever could rewrite the log must have
no access to this machine.

At the start it prints the line for the policy file that log.policy names in the
configuration of the exeunt it watches over. Its directory must never be restored from an
older copy; make a new witness instead.`,
		Example: `  exeunt witness --listen :8443 --cert w.pem --key w.key --name witness.example.com \
      --data /var/lib/witness --log /etc/witness/log.key.pub
  exeunt witness --name w --log 'exeunt/6d…+c2a1…+AX…'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if (cert == "") != (key == "") {
				return misusef("--cert and --key belong together")
			}
			o := witness.Options{Dir: data, Logger: newLogger(c.ErrOrStderr(), "info")}
			for _, l := range logs {
				verifier, err := verifierKey(l)
				if err != nil {
					return err
				}
				o.Logs = append(o.Logs, verifier)
			}
			if err := os.MkdirAll(data, 0o700); err != nil {
				return failf("%w; name another directory with --data", err)
			}
			var err error
			if o.Key, err = cosigner(filepath.Join(data, witnessKey), name); err != nil {
				return failf("%w", err)
			}
			w, err := witness.Open(o)
			if err != nil {
				return failf("%w", err)
			}
			defer w.Close()
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return failf("%w; choose another address with --listen", err)
			}
			scheme := "http"
			if cert != "" {
				scheme = "https"
			}
			fmt.Fprintf(c.OutOrStdout(), "witness %s %s %s://%s\n", strings.ReplaceAll(name, "/", "-"), o.Key.VerifierKey(), scheme, l.Addr())
			return serveWitness(c.Context(), w, l, cert, key)
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8090", "listen on this `address:port`")
	c.Flags().StringVar(&data, "data", "./witness-data", "keep what was cosigned, and the witness's key, in this `directory`")
	c.Flags().StringVar(&name, "name", "witness", "`name` of the witness in its signatures, such as its address")
	c.Flags().StringArrayVar(&logs, "log", nil, "public key of a log, or a `file` with it (log.key.pub); may be repeated")
	c.Flags().StringVar(&cert, "cert", "", "PEM `file` with the certificate for TLS")
	c.Flags().StringVar(&key, "key", "", "PEM `file` with its key")
	c.MarkFlagRequired("log")
	c.MarkFlagDirname("data")
	return c
}

// verifierKey is a verifier key, or that in a file.
func verifierKey(keyOrFile string) (string, error) {
	if _, err := ledger.OriginOf(keyOrFile); err == nil {
		return keyOrFile, nil
	}
	raw, err := os.ReadFile(keyOrFile)
	if err != nil {
		return "", misusef("--log is neither a log's public key nor a file with one: %w", err)
	}
	verifier := strings.TrimSpace(string(raw))
	if _, err := ledger.OriginOf(verifier); err != nil {
		return "", misusef("%s holds no public key of a log; log.key.pub in its data directory does", keyOrFile)
	}
	return verifier, nil
}

// cosigner reads the witness's key, or makes it. It is its own file's: the name
// belongs to the key, and another name needs another key.
func cosigner(path, name string) (*ledger.Cosigner, error) {
	if _, err := ledger.LoadOrCreateKey(path, name); err != nil {
		return nil, fmt.Errorf("the witness's key: %w", err)
	}
	secret, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ledger.NewCosigner(strings.TrimSpace(string(secret)))
}

func serveWitness(ctx context.Context, w http.Handler, l net.Listener, cert, key string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s := &http.Server{Handler: w, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	ended := make(chan error, 1)
	go func() {
		if cert != "" {
			ended <- s.ServeTLS(l, cert, key)
		} else {
			ended <- s.Serve(l)
		}
	}()
	select {
	case err := <-ended:
		return failf("the witness ended: %w", err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return failf("the witness did not end cleanly: %w", err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return failf("the witness ended: %w", err)
	}
	return nil
}
