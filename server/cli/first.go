package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/scim"
	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/store"
	"github.com/exeunt/exeunt/store/ledger"
	"github.com/exeunt/exeunt/store/vault/keeper"
)

// defaultSource is the source that there is without a configuration.
const defaultSource = "default"

// Files in the data directory that are ours, beside the database.
const (
	adminFile = "admin-token" // the administrator's token, if the configuration names none
	keyFile   = "log.key"     // signs the log's checkpoints; log.key.pub beside it is for auditors
)

// openStore opens the store of a configuration.
func openStore(ctx context.Context, config server.Config, readOnly bool, log zerolog.Logger) (*store.Store, error) {
	o := storeOptions(config, log)
	o.ReadOnly = readOnly
	if !readOnly {
		if err := os.MkdirAll(config.Data, 0o700); err != nil {
			return nil, failf("the data directory cannot be made: %w; name another with data: or --data", err)
		}
		key, err := logKey(filepath.Join(config.Data, keyFile))
		if err != nil {
			return nil, failf("%w", err)
		}
		o.LogKey, o.Doubt = key, store.ErrUnasked
	}
	if config.Keys.Keeper != "" {
		k, err := keeper.Open(ctx, config.Keys.Keeper)
		if err != nil {
			return nil, failf("keys.keeper: %w", err)
		}
		defer k.Close() // it is asked only while the store opens
		o.Keeper = k
	}
	s, err := store.Open(ctx, o)
	if err != nil && o.Dir != "" {
		return nil, failf("%w; data is %s", err, o.Dir)
	} else if err != nil {
		return nil, failf("%w; check what database: refers to", err)
	}
	return s, nil
}

// storeOptions is what a configuration says about the store.
func storeOptions(config server.Config, log zerolog.Logger) store.Options {
	o := store.Options{URL: string(config.Database), Logger: log,
		KeyFile: config.KeyFile(), Epoch: config.Keys.Epoch, Linger: config.Keys.Linger()}
	if o.URL == "" {
		o.Dir = config.Data
	}
	return o
}

// logKey reads the log's key, or makes one for a log that gets its name now.
func logKey(path string) (*ledger.Signer, error) {
	origin := ledger.NewOrigin()
	if public, err := os.ReadFile(path + ".pub"); err == nil {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is missing, and %[1]s.pub says that this log has a key: put it back", path)
		}
		origin, _, _ = strings.Cut(string(public), "+")
	}
	return ledger.LoadOrCreateKey(path, origin)
}

// view runs fn on the database of a command's configuration, read-only.
func view(c *cobra.Command, fn func(bridge.Tx) error) error {
	s, err := readStore(c)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.View(c.Context(), fn)
}

// readStore opens the database of a command's configuration, read-only.
func readStore(c *cobra.Command) (*store.Store, error) {
	config, err := configOf(c)
	if err != nil {
		return nil, err
	}
	return openStore(c.Context(), config, true, zerolog.Nop())
}

// adminToken returns the administrator's token: that of the configuration, else
// that of the data directory, where one is made if there is none.
func adminToken(config server.Config) (token bridge.Secret, file string, err error) {
	if config.AdminToken != "" {
		return config.AdminToken, "", nil
	}
	file = filepath.Join(config.Data, adminFile)
	raw, err := os.ReadFile(file)
	switch {
	case err == nil:
		token = bridge.Secret(strings.TrimSpace(string(raw)))
		if _, ok := server.ParseToken(string(token)); !ok {
			return "", "", failf("%s is damaged; remove it, and a new one is made at the next start", file)
		}
		return token, file, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", "", failf("the administrator's token cannot be read: %w", err)
	}
	if err := os.MkdirAll(config.Data, 0o700); err != nil {
		return "", "", failf("the data directory cannot be made: %w; name another with data: or --data", err)
	}
	text, _ := server.NewToken(server.AdminToken)
	if err := replaceFile(file, []byte(text+"\n"), 0o600); err != nil {
		return "", "", failf("the administrator's token cannot be kept: %w", err)
	}
	return bridge.Secret(text), file, nil
}

// firstToken makes a token for the default source if it has none that is good.
func firstToken(ctx context.Context, s *store.Store) (text string, err error) {
	tokens, err := s.Tokens(ctx, defaultSource)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(tokens, func(t store.Token) bool { return t.Revoked.IsZero() }) {
		return "", nil
	}
	shown, err := server.IssueToken(ctx, s, defaultSource, 0, time.Now())
	return shown.Token, err
}

// advise says what to do with an exeunt that was started without a
// configuration. token is shown if it was made just now.
func advise(w io.Writer, url, token, adminFile string) {
	fmt.Fprintf(w, "There is no configuration: one source called %s, no apps. Write %s to add some; see: exeunt config schema\n\n",
		defaultSource, defaultConfig)
	if token == "" {
		fmt.Fprintf(w, "Its token was shown when it was made; for another: exeunt token new --source %s\n", defaultSource)
	} else {
		fmt.Fprintf(w, "Its token, shown this once:\n\n  %s\n\n", token)
	}
	fmt.Fprintf(w, `Okta      Provisioning → Integration: SCIM 2.0, base URL %[1]s, unique identifier userName,
          authentication mode HTTP Header, and the token. To App: enable Deactivate Users.
Entra ID  Provisioning → Automatic: tenant URL %[1]s, secret token: the token. Test connection, start.
          Both reach exeunt by https only: put a TLS proxy before it, and use its address.
Console   %[2]s/ (any user name; the password is in %[3]s)

`, url+scim.Mount, url+server.ConsolePath, adminFile)
}

// replaceFile makes a file hold content, durably, or leaves it as it is.
func replaceFile(path string, content []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(content); err != nil {
		return err
	}
	if err = f.Chmod(mode); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
