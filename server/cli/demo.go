package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
)

func demoCommand() *cobra.Command {
	var d demo
	c := &cobra.Command{
		Use:   "demo",
		Short: "Watch a person leave: six sandbox apps, a real request, proof",
		Long: `Starts exeunt with a fresh database and six sandbox applications on this machine,
lets an identity provider create five people, signs one of them in, and then has
her leave. Shows what is done in each application and how it is checked, tries her
old sessions and key, and verifies the log.

Needs no configuration and no network. One application takes what it is told and
lets nobody check it. Ends with 0 only if that door is shown as unverified, and
every other was proven shut.`,
		Example: `  exeunt demo
  exeunt demo --pause           wait for Enter between the steps
  exeunt demo --keep ./demo     keep database, log and configuration to look at`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d.out, d.in = c.OutOrStdout(), bufio.NewReader(c.InOrStdin())
			d.paint = colours(c.OutOrStdout())
			return d.run(c.Context())
		},
	}
	c.Flags().BoolVar(&d.pause, "pause", false, "wait for Enter between the steps")
	c.Flags().StringVar(&d.keep, "keep", "", "keep everything in this `dir`, which must be empty or new")
	c.MarkFlagDirname("keep")
	return c
}

// demo is one performance. Its acts are in order in run; each fails by its
// error, and what was not proven is counted as a doubt.
type demo struct {
	out   io.Writer
	in    *bufio.Reader
	paint palette
	pause bool
	keep  string

	step   int
	doubts []string
	*stage
}

func (d *demo) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, clean, err := d.dir()
	if err != nil {
		return err
	}
	defer clean()
	if d.stage, err = setStage(ctx, dir); err != nil {
		return failf("the demo cannot start: %v", err)
	}
	defer func() { err = errors.Join(err, d.stage.clear()) }()

	for _, act := range []func(context.Context) error{
		d.introduce, d.provision, d.signIn, d.leave, d.watch, d.tryAgain, d.certify, d.forget, d.verify,
	} {
		if err := act(ctx); err != nil {
			return failf("the demo stopped: %v", err)
		}
		if d.pause {
			fmt.Fprint(d.out, d.paint.dim("  — Enter to go on "))
			if _, err := d.in.ReadString('\n'); err != nil && err != io.EOF {
				return err
			}
		}
	}
	return d.curtain()
}

// dir returns the folder to play in, and what to do with it afterwards.
func (d *demo) dir() (dir string, clean func(), err error) {
	if d.keep == "" {
		dir, err = os.MkdirTemp("", "exeunt-demo-")
		return dir, func() { os.RemoveAll(dir) }, err
	}
	if err := os.MkdirAll(d.keep, 0o700); err != nil {
		return "", nil, failf("--keep: %v", err)
	}
	if entries, err := os.ReadDir(d.keep); err != nil || len(entries) > 0 {
		return "", nil, misusef("--keep %s: the folder is not empty; name a new one", d.keep)
	}
	dir, err = filepath.Abs(d.keep)
	return dir, func() {}, err
}

// doubt notes something that was not proven.
func (d *demo) doubt(format string, args ...any) {
	d.doubts = append(d.doubts, fmt.Sprintf(format, args...))
}

// title begins an act.
func (d *demo) title(format string, args ...any) {
	d.step++
	fmt.Fprintf(d.out, "\n%s %s\n", d.paint.bold(fmt.Sprintf("%d", d.step)), d.paint.bold(fmt.Sprintf(format, args...)))
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, "  "+format+"\n", args...) }

func (d *demo) curtain() error {
	d.title("Where to look next")
	if d.keep != "" {
		file := filepath.Join(d.dirName, "exeunt.yaml")
		d.say("exeunt case show %s --config %s", d.caseID, file)
		d.say("exeunt log tail --config %s", file)
		d.say("exeunt log verify --config %s", file)
	} else {
		d.say("go run . demo --keep ./demo    keeps database, log and configuration to look at")
	}
	d.say("exeunt serve                   starts for real, with safe defaults")
	d.say("README.md                      connect Okta or Entra ID in five steps")
	if len(d.doubts) == 0 {
		fmt.Fprintf(d.out, "\n%s\n", d.paint.good("Every door was proven shut that can be. Of the "+silent+"'s, exeunt says itself that it is not."))
		return nil
	}
	fmt.Fprintln(d.out)
	for _, doubt := range d.doubts {
		fmt.Fprintln(d.out, d.paint.bad("not proven: "+doubt))
	}
	return failf("not every door was proven shut; see above")
}

// palette colours words on a terminal, and leaves them plain in a pipe.
type palette bool

func colours(w io.Writer) palette {
	f, ok := w.(*os.File)
	return palette(ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func (p palette) in(code, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p palette) bold(s string) string { return p.in("1", s) }
func (p palette) dim(s string) string  { return p.in("2", s) }
func (p palette) good(s string) string { return p.in("32", s) }
func (p palette) bad(s string) string  { return p.in("31", s) }
