package frame_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// workload is what a base's devices published and what it became.
type workload struct {
	messages []telemetry.Message
	raw      int // bytes of MQTT: topics and payloads
	wait     int64
}

func (w *workload) add(topic, payload string, m telemetry.Message) {
	w.raw += len(topic) + len(payload)
	w.messages = append(w.messages, m)
}

// meters is n messages of JSON meters that speak every ten seconds, with a time stamp and four numbers of one to three
// decimals that all change from message to message.
func meters(devices, n int) *workload {
	rnd := rand.New(rand.NewPCG(1, 2))
	type meter struct {
		id     string
		phase  int64
		energy float64
		level  float64
	}
	all := make([]meter, devices)
	for i := range all {
		all[i] = meter{
			id:    fmt.Sprintf("meter-%08x", rnd.Uint32()),
			phase: int64(i) * 10_000 / int64(devices), energy: rnd.Float64() * 1e6, level: 200 + rnd.Float64()*3000,
		}
	}
	w := &workload{}
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixMilli()
	for i := range n {
		d := &all[i%devices]
		event := start + int64(i/devices)*10_000 + d.phase + rnd.Int64N(30)
		received := event + 3 + rnd.Int64N(40)
		power := round(d.level*(1+0.1*rnd.NormFloat64()), 1)
		voltage := round(231+1.5*rnd.NormFloat64(), 1)
		current := round(math.Abs(power)/voltage, 3)
		d.energy += math.Abs(power) / 360
		energy := round(d.energy, 1)
		payload := fmt.Sprintf(`{"device":%q,"ts":%d,"power_w":%.1f,"voltage_v":%.1f,"current_a":%.3f,"energy_wh":%.1f}`,
			d.id, event, power, voltage, current, energy)
		w.add("base/telemetry/"+d.id+"/state", payload, telemetry.Message{
			ReceivedMs: received, Dialect: "native", Records: []telemetry.Record{{
				Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: d.id, Channel: "main",
				EventMs: event, DeviceMs: event, ValidMs: 22_000, Values: []telemetry.Value{
					{Quantity: telemetry.PowerW, Number: power},
					{Quantity: telemetry.VoltageV, Number: voltage},
					{Quantity: telemetry.CurrentA, Number: current},
					{Quantity: telemetry.EnergyWh, Number: energy},
				},
			}},
		})
	}
	return w
}

func round(v float64, places int) float64 {
	p := math.Pow10(places)
	return math.Round(v*p) / p
}

// machineTools is n observations of MTConnect machine tools, one to a message.
func machineTools(machines, n int) *workload {
	rnd := rand.New(rand.NewPCG(3, 4))
	items := []struct {
		id, kind, quantity string
		places             int
		step               float64
	}{
		{"Xabs", "POSITION", telemetry.PositionMM, 4, 3},
		{"Yabs", "POSITION", telemetry.PositionMM, 4, 3},
		{"Zabs", "POSITION", telemetry.PositionMM, 4, 1},
		{"S1speed", "ROTARY_VELOCITY", telemetry.SpeedRPM, 0, 20},
		{"S1load", "LOAD", telemetry.LoadPercent, 0, 3},
		{"path_feedrate", "PATH_FEEDRATE", telemetry.FeedMMS, 3, 5},
		{"execution", "EXECUTION", "", 0, 0},
		{"line", "LINE", telemetry.Number, 0, 2},
	}
	values := make([]float64, machines*len(items))
	w := &workload{}
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixMilli()
	for seq := range n {
		at += rnd.Int64N(30)
		machine, item := rnd.IntN(machines), rnd.IntN(len(items))
		it := items[item]
		device := fmt.Sprintf("mazak-%02d", machine)
		r := telemetry.Record{
			Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: device, Channel: it.id, EventMs: at, DeviceMs: at,
		}
		result := ""
		if it.quantity == "" {
			result = []string{"ACTIVE", "READY", "STOPPED", "INTERRUPTED"}[rnd.IntN(4)]
			r.State = result
		} else {
			v := &values[machine*len(items)+item]
			*v = round(*v+it.step*rnd.NormFloat64(), it.places)
			result = fmt.Sprintf("%.*f", it.places, *v)
			r.Values = []telemetry.Value{{Quantity: it.quantity, Number: *v}}
		}
		payload := fmt.Sprintf(`{"dataItemId":%q,"name":%q,"type":%q,"category":"SAMPLE","timestamp":%q,"result":%q,"sequence":%d}`,
			it.id, it.id, it.kind, time.UnixMilli(at).UTC().Format("2006-01-02T15:04:05.000000Z"), result, 100_000+seq)
		w.add("MTConnect/Devices/"+device+"/Observations/"+it.id, payload,
			telemetry.Message{ReceivedMs: at + 2 + rnd.Int64N(8), Dialect: "mtconnect", Records: []telemetry.Record{r}})
	}
	return w
}
