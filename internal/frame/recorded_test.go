package frame_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/recordingtest"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// machineDay is a recorded day of a real machine tool, as an MTConnect agent would have published it: one observation to
// a message. It skips when the recordings are absent.
func machineDay(tb testing.TB) *workload {
	tb.Helper()
	root := recordingtest.Folder(tb, "nist_sms_testbed")
	paths, err := filepath.Glob(filepath.Join(root, "raw", "Mazak01", "Mazak01-20181211-*.txt.gz"))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no such day in %s (%v)", root, err)
	}
	f, err := os.Open(paths[0])
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	w := &workload{}
	for lines := bufio.NewScanner(plain); lines.Scan(); {
		fields := strings.Split(lines.Text(), "|")
		at, err := time.Parse(time.RFC3339Nano, fields[0])
		if err != nil || len(fields) != 3 {
			continue
		}
		w.observe(at.UnixMilli(), fields[1], fields[2])
	}
	return w
}

func (w *workload) observe(at int64, item, result string) {
	r := telemetry.Record{
		Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "Mazak01", Channel: item, EventMs: at, DeviceMs: at,
	}
	if v, err := strconv.ParseFloat(result, 64); err == nil {
		r.Values = []telemetry.Value{{Quantity: telemetry.Number, Number: v}}
	} else if r.State = result; r.State == "" || len(r.State) > telemetry.MaxState {
		r.State = "UNAVAILABLE"
	}
	payload := fmt.Sprintf(`{"dataItemId":%q,"name":%q,"type":"POSITION","category":"SAMPLE","timestamp":%q,"result":%q,"sequence":%d}`,
		item, item, time.UnixMilli(at).UTC().Format("2006-01-02T15:04:05.000000Z"), result, len(w.messages))
	w.add("MTConnect/Devices/Mazak01/Observations/"+item, payload, telemetry.Message{
		ReceivedMs: at + int64(len(w.messages)*7919%11), Dialect: "mtconnect", Records: []telemetry.Record{r},
	})
}
