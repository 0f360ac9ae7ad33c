package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
	"github.com/exeunt/exeunt/store"
)

func tokenCommand() *cobra.Command {
	return group("token", "Issue and revoke tokens of sources", tokenNewCommand(), tokenListCommand(), tokenRevokeCommand())
}

func tokenNewCommand() *cobra.Command {
	var source string
	c := &cobra.Command{
		Use:   "new --source NAME",
		Short: "Issue a token for a source, and show it this once",
		Long: `Issues a token for a source of the configuration, through the running exeunt if there is
one. Only its hash is kept. Two tokens of one source are good side by side, so that one can
replace the other without a gap; a third is refused until one is revoked.`,
		Example: `  exeunt token new --source okta`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			if _, ok := config.Sources[source]; !ok && (source != defaultSource || configFile(c) != "") {
				return misusef("there is no source %q in the configuration; add it under sources: first", plain(source))
			}
			var shown server.ShownToken
			err = change(c, config,
				func(api *client) error {
					return api.call(c.Context(), "POST", "/v1/tokens", map[string]string{"source": source}, &shown)
				},
				func(s *store.Store) (err error) {
					shown, err = server.IssueToken(c.Context(), s, source, len(config.Sources[source].Token), time.Now())
					return err
				})
			if err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "Token %s of source %s; it is shown this once:\n", shown.ID, shown.Source)
			_, err = fmt.Fprintln(c.OutOrStdout(), shown.Token)
			return err
		},
	}
	c.Flags().StringVar(&source, "source", "", "`name` of the source in the configuration")
	c.MarkFlagRequired("source")
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}

func tokenListCommand() *cobra.Command {
	var source string
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List credentials of sources: whose, since when, last used, revoked",
		Long: `Lists the tokens that exeunt has issued, and below them what the configuration names:
tokens, JWTs ("jwt:client"), and certificates that are enough alone ("mtls:source"). When
each was last used is true to within five minutes.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			s, err := openStore(c.Context(), config, true, zerolog.Nop())
			if err != nil {
				return err
			}
			defer s.Close()
			tokens, err := s.Tokens(c.Context(), source)
			if err != nil {
				return failf("the tokens cannot be read: %w", err)
			}
			uses, err := s.Uses(c.Context())
			if err != nil {
				return failf("the tokens cannot be read: %w", err)
			}
			list := []server.ShownToken{}
			for _, t := range tokens {
				list = append(list, server.ShowToken(t))
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), list)
			}
			configured := slices.DeleteFunc(server.ShowCredentials(config.Sources, uses),
				func(one server.ShownCredential) bool { return source != "" && one.Source != source })
			return printTokens(c.OutOrStdout(), list, configured)
		},
	}
	c.Flags().StringVar(&source, "source", "", "only those of this source")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printTokens(w io.Writer, list []server.ShownToken, configured []server.ShownCredential) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	or := func(at *time.Time, none string) string {
		if at == nil {
			return none
		}
		return stamp(*at)
	}
	fmt.Fprintln(t, "TOKEN\tSOURCE\tCREATED\tUSED\tREVOKED")
	for _, one := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", one.ID, one.Source, stamp(one.Created), or(one.Used, "never"), or(one.Revoked, "-"))
	}
	for _, one := range configured {
		fmt.Fprintf(t, "%s\t%s\tconfigured\t%s\t-\n", one.Name, one.Source, or(one.Used, "never"))
	}
	return t.Flush()
}

func tokenRevokeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Make a token worthless from now on",
		Example: `  exeunt token revoke 4fQb81xLaZ`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			config, err := configOf(c)
			if err != nil {
				return err
			}
			err = change(c, config,
				func(api *client) error {
					return api.call(c.Context(), "DELETE", "/v1/tokens/"+url.PathEscape(args[0]), nil, nil)
				},
				func(s *store.Store) error {
					err := server.RevokeToken(c.Context(), s, args[0], time.Now())
					if bridge.IsKind(err, bridge.KindNotFound) {
						return failf("there is no token %s; exeunt token list lists all", plain(args[0]))
					}
					return err
				})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "token %s is revoked\n", plain(args[0]))
			return err
		},
	}
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}

// change changes something through the running exeunt or, if none runs, in the
// database itself: SQLite has one writing process at a time.
func change(c *cobra.Command, config server.Config, remote func(*client) error, local func(*store.Store) error) error {
	api, err := clientOf(c, config)
	if err == nil {
		if err = remote(api); !errors.Is(err, errNobody) {
			return err
		}
	}
	s, err := openStore(c.Context(), config, false, zerolog.Nop())
	if err != nil {
		return failf("%w; if exeunt runs and listens elsewhere than configured, give --url", err)
	}
	defer s.Close()
	if err := local(s); err != nil {
		var said *exit
		if errors.As(err, &said) {
			return err
		}
		return failf("%w", err)
	}
	_, err = s.Seal(context.WithoutCancel(c.Context()))
	return err
}
