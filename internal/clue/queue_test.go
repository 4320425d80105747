package clue_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/clue"
)

// quantile draws from lengths in seconds at 0, 10, 25, 50, 75, 90, 99 and 100 %, as the simulator's people are made of.
func quantile(rng *rand.Rand, q [8]float64) int64 {
	at := [8]float64{0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1}
	u := rng.Float64()
	i := 1
	for at[i] <= u {
		i++
	}
	return int64(1000 * (q[i-1] + (q[i]-q[i-1])*(u-at[i-1])/(at[i]-at[i-1])))
}

// passages are cards at a door in the order in which their people came to it, two to four seconds apart.
type passages struct {
	d    *dayOf
	rng  *rand.Rand
	free int64
}

// queue lets people pass who came at the instants; tap may hold the reader for longer.
func (p *passages) queue(came map[string]int64, tap func(at int64, who string)) {
	for len(came) > 0 {
		first := ""
		for who, at := range came {
			if first == "" || at < came[first] || at == came[first] && who < first {
				first = who
			}
		}
		at := max(came[first], p.free)
		p.free = at
		tap(at, first)
		p.free += 2000 + p.rng.Int64N(2000)
		delete(came, first)
	}
}

// TestHonestQueues holds F2 to its base rate. People come over a quarter of an hour before a class, go in a queue at its
// end, and come in a queue after the noon break: every pass but the first is as tight as a hand of cards.
func TestHonestQueues(t *testing.T) {
	t.Parallel()
	const classDays = 750
	early := [8]float64{30, 60, 240, 540, 780, 1080, 1320, 1500}
	leave := [8]float64{1, 5, 15, 40, 90, 240, 480, 540}
	found, days := 0, 0
	for seed := range uint64(15) {
		n := 4 + int(seed)*2
		rng := rand.New(rand.NewPCG(seed, 77))
		w := newWorld(t, n)
		w.rng = rng
		var inputs []*clue.Day
		for range classDays / 15 {
			d := w.day()
			d.lesson("theory", "8:30-11:30")
			d.lesson("theory", "13:00-16:00")
			d.machines = nil
			honestQueues(d, rng, early, leave)
		}
		in := w.input()
		inputs = append(inputs, in.Past...)
		inputs = append(inputs, in.Today)
		for i, d := range inputs {
			in.Today, in.Past = d, inputs[max(i-4, 0):i]
			for _, r := range clue.Rules(clue.DefaultParams()) {
				if r.ID == clue.F2 || r.ID == clue.F1 {
					for _, c := range r.Find(in) {
						found++
						t.Logf("%d people: %s %v %v", n, c.Rule, c.Tests, c.Measures)
					}
				}
			}
			days++
		}
	}
	if limit := days / 500; found > limit {
		t.Errorf("%d false clues in %d honest class-days, want at most %d", found, days, limit)
	}
}

func honestQueues(d *dayOf, rng *rand.Rand, early, leave [8]float64) {
	p := passages{d: d, rng: rng}
	pass := func(dir string) func(int64, string) {
		return func(at int64, who string) {
			if dir == "in" {
				d.at("lab-door", at, who, in)
			} else {
				d.at("lab-door", at, who, out)
			}
		}
	}
	at := func(clock string, offset func() int64, share float64) map[string]int64 {
		came := map[string]int64{}
		for _, who := range d.w.trainees() {
			if rng.Float64() < share {
				came[who] = d.ms(clock) + offset()
			}
		}
		return came
	}
	p.queue(at("8:30", func() int64 { return -quantile(rng, early) }, 0.97), pass("in"))
	p.queue(at("11:30", func() int64 { return quantile(rng, leave) }, 0.97), pass("out"))
	p.queue(at("13:00", func() int64 { return rng.Int64N(135_000) - 90_000 }, 0.97), pass("in"))
	p.queue(at("16:00", func() int64 { return quantile(rng, leave) }, 0.27), pass("out"))
}

// TestHandsAmongQueues: cards in one hand are found among honest queues, at least nine times in ten.
func TestHandsAmongQueues(t *testing.T) {
	t.Parallel()
	early := [8]float64{30, 60, 240, 540, 780, 1080, 1320, 1500}
	leave := [8]float64{1, 5, 15, 40, 90, 240, 480, 540}
	found, all := 0, 0
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 5))
		w := newWorld(t, 6+int(seed%20))
		for day := range 4 {
			d := w.day()
			d.lesson("theory", "8:30-11:30")
			d.lesson("theory", "13:00-16:00")
			d.machines = nil
			if day < 3 {
				honestQueues(d, rng, early, leave)
				continue
			}
			hand(d, rng, early, leave)
		}
		all++
		for _, c := range clue.Find(w.input(), clue.DefaultParams()) {
			if c.Rule == clue.F2 {
				found++
			}
		}
	}
	if 10*found < 9*all {
		t.Errorf("%d of %d hands found, want nine tenths", found, all)
	}
}

// hand is a day of queues in which t01 taps for three others.
func hand(d *dayOf, rng *rand.Rand, early, leave [8]float64) {
	held := []string{"t02", "t03", "t04"}
	p := passages{d: d, rng: rng}
	pass := func(reader func(at int64, who string)) func(int64, string) {
		return func(at int64, who string) {
			reader(at, who)
			for i, other := range held {
				if who == "t01" {
					reader(at+int64(i+1)*3000, other)
					p.free = at + int64(i+1)*3000
				}
			}
		}
	}
	came := func(clock string, offset func() int64) map[string]int64 {
		out := map[string]int64{}
		for i, who := range d.w.trainees() {
			if i == 0 || i > len(held) {
				out[who] = d.ms(clock) + offset()
			}
		}
		return out
	}
	readerIn := func(at int64, who string) { d.at("lab-door", at, who, in) }
	readerOut := func(at int64, who string) { d.at("lab-door", at, who, out) }
	p.queue(came("8:30", func() int64 { return -quantile(rng, early) }), pass(readerIn))
	p.queue(came("11:30", func() int64 { return quantile(rng, leave) }), pass(readerOut))
	p.queue(came("13:00", func() int64 { return rng.Int64N(135_000) - 90_000 }), pass(readerIn))
	p.queue(came("16:00", func() int64 { return quantile(rng, leave) }), pass(readerOut))
}

func ExampleRules() {
	for _, r := range clue.Rules(clue.DefaultParams()) {
		fmt.Println(r.ID, r.Version, r.Severity.Zh(), r.Title.Zh)
	}
	// Output:
	// F1 1 高 虚报人数
	// F2 1 高 代打卡：一人持多卡
	// F3 1 中 签到后离开
	// F4 1 中 设备空转
	// F5 1 高 伪造终端或重放
	// F6 1 高 一人多班或时间冲突
	// F7 1 中 缩短课时或多报学时
	// F11 1 中 一师多地
	// F12 1 高 计量篡改
}
