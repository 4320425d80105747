package main_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// TestOffice: what the commands about periods and corrections do at a base with a class on 3 March 2025, at which nobody's going was
// read, and of which everything has arrived.
func TestOffice(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/office", RequireExplicitExec: true, UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			return setUpOffice(context.Background(), filepath.Join(e.WorkDir, "jishi-data"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// march2025 is an instant of March 2025 in Asia/Shanghai.
func march2025(day, hour, minute int) int64 {
	return time.Date(2025, 3, day, hour, minute, 0, 0, time.FixedZone("", 8*3600)).UnixMilli()
}

func setUpOffice(ctx context.Context, dir string) (err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	l, err := ledger.Open(ctx, filepath.Join(dir, "ledger.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	_, err = l.PutReference(ctx, ledger.Change{
		AtMs: 1, Actor: "test", Since: ledger.AnyVersion, Bases: []registry.Base{officeBase()}, People: []registry.People{officePeople()},
	})
	if err != nil {
		return err
	}
	if _, err := l.PutClues(ctx, "test", []clue.Clue{officeClue()}, march2025(4, 3, 0)); err != nil {
		return err
	}
	store, err := embedded.Open(ctx, filepath.Join(dir, "evidence.db"), embedded.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	_, err = store.Write(ctx, []evidence.Batch{officeEvidence()})
	return err
}

func officeBase() registry.Base {
	return registry.Base{
		Code: "cq01", Name: "测试基地", Tier: registry.TierLocal,
		Districts: []registry.District{{Code: "500107", Valid: registry.Always()}},
		Hours:     []registry.Hours{{Valid: registry.Always(), Workday: registry.Times{{Start: 8 * 60, End: 18 * 60}}}},
		Workshops: []registry.Workshop{{ID: "w1", Name: "教室"}},
		Devices:   []registry.Device{{ID: "door", Name: "door", Kind: registry.Reader}},
		Bindings:  []registry.Binding{{Device: "door", Room: "w1", Use: registry.UsePresence, Valid: registry.Always()}},
	}
}

func officePeople() registry.People {
	return registry.People{
		Base: "cq01", Persons: []registry.Person{{ID: "p1"}}, Cards: []registry.Card{{Token: "c1", Person: "p1", Valid: registry.Always()}},
		Classes:    []registry.Class{{ID: "k", Name: "理论", Use: registry.UseSocial, Profile: registry.Bench, Workshop: "w1"}},
		Enrolments: []registry.Enrolment{{Class: "k", Person: "p1", Valid: registry.Always()}},
		Sessions:   []registry.Session{{ID: "k1", Class: "k", Span: span.Span{StartMs: march2025(3, 9, 0), EndMs: march2025(3, 10, 30)}}},
		Claims:     []registry.Claim{{Session: "k1", Person: "p1", Ms: 90 * 60_000}},
	}
}

// officeClue is a clue about the class, as the service would have raised it.
func officeClue() clue.Clue {
	day := calendar.Date{Year: 2025, Month: time.March, Day: 3}
	return clue.Clue{
		Key: "0f1e", Rule: clue.F7, Version: 1, Tests: []string{"ended"}, Base: "cq01", Day: day, Span: span.Span{StartMs: march2025(3, 9, 0), EndMs: march2025(3, 10, 30)},
		Severity: clue.Medium, Subjects: clue.Subjects{Classes: []string{"k"}}, Measures: []clue.Measure{{Name: "held", Unit: "share", Value: 0.3, Limit: 0.8}},
		Explain: clue.Text{Zh: "班次 k 提前结束", En: "class k ended early"}, Innocent: []clue.Text{{Zh: "停电", En: "a power cut"}},
		Evidence: []clue.Ref{{Epoch: 1, Seq: 2, Source: "door", Span: span.Span{StartMs: march2025(3, 9, 30), EndMs: march2025(3, 9, 30) + 1}}},
	}
}

// officeEvidence: one coming, another read at half past nine, and a word of the reader in mid-April.
func officeEvidence() evidence.Batch {
	b := evidence.Batch{Base: "cq01", Bridge: "b1", Epoch: 1, CollectedMs: 1}
	add := func(ms int64, r telemetry.Record) {
		r.Clock, r.Device, r.EventMs = telemetry.ClockReceived, "door", ms
		b.Messages = append(b.Messages, telemetry.Message{Seq: uint64(len(b.Messages) + 1), ReceivedMs: ms, Dialect: "native", Records: []telemetry.Record{r}})
	}
	in := telemetry.Record{Kind: telemetry.KindTap, Card: "c1", Direction: telemetry.DirectionIn}
	add(march2025(3, 8, 55), in)
	add(march2025(3, 9, 30), in)
	add(march2025(44, 9, 0), telemetry.Record{Kind: telemetry.KindLink, Link: telemetry.LinkOnline})
	b.Receipts = []evidence.Receipt{{Epoch: 1, First: 1, Last: 3, FirstMs: march2025(3, 8, 55), LastMs: march2025(44, 9, 0), CollectedMs: 1}}
	return b
}
