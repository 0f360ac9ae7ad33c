package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
)

// defaultConfig is read if it is there and no other file is named.
const defaultConfig = "exeunt.yaml"

// configFile returns the file to read, "" if there is none.
func configFile(c *cobra.Command) string {
	file, _ := c.Flags().GetString("config")
	if file == "" {
		if _, err := os.Stat(defaultConfig); err == nil {
			return defaultConfig
		}
	}
	return file
}

// loadConfig reads the configuration, or the defaults if there is no file.
// Warnings go to w.
func loadConfig(file string, w io.Writer) (server.Config, []bridge.App, error) {
	if file == "" {
		return server.DefaultConfig(), nil, nil
	}
	config, apps, warnings, err := server.LoadConfig(file)
	for _, m := range warnings {
		fmt.Fprintln(w, "warning: "+m.String())
	}
	var mistakes server.Mistakes
	switch {
	case errors.As(err, &mistakes):
		for _, m := range mistakes {
			fmt.Fprintln(w, m.String())
		}
		return config, nil, misusef("%s has %s; mend it and run: exeunt config check --config %[1]s", file, count(len(mistakes), "mistake"))
	case err != nil:
		return config, nil, misusef("%w; name the file with --config", err)
	}
	return config, apps, nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func configCommand() *cobra.Command {
	check := &cobra.Command{
		Use:   "check",
		Short: "Report every mistake in the configuration at once",
		Long: `Reads the configuration with everything it refers to, calls nobody, and reports every
mistake with its line and what to do. Exit code 0 if it can be used, 2 if not.`,
		Example: `  exeunt config check
  exeunt config check --config /etc/exeunt/exeunt.yaml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			file := configFile(c)
			if file == "" {
				return misusef("there is no %s here; name the file with --config", defaultConfig)
			}
			config, apps, err := loadConfig(file, c.ErrOrStderr())
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is good: %s, %s\n", file, count(len(config.Sources), "source"), count(len(apps), "app"))
			return nil
		},
	}
	schema := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Example: `  exeunt config schema > exeunt.schema.json
  # then, as the first line of exeunt.yaml:
  # yaml-language-server: $schema=exeunt.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			e.SetEscapeHTML(false)
			return e.Encode(server.ConfigSchema())
		},
	}
	return group("config", "Check and describe the configuration", check, schema)
}
