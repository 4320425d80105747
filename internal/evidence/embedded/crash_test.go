package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
)

// crashEnv makes the test binary a process that writes until it is killed.
const crashEnv = "JISHI_TEST_WRITE_UNTIL_KILLED"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		_, _ = fmt.Fprintln(os.Stdout, writeUntilKilled(path)) // the parent fails on a line that is no number
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled says on stdout the last sequence number of each call that was acknowledged.
func writeUntilKilled(path string) error {
	ctx := context.Background()
	s, err := embedded.Open(ctx, path, embedded.Options{})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	for first := uint64(1); ; first += 500 {
		if _, err := s.Write(ctx, []evidence.Batch{frame(first, 500)}); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if _, err := fmt.Fprintln(os.Stdout, first+499); err != nil {
			return fmt.Errorf("tell: %w", err)
		}
	}
}

// TestKilledWriterLosesNothingAcknowledged kills a writer in the middle of its work: what it acknowledged is there with
// its receipts, and nothing is there without the rest of its call. (Power loss is the business of synchronous=FULL.)
func TestKilledWriterLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "e.db")
	for round := range 3 {
		acknowledged := writeAndKill(t, path, 5+7*round)
		s := openAt(t, path, embedded.Options{})
		n := count(t, s)
		if n < acknowledged || n%500 != 0 {
			t.Errorf("round %d: %d records, %d were acknowledged", round, n, acknowledged)
		}
		receipts, err := s.Receipts(t.Context(), "base", "bridge")
		if err != nil || len(receipts) != n/500 {
			t.Errorf("round %d: %d receipts for %d records, %v", round, len(receipts), n, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// writeAndKill starts a writer, kills it after some acknowledged calls, and returns the last number it acknowledged.
func writeAndKill(t *testing.T, path string, calls int) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := 0
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		if last, err = strconv.Atoi(strings.TrimSpace(lines.Text())); err != nil {
			t.Fatalf("the writer says %q", lines.Text())
		}
		if i == calls {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	return last
}
