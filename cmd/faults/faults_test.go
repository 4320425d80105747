package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx/influxdtest"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/mqtt/mosquittotest"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// TestQuick runs the whole matrix with a few runs of each fault, and holds the service to its promise in every row.
func TestQuick(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: the matrix takes most of a minute")
	}
	mosquittotest.Start(t) // skips the test, saying so, where there is none
	tools := filepath.Dir(influxdtest.Binary(t))
	dir := t.TempDir()
	jishi := filepath.Join(dir, "jishi")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", jishi, "../jishi").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var table, said bytes.Buffer
	err := run(t.Context(), []string{"-quick", "-json", "-jishi", jishi, "-tools", tools, "-dir", dir}, &table, &said)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, &table, &said)
	}
	t.Logf("%s", &said)
	var matrix struct{ Rows []row }
	if err := json.Unmarshal(table.Bytes(), &matrix); err != nil {
		t.Fatal(err)
	}
	dropped := false
	for _, r := range matrix.Rows {
		if r.Acknowledged != r.Stored+r.Reported+r.Lost || !r.held() {
			t.Errorf("%+v", r)
		}
		dropped = dropped || strings.Contains(r.Fault, "drop-oldest") && r.Reported > 0
	}
	if len(matrix.Rows) < len(parts()) || !dropped {
		t.Errorf("the matrix has %d rows, and what was dropped is reported: %v\n%s", len(matrix.Rows), dropped, &said)
	}
}

