package main_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// What the commands print and how they end, as text. The scripts' environment has no JISHI_ variable but their own.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireUniqueNames: true, RequireExplicitExec: true, UpdateScripts: *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "citybroker": cityBroker, "sendframes": sendFrames, "makelog": makeLog, "makestore": makeStore, "makeregistry": makeRegistry, "makepeople": makePeople, "flip": flip, "cut": cut,
		},
	})
}

// exits N COMMAND... runs a command that must end with this exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// hostile is what a device may say to steer a terminal.
const hostile = "\x1b]0;owned\a\x1b[2J\u202e\u009b"

// scriptMessages are what the devices of the scripts said, from 2026-03-02T00:00:00Z on, one a minute.
func scriptMessages() (all []telemetry.Message, raw []string) {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixMilli()
	add := func(topic, payload string, records ...telemetry.Record) {
		ms := start + int64(len(all))*60_000
		for i := range records {
			r := &records[i]
			if r.EventMs = ms; r.Clock == 0 {
				r.Clock, r.DeviceMs = telemetry.ClockDevice, ms
			}
		}
		all = append(all, telemetry.Message{ReceivedMs: ms + 50, Dialect: "native", Records: records})
		raw = append(raw, topic+"\x00"+payload)
	}
	power := func(device string, w float64) telemetry.Record {
		return telemetry.Record{Kind: telemetry.KindSample, Device: device, Channel: "main", Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: w}}}
	}
	add("base/meter-1/state", `{"power":12.5}`, power("meter-1", 12.5))
	add("base/meter-1/link", `online`, telemetry.Record{Kind: telemetry.KindLink, Device: "meter-1", Link: telemetry.LinkOnline})
	add("base/door/tap", `{}`, telemetry.Record{Kind: telemetry.KindTap, Device: "door", Card: "token-1", Direction: telemetry.DirectionIn})
	add("evil/"+hostile, hostile+"{", telemetry.Record{
		Kind: telemetry.KindRaw, Clock: telemetry.ClockReceived, Reason: telemetry.ReasonMalformed, Detail: "not JSON " + hostile,
		Topic: "evil/" + hostile, Payload: []byte(hostile + "\xff{"),
	})
	add("base/cnc/state", "x", telemetry.Record{Kind: telemetry.KindSample, Device: "cnc", Channel: "exec" + hostile, State: "RUN" + hostile, Clock: telemetry.ClockSuspect})
	add("base/cnc/nothing", "says nothing of use")
	for i := range 94 {
		add("base/meter-2/state", fmt.Sprintf(`{"power":%d}`, i), power("meter-2", float64(i)))
	}
	return all, raw
}

// makelog DIR KEY makes the log of a bridge and its signing key; $PUBLIC is then the public key. The log ends as a
// running bridge's does: not closed.
func makeLog(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: makelog DIR KEY")
	}
	key, err := frame.GenerateKey()
	ts.Check(err)
	ts.Check(frame.WriteKey(ts.MkAbs(args[1]), key))
	public, _ := key.Public().(ed25519.PublicKey)
	ts.Setenv("PUBLIC", frame.PublicText(public))
	log, err := spool.Open(ts.MkAbs(args[0]), spool.Options{})
	ts.Check(err)
	messages, raw := scriptMessages()
	var entries []spool.Entry
	for i := range messages {
		entries = append(entries, spool.Entry{
			ReceivedMs: messages[i].ReceivedMs, Body: frame.AppendMessage(nil, &messages[i]), Raw: []byte(raw[i]),
		})
	}
	ts.Defer(func() { _ = log.Close() })
	for half := range 2 {
		_, err := log.Append(context.Background(), entries[half*50:half*50+50])
		ts.Check(err)
	}
}

// makestore FILE makes an evidence store without evidence.
func makeStore(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: makestore FILE")
	}
	store, err := embedded.Open(context.Background(), ts.MkAbs(args[0]), embedded.Options{})
	ts.Check(err)
	ts.Check(store.Close())
}

// makeregistry FILE writes a registry in which $PUBLIC is the key of bridge b1 of base cq01.
func makeRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: makeregistry FILE")
	}
	text := fmt.Sprintf("bases:\n  - code: cq01\n    name: 基地\n    tier: N\n    districts: [{code: \"500112\"}]\n"+
		"    hours: [{workday: \"08:00-18:00\", restday: closed}]\n    bridges: [{id: b1, keys: [{public_key: %q}]}]\n", ts.Getenv("PUBLIC"))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// flip FILE OFFSET changes one byte; an offset below 0 counts from the end.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	edit(ts, neg, args, func(b []byte, at int) []byte {
		b[at] ^= 0x41
		return b
	})
}

// cut FILE OFFSET cuts the file off there.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	edit(ts, neg, args, func(b []byte, at int) []byte { return b[:at] })
}

func edit(ts *testscript.TestScript, neg bool, args []string, change func(b []byte, at int) []byte) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: FILE OFFSET")
	}
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(b)
	}
	ts.Check(os.WriteFile(path, change(b, at), 0o600))
}
