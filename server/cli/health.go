package cli

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/server"
)

func healthCommand() *cobra.Command {
	var url string
	c := &cobra.Command{
		Use:     "health",
		Short:   "Ask a running exeunt whether it is well; for containers without a shell",
		Example: `  exeunt health --url http://127.0.0.1:8080/readyz`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := http.NewRequestWithContext(c.Context(), http.MethodGet, url, nil)
			if err != nil {
				return misusef("%s is not a URL; write http://host:port/healthz", plain(url))
			}
			var config server.Config // a configuration matters for https only
			if r.URL.Scheme == "https" {
				if config, err = configOf(c); err != nil {
					return err
				}
			}
			response, err := caller(config, 5*time.Second).Do(r)
			if err != nil {
				return failf("%s does not answer; is exeunt serve running there?", url)
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				return failf("%s answered %s; its log says why", url, response.Status)
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "ok")
			return err
		},
	}
	c.Flags().StringVar(&url, "url", "http://127.0.0.1:8080/healthz", "what to ask")
	return c
}
