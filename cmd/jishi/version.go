package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/obs"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the program's and the rules' version 版本", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b := obs.ReadBuild()
			_, err := fmt.Fprintf(c.OutOrStdout(), "jishi %s (%s, rules %s)\n", b.Version, b.GoVersion, settle.RuleVersion)
			return err
		},
	}
}
