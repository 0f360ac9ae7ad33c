package cli

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/exeunt/exeunt/bridge"
	"github.com/exeunt/exeunt/server"
)

func eraseCommand() *cobra.Command {
	return group("erase", "Forget people: everywhere, by a deadline, and provably",
		eraseRequestCommand(), eraseLinkCommand(), eraseListCommand(), eraseShowCommand(),
		eraseSayCommand("verify", "Note that it is the person who asks, or who may ask for them"),
		eraseSayCommand("approve", "Approve an erasure, or let it go on although the person came back"),
		eraseWordCommand("refuse", "reason", "End an erasure that can still be stopped", strings.Join(bridge.Refusals, ", ")),
		eraseWordCommand("acknowledge", "app", "Accept that nothing is erased in one app that cannot, or is stuck", "`name` of the app"),
		eraseSayCommand("extend", "Take the longer time that the law gives; tell the person first"))
}

func eraseRequestCommand() *cobra.Command {
	var body struct {
		Case     string `json:"case,omitempty"`
		Person   string `json:"person,omitempty"`
		Handle   string `json:"handle,omitempty"`
		Law      string `json:"law,omitempty"`
		Verified bool   `json:"verified,omitempty"`
	}
	c := &cobra.Command{
		Use:   "request (--person ID | --case ID | --handle HANDLE)",
		Short: "Ask for a person to be forgotten",
		Long: `Asks the running exeunt, with the administrator's token of this configuration. The person is
forgotten once they are verified, approved if the policy asks for it, not active, under no
legal hold, and through with every app. What is then destroyed nobody can bring back.`,
		Example: `  exeunt erase request --case 0199c1d2-… --verified
  exeunt erase request --person 0199c1d2-… --law ccpa`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return eraseCall(c, "", body) },
	}
	c.Flags().StringVar(&body.Person, "person", "", "`id` of the person")
	c.Flags().StringVar(&body.Case, "case", "", "or `id` of a case of theirs")
	c.Flags().StringVar(&body.Handle, "handle", "", "or their `name` in the log")
	c.Flags().StringVar(&body.Law, "law", "", "`name` of the law, if not the configuration's")
	c.Flags().BoolVar(&body.Verified, "verified", false, "it is known to be the person, or who may ask for them")
	c.MarkFlagsOneRequired("person", "case", "handle")
	c.MarkFlagsMutuallyExclusive("person", "case", "handle")
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}

// eraseCall asks the running exeunt, and prints the erasure that it answers.
func eraseCall(c *cobra.Command, below string, body any) error {
	config, err := configOf(c)
	if err != nil {
		return err
	}
	api, err := clientOf(c, config)
	if err != nil {
		return err
	}
	var shown server.Erasure
	if err := api.call(c.Context(), "POST", "/v1/erasures"+below, body, &shown); err != nil {
		return err
	}
	return printErasure(c.OutOrStdout(), shown)
}

func eraseSayCommand(verb, short string) *cobra.Command {
	c := &cobra.Command{
		Use:     verb + " ID",
		Short:   short,
		Long:    "Asks the running exeunt, with the administrator's token of this configuration.",
		Example: "  exeunt erase " + verb + " 0199c1d2-…",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return eraseCall(c, "/"+url.PathEscape(args[0])+"/"+verb, nil)
		},
	}
	c.Flags().String("url", "", "where exeunt listens, if not as configured: http://host:port")
	return c
}

func eraseWordCommand(verb, flag, short, usage string) *cobra.Command {
	c := eraseSayCommand(verb, short)
	c.Example = "  exeunt erase " + verb + " 0199c1d2-… --" + flag + " …"
	word := c.Flags().String(flag, "", usage)
	c.MarkFlagRequired(flag)
	c.RunE = func(c *cobra.Command, args []string) error {
		return eraseCall(c, "/"+url.PathEscape(args[0])+"/"+verb, map[string]string{flag: *word})
	}
	return c
}

