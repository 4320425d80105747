package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/firmware-sim/load"
)

// stubFlags say where a stub listens.
type stubFlags struct {
	addr        string
	connections int
	tied        bool
	inherited   bool
}

func newStub() *cobra.Command {
	var f stubFlags
	cmd := &cobra.Command{
		Use: "stub", Short: "A broker that only acknowledges, for load tests 压测桩", Args: cobra.NoArgs, Hidden: true,
		Long: "Accepts every connection, acknowledges every message and keeps nothing: what `jishi sim load --stub` loads.\n" +
			"Several processes share its port where one may not open enough files.",
	}
	cmd.Flags().StringVar(&f.addr, "addr", "127.0.0.1:1883", "address to listen on, of this machine")
	cmd.Flags().IntVar(&f.connections, "connections", 10_000, "how many connections there may be at a time")
	cmd.Flags().BoolVar(&f.tied, "tied", false, "end when stdin ends")
	cmd.Flags().BoolVar(&f.inherited, "inherited", false, "take the listener from who started this process")
	for _, internal := range []string{"tied", "inherited"} {
		_ = cmd.Flags().MarkHidden(internal) //nolint:errcheck // it fails only for a flag that does not exist
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		if f.tied {
			// A Ctrl-C reaches this process too, but who started it ends it, after the load.
			var cancel context.CancelFunc
			ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
			defer cancel()
			go func() { // it ends with stdin, which is the process's own
				_, _ = io.Copy(io.Discard, cmd.InOrStdin()) //nolint:errcheck // an end is an end
				cancel()
			}()
		}
		return f.run(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

func (f *stubFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if f.connections < 1 {
		return usageError{fmt.Errorf("--connections %d: want 1 or more", f.connections)}
	}
	listener, err := f.listen(ctx)
	if err != nil {
		return err
	}
	defer listener.Close()
	if !f.inherited {
		if _, err := fmt.Fprintf(stdout, "broker: tcp://%s\n", listener.Addr()); err != nil {
			return err
		}
	}
	limit, short := errors.AsType[*load.FileLimitError](load.RaiseFileLimit(load.FilesFor(f.connections)))
	if !short {
		return (&load.Stub{MaxConnections: f.connections}).Serve(ctx, listener)
	}
	if limit.Room() == 0 || f.inherited {
		return limit
	}
	return f.serveTogether(ctx, listener, limit.Room(), stderr)
}

// inheritedFile is the first file that a process gets from who started it, beside its standard ones.
const inheritedFile = 3

func (f *stubFlags) listen(ctx context.Context) (net.Listener, error) {
	if f.inherited {
		file := os.NewFile(inheritedFile, "listener")
		defer file.Close()
		listener, err := net.FileListener(file)
		if err != nil {
			return nil, fmt.Errorf("inherit the listener: %w", err)
		}
		return listener, nil
	}
	host, _, err := net.SplitHostPort(f.addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, usageError{fmt.Errorf("--addr %q: want an address of this machine alone such as 127.0.0.1:1883: a stub asks nobody who they are", f.addr)}
	}
	return new(net.ListenConfig).Listen(ctx, "tcp", f.addr)
}

// serveTogether lets several processes accept from one listener, each as many as it can hold.
func (f *stubFlags) serveTogether(outside context.Context, listener net.Listener, room int, stderr io.Writer) error {
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("listener is a %T", listener)
	}
	file, err := tcp.File()
	if err != nil {
		return fmt.Errorf("share the listener: %w", err)
	}
	defer file.Close()
	ctx, stop := context.WithCancel(outside)
	defer stop()
	processes := (f.connections + room - 1) / room
	errs := make([]error, processes)
	var serving sync.WaitGroup
	for i := range processes {
		cmd, err := selfCommand(ctx, stderr, "sim", "stub", "--inherited", "--tied", "--connections", strconv.Itoa(room))
		if err != nil {
			return err
		}
		cmd.ExtraFiles = []*os.File{file}
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return fmt.Errorf("start a stub: %w", err)
		}
		cmd.Cancel = stdin.Close
		serving.Go(func() {
			if errs[i] = cmd.Run(); errs[i] != nil {
				stop() // what is left cannot hold all connections
			}
		})
	}
	serving.Wait()
	if outside.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve: %w", errors.Join(errs...))
}

// startStub starts a stub as a process of its own, so that the load's figures are the load's, and returns its URL and what
// ends it.
func startStub(ctx context.Context, stderr io.Writer, connections int) (url string, stop func(), err error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it outlives a load that is stopped, or its end would be counted
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	cmd, err := selfCommand(ctx, stderr, "sim", "stub", "--addr", "127.0.0.1:0", "--tied", "--connections", strconv.Itoa(max(1, connections)))
	if err != nil {
		return "", nil, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, fmt.Errorf("start the stub: %w", err)
	}
	cmd.Cancel = stdin.Close
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, fmt.Errorf("start the stub: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start the stub: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	stop = func() {
		cancel()
		_ = cmd.Wait() //nolint:errcheck // it was told to end
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "broker: ")
	if err != nil || !ok {
		stop()
		return "", nil, fmt.Errorf("start the stub: it says %q: %w", line, err)
	}
	return url, stop, nil
}
