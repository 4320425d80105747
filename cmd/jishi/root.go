package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes: 0 done; 1 it went wrong; 2 it was asked wrongly.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake in what was asked, not in what was done.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run executes one command line and returns the process's exit code. Errors are told on stderr, one line each.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil || errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "jishi: %s\n", printableLines(err.Error())) //nolint:errcheck // nobody is left to tell when stderr is closed
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "jishi",
		Short: "机时 — how training equipment is really used, measured from MQTT",
		Long: "机时 (jishi) measures how training equipment at public training bases is really used.\n" +
			"实训设备使用情况实测服务：从 MQTT 遥测得出设备使用率与核验机时。\n\n" +
			"Start with:  jishi up --demo        (http://127.0.0.1:8080)\n" +
			"Settings:    flags, environment JISHI_…, or one YAML file (--config); see docs/config.md",
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	})
	root.AddCommand(
		newUp(), newBridge(), newCollect(), newServe(), newCity(), newSim(),
		newUsage(), newRates(), newHours(), newExplain(), newImport(), newFrames(), newCalibrate(), newTop(), newDoctor(), newVersion(),
		newDevice(), newAccount(), newMap(), newPeople(), newPeriod(), newCorrect(), newClues(),
	)
	strictArgs(root)
	return root
}

// strictArgs makes wrong arguments mistakes of who asked, and helps with commands that are nearly right.
func strictArgs(c *cobra.Command) {
	check := c.Args
	c.SuggestionsMinimumDistance = 2
	c.Args = func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if err == nil {
			return nil
		}
		hint := "see " + c.CommandPath() + " --help"
		if len(args) > 0 {
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				hint = "did you mean " + strings.Join(near, " or ") + "?"
			}
		}
		return usageError{fmt.Errorf("%w (%s)", err, hint)}
	}
	for _, sub := range c.Commands() {
		strictArgs(sub)
	}
}
