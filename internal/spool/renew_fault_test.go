package spool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// eitherLog opens a directory after a renewal that ended anywhere, and holds it to be the old log or the new one, each
// whole. It reports whether it is the new one.
func eitherLog(t *testing.T, dir string, o spool.Options, oldEpoch uint64) (renewed bool) {
	t.Helper()
	log, err := spool.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, log)
	records, gaps := contentsOf(t, log)
	first, _, _ := log.Unacknowledged()
	if log.Epoch() == oldEpoch {
		if len(gaps) > 0 || len(records) != 300 || first != 101 {
			t.Fatalf("old log: %d records, gaps %v, unacknowledged from %d", len(records), gaps, first)
		}
		return false
	}
	if diff := cmp.Diff(wanted(spool.Range{First: 101, Last: 300}), records); diff != "" || len(gaps) > 0 || first != 1 {
		t.Fatalf("new log: gaps %v, unacknowledged from %d, records (-want +got):\n%s", gaps, first, diff)
	}
	return true
}

// filled is a log of 300 records in several segments of which the city has 100; the first segment is deleted by nobody.
func filled(t *testing.T, dir string, o spool.Options) (epoch uint64) {
	t.Helper()
	log, err := spool.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	for range 15 {
		put(t, log, 20)
	}
	ack(t, log, spool.Range{First: 1, Last: 100})
	closeAll(t, log)
	return log.Epoch()
}

// Whatever step of a renewal fails, there is the old log or the new one; and the renewal can be done again.
func TestRenewUnderFaults(t *testing.T) {
	t.Parallel()
	origin := t.TempDir()
	o := spool.Options{FS: newQuickFS(), SegmentBytes: 3 * spool.MinSegmentBytes} // few files: every step of each is tried
	epoch := filled(t, origin, o)
	seen := map[bool]int{}
	for n := 0; ; n++ {
		dir := copyDir(t, origin)
		steps := 0
		fsys := newFaultFS(func(s step) verdict {
			if s.Op == "read" || s.Op == "free" {
				return verdict{}
			}
			if steps++; steps == n+1 {
				return verdict{err: errInjected}
			}
			return verdict{}
		})
		_, err := spool.Renew(t.Context(), dir, spool.Options{FS: fsys, SegmentBytes: o.SegmentBytes})
		failed := steps > n
		fsys.set(nil)
		if failed && !errors.Is(err, errInjected) || !failed && err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
		renewed := eitherLog(t, copyDir(t, dir), spool.Options{FS: newQuickFS()}, epoch)
		seen[renewed]++
		again := renew(t, dir)
		if again.Finished {
			if _, err := os.Stat(again.Aside); err != nil || !renewed {
				t.Errorf("step %d: finished %+v, renewed before %v: %v", n, again, renewed, err)
			}
		}
		if !eitherLog(t, dir, spool.Options{FS: newQuickFS()}, epoch) {
			t.Fatalf("step %d: the second renewal did nothing", n)
		}
		noLeftovers(t, dir)
		if !failed {
			break
		}
	}
	if seen[false] < 20 || seen[true] < 15 {
		t.Errorf("%d steps left the old log, %d the new one", seen[false], seen[true])
	}
}

// The power may go at any step of a renewal, and again while it is finished.
func TestRenewUnderPowerLoss(t *testing.T) {
	t.Parallel()
	for seed := range uint64(120) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 8))
			disk := newMemFS(seed)
			o := spool.Options{FS: disk, SegmentBytes: spool.MinSegmentBytes}
			epoch := filled(t, "log", o)
			for round := range uint64(4) {
				disk.left = rng.IntN(150)
				_, err := spool.Renew(t.Context(), "log", spool.Options{FS: disk, SegmentBytes: spool.MinSegmentBytes})
				if err != nil && !errors.Is(err, errInjected) {
					t.Fatalf("round %d: %v", round, err)
				}
				if rng.IntN(4) == 0 {
					disk = disk.afterKill()
				} else {
					disk = disk.afterPowerLoss(seed*10 + round)
				}
				look := disk.afterKill() // the check must not finish for the next round what a bridge would
				eitherLog(t, "log", spool.Options{FS: look}, epoch)
			}
		})
	}
}

// renewDir tells a copy of the test binary to renew a log and be killed.
const renewDir = "JISHI_SPOOL_TEST_RENEW_DIR"

// renewForEver renews a log again and again.
func renewForEver(dir string) error {
	for {
		if _, err := spool.Renew(context.Background(), dir, spool.Options{SegmentBytes: spool.MinSegmentBytes}); err != nil {
			return err
		}
	}
}

// A process that is killed while it renews leaves a log with every record that the city does not have.
func TestRenewKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills ten processes")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	epoch := filled(t, dir, spool.Options{SegmentBytes: spool.MinSegmentBytes})
	rng := rand.New(rand.NewPCG(20, 27))
	for round := range 10 {
		child := exec.CommandContext(t.Context(), self)
		child.Env = append(os.Environ(), renewDir+"="+dir)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(5+rng.IntN(120))*time.Millisecond, func() { _ = child.Process.Kill() })
		var exit *exec.ExitError
		if err := child.Wait(); !errors.As(err, &exit) || exit.Exited() {
			t.Fatalf("round %d: child ended by itself: %v", round, err)
		}
		eitherLog(t, copyDir(t, dir), spool.Options{}, epoch)
	}
}