// TestJudge: what the judge says of a store that has everything, and of stores with something wrong in them. A judge that
// cannot say "lost" would make every matrix a good one.
func TestJudge(t *testing.T) {
	t.Parallel()
	const epoch = 7
	whole := func() *evidence.Batch {
		b := evidence.Batch{Base: "b", Bridge: bridgeID, Epoch: epoch, CollectedMs: 1}
		for n := 1; n <= 4; n++ {
			b.Messages = append(b.Messages, said(n, int64(n)))
		}
		b.Receipts = []evidence.Receipt{{Epoch: epoch, First: 1, Last: 4}}
		return &b
	}
	numbers := map[messageID][]number{}
	for n := 1; n <= 4; n++ {
		numbers[messageID{0, n}] = []number{{epoch, uint64(n)}}
	}
	cut := func(b *evidence.Batch, missing bool) {
		b.Messages = b.Messages[:3]
		b.Receipts[0].Last = 3
		if missing {
			b.Receipts = append(b.Receipts, evidence.Receipt{Epoch: epoch, First: 4, Last: 4, Missing: true})
		}
	}
	tests := map[string]struct {
		spoil    func(b *evidence.Batch)
		unacked  bool // message 4
		unnamed  bool // nobody knows the messages' numbers
		want     outcome
		failures int
	}{
		"everything is there":             {want: outcome{acknowledged: 4, stored: 4}},
		"one is not there":                {spoil: func(b *evidence.Batch) { cut(b, false) }, want: outcome{acknowledged: 4, stored: 3, lost: 1}},
		"one is reported missing":         {spoil: func(b *evidence.Batch) { cut(b, true) }, want: outcome{acknowledged: 4, stored: 3, reported: 1}},
		"missing, but who knows which":    {spoil: func(b *evidence.Batch) { cut(b, true) }, unnamed: true, want: outcome{acknowledged: 4, stored: 3, lost: 1}},
		"nobody was promised the missing": {spoil: func(b *evidence.Batch) { cut(b, false) }, unacked: true, want: outcome{acknowledged: 3, stored: 3}},
		"receipt without the record":      {spoil: func(b *evidence.Batch) { b.Messages = b.Messages[:3] }, want: outcome{acknowledged: 4, stored: 3, lost: 1}},
		"one is there twice": {
			spoil: func(b *evidence.Batch) { b.Messages[3] = said(3, 400) },
			want:  outcome{acknowledged: 4, stored: 3, lost: 1}, failures: 1,
		},
		"a number without a word":  {spoil: func(b *evidence.Batch) { b.Receipts[0].First = 2 }, want: outcome{acknowledged: 4, stored: 4}, failures: 1},
		"what nobody said":         {spoil: func(b *evidence.Batch) { b.Messages = append(b.Messages, said(9, 9)) }, want: outcome{acknowledged: 4, stored: 4}, failures: 1},
		"dated at another instant": {spoil: func(b *evidence.Batch) { b.Messages[3] = said(4, 5) }, want: outcome{acknowledged: 4, stored: 3, lost: 1}, failures: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := whole()
			if tt.spoil != nil {
				tt.spoil(b)
			}
			said := tallyOfFour(!tt.unacked)
			named := numbers
			if tt.unnamed {
				named = nil
			}
			got, err := said.judge(t.Context(), storeWith(t, b), named)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.failures) != tt.failures {
				t.Errorf("failures %q, want %d", got.failures, tt.failures)
			}
			got.failures = nil
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(outcome{})); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

// TestJudgeCountsCopies: where event times say nothing, a copy under another instant is a duplicate.
func TestJudgeCountsCopies(t *testing.T) {
	t.Parallel()
	tally := tallyOfFour(true)
	tally.wildClocks = true
	b := evidence.Batch{Base: "b", Bridge: bridgeID, Epoch: 7, CollectedMs: 1, Receipts: []evidence.Receipt{{Epoch: 7, First: 1, Last: 5}}}
	for n := 1; n <= 4; n++ {
		b.Messages = append(b.Messages, said(n, int64(n)))
	}
	copied := said(2, 90)
	copied.Seq = 5
	b.Messages = append(b.Messages, copied)
	got, err := tally.judge(t.Context(), storeWith(t, &b), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(outcome{acknowledged: 4, stored: 4, duplicated: 1}, got, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}

// dawn is when the devices of these tests begin to speak: 2026-03-02T00:00:00Z.
const dawn = 1_772_409_600_000

// tallyOfFour is what one device said: four messages, all acknowledged, or all but the last.
func tallyOfFour(all bool) *tally {
	t := newTally("b", 1, time.UnixMilli(dawn), time.Millisecond)
	for range 4 {
		id, _, _ := t.say(0)
		if all || id.n < 4 {
			t.acked(id)
		}
	}
	return t
}

// said is a device's n-th message about an instant after dawn, as a bridge logged it under the number n.
func said(n int, afterMs int64) telemetry.Message {
	return telemetry.Message{Seq: uint64(n), ReceivedMs: dawn, Dialect: "native", Records: []telemetry.Record{{
		Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: deviceName(0), Channel: "main",
		EventMs: dawn + afterMs, DeviceMs: dawn + afterMs, Values: []telemetry.Value{{Quantity: telemetry.Count, Number: float64(n)}},
	}}}
}

func storeWith(t *testing.T, b *evidence.Batch) evidence.Store {
	t.Helper()
	store, err := embedded.Open(t.Context(), filepath.Join(t.TempDir(), "evidence.db"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if _, err := store.Write(t.Context(), []evidence.Batch{*b}); err != nil {
		t.Fatal(err)
	}
	return store
}

// TestSenderSendsAgain: what has no PUBACK is sent again over the next connection, in its order, and a PUBACK ends it.
func TestSenderSendsAgain(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var heard []string
	deaf := true
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	open := func() *mqtt.Broker {
		b, err := mqtt.NewBroker(mqtt.BrokerOptions{Addr: addr, Capture: func(string) bool { return true }, Deliver: func(in mqtt.Inbound) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, string(in.Payload))
			if !deaf || string(in.Payload) == "2" {
				in.Ack()
			}
		}})
		if err == nil {
			err = b.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := open()
	ctx, cancel := context.WithCancel(t.Context())
	s := newSender(addr, "d", 10)
	var wg sync.WaitGroup
	wg.Go(func() { s.run(ctx) })
	var acked []string
	for _, text := range []string{"1", "2", "3"} {
		if !s.publish("t", []byte(text), func() { acked = append(acked, text) }) {
			t.Fatal("not taken")
		}
	}
	until(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(heard) == 3 })
	mu.Lock()
	deaf = false
	mu.Unlock()
	_ = b.Close()
	b = open()
	until(t, s.idle)
	cancel()
	wg.Wait()
	_ = b.Close()
	if diff := cmp.Diff([]string{"1", "2", "3", "1", "3"}, heard); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"2", "1", "3"}, acked); diff != "" {
		t.Errorf("acknowledged (-want +got):\n%s", diff)
	}
	if s.publish("t", nil, nil) {
		t.Error("a message is taken after the end")
	}
}

func until(t *testing.T, so func() bool) {
	t.Helper()
	if err := await(t.Context(), 30*time.Second, "it is so", func() (bool, error) { return so(), nil }); err != nil {
		t.Fatal(err)
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	good := row{Fault: "a", Acknowledged: 1, Stored: 1}
	for name, c := range map[string]struct {
		row  row
		held bool
	}{
		"good":                {good, true},
		"reported":            {row{Acknowledged: 2, Stored: 1, Reported: 1}, true},
		"lost":                {row{Acknowledged: 2, Stored: 1, Lost: 1}, false},
		"duplicated":          {row{Acknowledged: 1, Stored: 1, Duplicated: 1}, false},
		"otherwise wrong":     {row{Acknowledged: 1, Stored: 1, Failures: []string{"x"}}, false},
		"nothing was at risk": {row{}, false},
	} {
		h := harness{rows: []row{good, c.row}}
		if err := h.verdict(); (err == nil) != c.held || err != nil && !errors.Is(err, errLost) {
			t.Errorf("%s: verdict %v, want held %v", name, err, c.held)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-quick", "-only", "week,flip"}, io.Discard)
	if err != nil || o.runs != quickRuns || o.days != 1 || !o.wants("flip") || o.wants("acks") {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-runs", "0"}, {"-only", "weak"}, {"-rate", "1"}, {"-days", "31"}, {"-json", "-markdown"}, {"x"}, {"-y"}} {
		if _, err := parseOptions(bad, io.Discard); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
	if _, err := parseOptions([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}
