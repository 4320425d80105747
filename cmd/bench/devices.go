package main

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"time"
)

// The base that is measured.
const (
	baseCode, bridgeID = "cq01", "b1"
	devices            = 500
	readingsPerMessage = 4
	stepMs             = 10_000
)

func deviceName(i int) string { return fmt.Sprintf("meter-%03d", i) }

// sampleTopic is the topic of a native device with one channel, see docs/dialects/native.md.
func sampleTopic(device string) string { return "jishi/v1/" + baseCode + "/dev/" + device + "/sample" }

// meter is one device: a three-phase meter on a machine that runs about half of the time.
type meter struct {
	topic                     string
	rng                       *rand.Rand
	running                   bool
	powerW, voltageV, energyW float64
}

func newMeter(i int) *meter {
	return &meter{
		topic: sampleTopic(deviceName(i)), rng: rand.New(rand.NewPCG(uint64(i), 20230331)),
		powerW: 80, voltageV: 228, energyW: float64(1000 * i),
	}
}

// step lets ten seconds pass.
func (m *meter) step() {
	if m.rng.Float64() < 0.02 {
		m.running = !m.running
	}
	level := 85.0
	if m.running {
		level = 1800
	}
	m.powerW += 0.5*(level-m.powerW) + 15*m.rng.NormFloat64()
	m.powerW = max(m.powerW, 0)
	m.voltageV += 0.1*(228-m.voltageV) + 0.4*m.rng.NormFloat64()
	m.energyW += m.powerW * stepMs / 3_600_000
}

// say is the meter's message: four readings in about 120 bytes.
func (m *meter) say(atMs int64) []byte {
	b := append(make([]byte, 0, 128), `{"t":`...)
	b = strconv.AppendInt(b, atMs, 10)
	for _, v := range []struct {
		name   string
		value  float64
		digits int
	}{
		{`,"v":{"power_w":`, m.powerW, 1},
		{`,"voltage_v":`, m.voltageV, 1},
		{`,"current_a":`, m.powerW / m.voltageV, 3},
		{`,"energy_wh":`, m.energyW, 2},
	} {
		b = append(b, v.name...)
		b = strconv.AppendFloat(b, v.value, 'f', v.digits, 64)
	}
	return append(b, `},"valid_s":25}`...)
}

// deviceMessages are n messages of all devices in turn, each device every ten seconds and on a millisecond of its own, the
// last about a minute ago: no two points collide, and no clock is in doubt.
func deviceMessages(n int, now time.Time) []message {
	out := make([]message, 0, n)
	for m := range deviceStream(n, now) {
		out = append(out, m.message)
	}
	return out
}

// deviceStream gives the same messages out one by one, each as if it were received at once.
func deviceStream(n int, now time.Time) iter.Seq[timedMessage] {
	return func(yield func(timedMessage) bool) {
		rounds := (n + devices - 1) / devices
		fromMs := now.Add(-time.Minute).UnixMilli() - int64(rounds)*stepMs
		meters := make([]*meter, devices)
		for i := range meters {
			meters[i] = newMeter(i)
		}
		for i := range n {
			m := meters[i%devices]
			m.step()
			atMs := fromMs + int64(i/devices)*stepMs + int64(i%devices)
			if !yield(timedMessage{message{m.topic, m.say(atMs)}, atMs}) {
				return
			}
		}
	}
}
