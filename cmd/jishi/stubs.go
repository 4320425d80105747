package main

import "github.com/spf13/cobra"

func newFrames() *cobra.Command { return &cobra.Command{Use: "frames"} }
