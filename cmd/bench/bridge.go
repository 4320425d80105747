package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

const (
	bridgePublish  = 100_000
	durablePublish = 1_000 // mosquitto saves all that it holds at every change: a few hundred a second
	bridgeLimit    = 2 * time.Minute
)

// The two ways in which mosquitto can keep what it has acknowledged.
var (
	inMemory = []string{"persistence true"} // a snapshot every half an hour, and at an orderly end
	onDisk   = []string{"persistence true", "autosave_on_changes true", "autosave_interval 1"}
)

// measureBridge measures a base's way to the city: ours from the device's publish until the city has acknowledged the
// record, with every step durable, and mosquitto's own bridge from publish to subscriber.
func measureBridge(ctx context.Context, b *bench) error {
	messages := deviceMessages(min(b.messages, bridgePublish), b.began)
	var append1000, ours, memory, durable series
	for range b.runs {
		rate, err := b.appendRate(ctx, logCase{batch: 1000, callers: 1})
		if err != nil {
			return err
		}
		append1000 = append(append1000, rate)
		if rate, err = b.toCity(ctx, messages); err != nil {
			return err
		}
		ours = append(ours, rate)
		if rate, err = b.mosquittoBridge(ctx, messages, inMemory...); err != nil {
			return err
		}
		memory = append(memory, rate)
		rate, err = b.mosquittoBridge(ctx, messages[:min(len(messages), durablePublish)], onDisk...)
		if err != nil {
			return err
		}
		durable = append(durable, rate)
	}
	rateInMemory := "mosquitto bridge, default persistence: " + memory.show("msg/s")
	rateOnDisk := "mosquitto bridge, saved at every change: " + durable.show("msg/s")
	goal := atLeast(2, "≥ 2× mosquitto's persistent bridge")
	for _, r := range []struct {
		what, peer string
		ours, than series
	}{
		{"log append, durable, 1000 records a call", rateInMemory, append1000, memory},
		{"device → base → city, durable and acknowledged", rateInMemory, ours, memory},
		{"device → base → city, durable and acknowledged", rateOnDisk, ours, durable},
	} {
		ratio := r.ours.median() / r.than.median()
		b.add(row{what: r.what, ours: r.ours.show("msg/s"), peer: r.peer, ratio: times(ratio), target: goal.text, verdict: goal.verdict(ratio)})
	}
	return b.measureKill(ctx)
}

// toCity returns the messages that pass in a second through bridge, city broker and collector.
func (b *bench) toCity(ctx context.Context, messages []message) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, bridgeLimit)
	defer cancel()
	s, err := b.newSite(0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(s.dir) }()
	c, err := b.startCity(ctx, s)
	if err != nil {
		return 0, err
	}
	defer c.stop()
	bridge, err := b.startBridge(ctx, s, c.addr, benchLinger)
	if err != nil {
		return 0, err
	}
	defer bridge.stop()
	rate, err := rateUntil(ctx, bridge.addr, messages, c.stored)
	if err != nil {
		return 0, fmt.Errorf("%w; the bridge says:\n%s", err, bridge.output)
	}
	return rate, nil
}

// mosquittoBridge returns the messages that pass in a second through two mosquittos to a subscriber.
func (b *bench) mosquittoBridge(ctx context.Context, messages []message, persistence ...string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, bridgeLimit)
	defer cancel()
	city, cityAddr, err := b.mosquitto(ctx)
	if err != nil {
		return 0, err
	}
	defer city.stop()
	in, err := subscribe(ctx, cityAddr)
	if err != nil {
		return 0, err
	}
	defer in.stop()
	base, baseAddr, err := b.mosquittoTo(ctx, city, cityAddr, persistence...)
	if err != nil {
		return 0, err
	}
	defer base.stop()
	return rateUntil(ctx, baseAddr, messages, in.count)
}

// subscriber counts what comes at a broker.
type subscriber struct {
	client   *mqtt.Client
	received atomic.Int64
	all      sync.WaitGroup
}

func subscribe(ctx context.Context, addr string) (*subscriber, error) {
	client, err := mqtt.Dial(ctx, mqtt.ClientOptions{URL: "tcp://" + addr, ClientID: "bench-subscriber", CleanSession: true})
	if err != nil {
		return nil, err
	}
	s := &subscriber{client: client}
	s.all.Go(func() { // ends with the client
		for in := range client.Messages() {
			in.Ack()
			s.received.Add(1)
		}
	})
	if err := client.Subscribe(ctx, "jishi/#", 1); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *subscriber) count() int { return int(s.received.Load()) }

func (s *subscriber) stop() {
	_ = s.client.Close() // it only read
	s.all.Wait()
}

// mosquittoTo starts a mosquitto that passes everything on to the city's, at QoS 1 and in a session that outlives it.
func (b *bench) mosquittoTo(ctx context.Context, city *process, cityAddr string, extra ...string) (p *process, addr string, err error) {
	p, addr, err = b.mosquitto(ctx, slices.Concat(extra, passOn(cityAddr))...)
	if err != nil {
		return nil, "", err
	}
	err = await(ctx, readyWithin, "mosquitto's bridge has connected", func() (bool, error) {
		return strings.Contains(city.output.String(), "as bench-bridge"), nil
	})
	if err != nil {
		p.stop()
		return nil, "", err
	}
	return p, addr, nil
}

// passOn is the configuration of mosquitto's bridge.
func passOn(cityAddr string) []string {
	return []string{
		"connection city", "address " + cityAddr, "remote_clientid bench-bridge", "cleansession false", "notifications false", "topic # out 1",
	}
}

// rateUntil floods a broker over two connections and returns the messages in a second until arrived says that all have
// come.
func rateUntil(ctx context.Context, addr string, messages []message, arrived func() int) (float64, error) {
	f, err := dialFlooder(ctx, addr, 2)
	if err != nil {
		return 0, err
	}
	defer f.close()
	began := time.Now()
	if _, err := f.send(ctx, spread(messages, 2), floodWindow); err != nil {
		return 0, err
	}
	if err := await(ctx, bridgeLimit, fmt.Sprintf("all %d messages are through", len(messages)), func() (bool, error) {
		return arrived() >= len(messages), nil
	}); err != nil {
		return 0, fmt.Errorf("%w; %d are", err, arrived())
	}
	return float64(len(messages)) / time.Since(began).Seconds(), nil
}