func eraseListCommand() *cobra.Command {
	var stages []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List erasures and how far they have come, newest first",
		Long:  "Reads the database of this configuration; exeunt serve may be running.",
		Example: `  exeunt erase list
  exeunt erase list --stage ordered --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var wanted []bridge.Stage
			for _, s := range stages {
				if !slices.Contains(bridge.Stages, bridge.Stage(s)) {
					return misusef("there is no stage %q; known are %v", s, bridge.Stages)
				}
				wanted = append(wanted, bridge.Stage(s))
			}
			list := []server.Erasure{}
			err := view(c, func(tx bridge.Tx) error {
				found, err := tx.Erasures(wanted, time.Time{}, 1000)
				for _, e := range found {
					list = append(list, server.ShowErasure(e))
				}
				return err
			})
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(c.OutOrStdout(), list)
			}
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "ERASURE\tSTAGE\tWAITS FOR\tDUE\tURGENCY\tHANDLE")
			for _, e := range list {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.Stage, dash(string(e.Waits)), stamp(e.Due), e.Urgency, e.Handle)
			}
			return t.Flush()
		},
	}
	c.Flags().StringSliceVar(&stages, "stage", nil, "only erasures in these `stages`")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func eraseShowCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "show ID",
		Short:   "Show an erasure: how far it has come, and what it waits for",
		Example: "  exeunt erase show 0199c1d2-…",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var shown server.Erasure
			err := view(c, func(tx bridge.Tx) (err error) {
				shown, err = server.ReadErasure(tx, args[0])
				return err
			})
			switch {
			case bridge.IsKind(err, bridge.KindNotFound):
				return failf("there is no erasure %q; exeunt erase list lists all", plain(args[0]))
			case err != nil:
				return err
			case asJSON:
				return printJSON(c.OutOrStdout(), shown)
			}
			return printErasure(c.OutOrStdout(), shown)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// waitsFor says what an erasure waits for, and what to do about it.
func waitsFor(e server.Erasure) string {
	switch e.Waits {
	case bridge.WaitsIdentity:
		return "somebody who says that it is the person: exeunt erase verify"
	case bridge.WaitsApproval:
		return "an approval: exeunt erase approve"
	case bridge.WaitsTime:
		return "the time that the policy gives the source"
	case bridge.WaitsActive:
		return "the person to leave: they are active at their source"
	case bridge.WaitsReturned:
		return "your word: the person came back; exeunt erase approve, or refuse"
	case bridge.WaitsHold:
		return "a legal hold to be lifted: exeunt hold list"
	case bridge.WaitsApps:
		return "the apps: exeunt case show " + e.Case
	case bridge.WaitsOperator:
		return "you: nothing is erased in " + strings.Join(e.Amiss, ", ") + "; exeunt case retry, or exeunt erase acknowledge"
	case bridge.WaitsLog:
		return "the log to be sound again: exeunt log verify"
	case bridge.WaitsFiles:
		return "whoever still reads the files in which it was"
	}
	return "-"
}

func printErasure(w io.Writer, e server.Erasure) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, plain(value))
		}
	}
	row("erasure", e.ID)
	row("person", e.Handle+" in the log, of "+e.Source)
	row("stage", string(e.Stage))
	row("waits for", waitsFor(e))
	row("received", stamp(e.Received)+", "+string(e.Origin))
	row("due", stamp(e.Due)+" by "+e.Law+" ("+e.Urgency+"); target "+stamp(e.Target))
	row("case", e.Case)
	row("accepted", strings.Join(e.Apps, ", "))
	if e.Ended != nil {
		row("ended", stamp(*e.Ended))
	}
	if e.Horizon != nil {
		row("backups", fmt.Sprintf("readable until the key of epoch %d is destroyed, by %s", e.Epoch, stamp(*e.Horizon)))
	}
	return t.Flush()
}
