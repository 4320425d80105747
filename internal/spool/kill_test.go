package spool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// childDir tells a copy of the test binary to be the process that is killed.
const childDir = "JISHI_SPOOL_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, appendForEver(dir))
		os.Exit(1)
	}
	if dir := os.Getenv(renewDir); dir != "" {
		fmt.Fprintln(os.Stderr, renewForEver(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendForEver appends and acknowledges, and says on standard output what Append had returned for: the number above
// which nothing is promised.
func appendForEver(dir string) error {
	log, err := spool.Open(dir, spool.Options{SegmentBytes: 64 << 10})
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(log.End(), 7))
	for {
		next := log.End()
		entries := make([]spool.Entry, 1+rng.IntN(150))
		for i := range entries {
			entries[i] = entry(next + uint64(i))
		}
		if _, err := log.Append(context.Background(), entries); err != nil {
			return err
		}
		if _, err := os.Stdout.WriteString(strconv.FormatUint(log.End(), 10) + "\n"); err != nil {
			return err
		}
		if rng.IntN(20) == 0 {
			if err := log.Acknowledge(spool.Range{First: 1, Last: next / 2}); err != nil {
				return err
			}
			if _, err := log.Retain(); err != nil {
				return err
			}
		}
	}
}

// A process that is killed at any moment loses nothing that Append had returned for [L-1.1]; numbers are never used for
// anything else, which the content of each record shows [L-1.2].
func TestKill(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills twenty processes")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(20, 26))
	epoch, promised := uint64(0), uint64(1)
	torn := map[spool.GapError]bool{}
	for round := range 20 {
		child := exec.CommandContext(t.Context(), self)
		child.Env = append(os.Environ(), childDir+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// The blow falls a random moment after a random commit: in the next write, sync, roll or save.
		commits, moment := 1+rng.IntN(40), time.Duration(rng.IntN(2000))*time.Microsecond
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if promised, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
				t.Fatal(err)
			}
			if n == commits {
				time.AfterFunc(moment, func() { _ = child.Process.Kill() })
			}
		}
		var exit *exec.ExitError
		if err := child.Wait(); !errors.As(err, &exit) || exit.Exited() {
			t.Fatalf("round %d: child ended by itself: %v", round, err)
		}

		log := open(t, dir, spool.Options{FS: spool.RealFS(), SegmentBytes: 64 << 10})
		if epoch == 0 {
			epoch = log.Epoch()
		}
		if log.Epoch() != epoch || log.End() < promised {
			t.Fatalf("round %d: epoch %d, end %d; want %d, at least %d", round, log.Epoch(), log.End(), epoch, promised)
		}
		got := readAll(t, log, log.Begin())
		for _, gap := range got.Gaps {
			if !torn[gap] && (gap.Cause != spool.CauseTorn || gap.First < promised) {
				t.Fatalf("round %d: %v, though all below %d is promised", round, gap, promised)
			}
			torn[gap] = true
		}
		first, _, _ := log.Unacknowledged()
		if begin := log.Begin(); begin > first {
			t.Fatalf("round %d: begin %d is above the first unacknowledged %d", round, begin, first)
		}
		closeAll(t, log)
	}
	t.Logf("%d records promised over 20 kills, torn: %v", promised-1, torn)
}
