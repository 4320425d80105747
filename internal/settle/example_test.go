package settle_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// A lathe's controller said three words on a Monday; the day's figures follow from them and from the registry.
func ExampleSettler_Machine() {
	ctx := context.Background()
	reg, err := registry.New(base(lathe)) // one lathe; open on working days from 08:30 to 17:00
	if err != nil {
		fmt.Println(err)
		return
	}
	cal, err := calendar.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	store, err := embedded.Open(ctx, filepath.Join(dir, "evidence.db"), embedded.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = store.Close() }()

	said := evidence.Batch{Base: testBase, Bridge: "b1", Epoch: 1}
	for i, r := range []telemetry.Record{
		word("cnc", at("08:00"), "READY"), word("cnc", at("09:00"), "ACTIVE"), word("cnc", at("11:15"), "UNAVAILABLE"),
	} {
		said.Messages = append(said.Messages, messageOf(uint64(i+1), r))
	}
	if _, err := store.Write(ctx, []evidence.Batch{said}); err != nil {
		fmt.Println(err)
		return
	}

	m, err := settle.New(store, reg, cal).Machine(ctx, testBase, "lathe", monday.Span())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range m.Timeline {
		fmt.Printf("%s %s %q\n", s.Start().In(time.FixedZone("", 8*3600)).Format("15:04"), s.State, s.Word)
	}
	_, ok := m.Totals.Rate(usage.CoverageFloor)
	fmt.Printf("running %d s of %d s opened, coverage %.2f, a rate is given: %v\n",
		m.Totals.RunningMs/1000, m.Totals.OpeningMs/1000, m.Totals.Coverage(), ok)
	// Output:
	// 00:00 unknown ""
	// 08:00 idle "READY"
	// 09:00 running "ACTIVE"
	// 11:15 unknown "UNAVAILABLE"
	// running 8100 s of 30600 s opened, coverage 0.32, a rate is given: false
}
