package main_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/mqtt/mosquittotest"
	"github.com/jishi-telemetry/jishi/internal/recordingtest"
)

var (
	full = flag.Bool("full", false, "replay both weeks of all machines, as make truth-nist does")
	seed = flag.Uint64("seed", 1, "of the moments at which processes are killed")
)

// TestKillAnything replays the NIST recordings while the bridge, the collector and influxd are killed with signal 9 at
// random moments, and holds the result to the same table and the same recording as an undisturbed run.
func TestKillAnything(t *testing.T) {
	data := recordingtest.Folder(t, "nist_sms_testbed")
	logs := nistLogs(t, data, "Mazak03/*-2018*")
	c := newCity(t, onInflux, nistBase(), mosquittotest.Start(t).Addr)
	c.startCollector()
	c.startBridge()
	pace, least := "30000", 1 // the week takes 20 s, which leaves time for each to be killed
	if *full {
		pace, least = "0", 2
	}
	replay := c.replay(append([]string{"--window", "5000", "--speed", pace}, logs...)...)
	kills := c.killUntil(replay, rand.New(rand.NewPCG(*seed, 0)))
	replay.wait(10 * time.Minute)
	t.Logf("kills: %v\n%s", kills, replay.out)
	c.drained(5 * time.Minute)

	for _, victim := range []string{"bridge", "collector", "influxd"} {
		if kills[victim] < least {
			t.Errorf("%s was killed %d times: the test has shown nothing about it", victim, kills[victim])
		}
	}
	c.holdsEverything(logs)
	c.nothingSkipped()
	c.truthTable(data, logs).isGolden(t)
}

// killUntil kills and restarts one process after another until the replay has ended.
func (c *city) killUntil(replay *process, rng *rand.Rand) map[string]int {
	c.t.Helper()
	kills := map[string]int{}
	victims := []string{"bridge", "collector", "influxd"}
	for round := 0; ; round++ {
		if round%len(victims) == 0 {
			rng.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
		}
		select {
		case <-replay.done:
			return kills
		case <-time.After(100*time.Millisecond + time.Duration(rng.Int64N(int64(1200*time.Millisecond)))):
		}
		victim := victims[round%len(victims)]
		kills[victim]++
		switch victim {
		case "bridge":
			c.bridge.kill9()
			c.bridge.run("public key")
		case "collector":
			c.collector.kill9()
			c.collector.run("collecting")
		case "influxd":
			c.influxd.Kill9()
			c.influxd.Restart()
		}
	}
}

// nothingSkipped holds the receipts to the log: every record from the first to the last is vouched for, and none is missing.
func (c *city) nothingSkipped() {
	c.t.Helper()
	receipts, err := c.store().Receipts(c.t.Context(), testBase, testBridge)
	if err != nil {
		c.t.Fatal(err)
	}
	next := uint64(1)
	for _, r := range receipts {
		if r.Missing {
			c.t.Errorf("records %d to %d are reported missing", r.First, r.Last)
		}
		if r.First > next {
			c.t.Errorf("no receipt for records %d to %d", next, r.First-1)
		}
		next = max(next, r.Last+1)
	}
	c.t.Logf("%d receipts for records 1 to %d", len(receipts), next-1)
}
