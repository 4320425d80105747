package mtconnect_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/mtconnect"
	"github.com/jishi-telemetry/jishi/internal/recordingtest"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func fresh() dialect.Dialect { return mtconnect.New() }

func TestDialect(t *testing.T) { dialecttest.Run(t, fresh) }

func FuzzDecode(f *testing.F) { dialecttest.Fuzz(f, fresh) }

func BenchmarkDecode(b *testing.B) {
	dialecttest.Bench(b, fresh(), "MTConnect/Devices/OKUMA.123456/Observations/Xact",
		`{"dataItemId":"Xact","name":"X_actual","type":"POSITION","subType":"ACTUAL","category":"SAMPLE","timestamp":"2025-01-11T13:56:50.123456Z","result":"150.500000","sequence":1234}`)
}

// item is a data item of a device model.
type item struct {
	ID       string `xml:"id,attr"`
	Name     string `xml:"name,attr"`
	Type     string `xml:"type,attr"`
	Category string `xml:"category,attr"`
	uuid     string
}

// TestRecordedMachines feeds a working day of every recorded machine through the decoder, as the agent would have published it:
// every line is read, every execution value comes out as a state with the log's own time, and nothing is quarantined.
func TestRecordedMachines(t *testing.T) {
	t.Parallel()
	dir := recordingtest.Folder(t, "nist_sms_testbed")
	items := model(t, filepath.Join(dir, "Devices.xml"))
	machines, err := filepath.Glob(filepath.Join(dir, "raw", "*"))
	if err != nil || len(machines) == 0 {
		t.Fatalf("no machines (%v)", err)
	}
	for _, machine := range machines {
		t.Run(filepath.Base(machine), func(t *testing.T) {
			t.Parallel()
			days, err := filepath.Glob(filepath.Join(machine, "*.txt.gz"))
			if err != nil || len(days) == 0 {
				t.Fatalf("no days (%v)", err)
			}
			replay(t, days[len(days)-4], items[filepath.Base(machine)])
		})
	}
}

// model reads the data items of each device by their names.
func model(t *testing.T, file string) map[string]map[string]item {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	devices := make(map[string]map[string]item)
	var name, uuid string
	decoder := xml.NewDecoder(f)
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return devices
		}
		if err != nil {
			t.Fatal(err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "Device":
			for _, a := range start.Attr {
				switch a.Name.Local {
				case "name":
					name = a.Value
				case "uuid":
					uuid = a.Value
				}
			}
			devices[name] = make(map[string]item)
		case "DataItem":
			var it item
			if err := decoder.DecodeElement(&it, &start); err != nil {
				t.Fatal(err)
			}
			it.uuid = uuid
			devices[name][it.Name] = it
		}
	}
}

func replay(t *testing.T, file string, items map[string]item) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	d := fresh()
	seen, executions, records := 0, 0, 0
	lines := bufio.NewScanner(z)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "|")
		for i := 1; i+1 < len(fields); i += 2 {
			it, ok := items[fields[i]]
			if !ok {
				break
			}
			seen++
			res := observe(t, d, it, fields[0], fields[i+1])
			records += len(res.Records)
			if it.Type == "EXECUTION" && fields[i+1] != "" {
				executions++
				checkExecution(t, res, fields[0], fields[i+1])
			}
			if it.Category == "CONDITION" {
				break
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if seen == 0 || records == 0 {
		t.Errorf("%s: %d observations, %d records", file, seen, records)
	}
	t.Logf("%s: %d observations, %d records, %d execution values", filepath.Base(file), seen, records, executions)
}

func observe(t *testing.T, d dialect.Dialect, it item, at, result string) dialect.Result {
	t.Helper()
	o := map[string]any{"dataItemId": it.ID, "type": it.Type, "category": it.Category, "timestamp": at}
	if it.Category == "CONDITION" {
		o["level"] = result
	} else {
		o["result"] = result
	}
	payload, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	when, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		t.Fatal(err)
	}
	m := dialect.Message{
		Topic:   fmt.Sprintf("MTConnect/Devices/%s/Observations/%s", it.uuid, it.ID),
		Payload: payload, ReceivedMs: when.UnixMilli() + 20,
	}
	res, err := d.Decode(m)
	if err != nil {
		t.Errorf("%s %s: %v", m.Topic, payload, err)
	}
	if problem := dialecttest.Check(m, res, err); problem != "" {
		t.Errorf("%s %s: %s", m.Topic, payload, problem)
	}
	return res
}

func checkExecution(t *testing.T, res dialect.Result, at, want string) {
	t.Helper()
	when, _ := time.Parse(time.RFC3339Nano, at)
	if len(res.Records) != 1 {
		t.Errorf("%s execution %s: %d records", at, want, len(res.Records))
		return
	}
	r := res.Records[0]
	if !strings.EqualFold(r.State, want) || r.EventMs != when.UnixMilli() || r.Clock != telemetry.ClockDevice {
		t.Errorf("%s execution %s came out as %s", at, want, dialecttest.Line(&r))
	}
}
