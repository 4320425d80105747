package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

const (
	floodWindow   = 1000
	brokerPublish = 200_000
	// manyConnections is what the target is about.
	manyConnections = 50
)

// measureBroker measures how fast devices get their PUBACKs: ours decode each message and put it on disk before, and
// mosquitto holds it in memory.
func measureBroker(ctx context.Context, b *bench) error {
	messages := deviceMessages(min(b.messages, brokerPublish), b.began)
	for _, connections := range []int{1, 2, manyConnections} {
		loads := spread(messages, connections)
		var ours, peer series
		for range b.runs {
			rate, err := b.bridgePubacks(ctx, loads)
			if err != nil {
				return err
			}
			ours = append(ours, rate)
			if rate, err = b.mosquittoPubacks(ctx, loads); err != nil {
				return err
			}
			peer = append(peer, rate)
		}
		line := row{
			what: fmt.Sprintf("publish → PUBACK, decoded and on disk; connections: %d", connections), ours: ours.show("msg/s"),
			peer: "mosquitto, in memory: " + peer.show("msg/s"), ratio: times(ours.median() / peer.median()),
		}
		if connections == manyConnections {
			speed := atLeast(100_000, "≥ 100,000 msg/s")
			line.target, line.verdict = speed.text, speed.verdict(ours.median())
		}
		b.add(line)
	}
	return nil
}

// bridgePubacks returns the messages that a bridge without an uplink acknowledges in a second.
func (b *bench) bridgePubacks(ctx context.Context, loads []load) (float64, error) {
	s, err := b.newSite(0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(s.dir) }()
	bridge, err := b.startBridge(ctx, s, "", benchLinger)
	if err != nil {
		return 0, err
	}
	defer bridge.stop()
	rate, err := pubacksPerSecond(ctx, bridge.addr, loads)
	if err != nil {
		return 0, err
	}
	logged, err := metric(ctx, bridge.admin, "jishi_log_appended_records_total")
	if err == nil && logged != float64(count(loads)) {
		err = fmt.Errorf("the bridge acknowledged %d messages and logged %.0f", count(loads), logged)
	}
	return rate, err
}

func (b *bench) mosquittoPubacks(ctx context.Context, loads []load) (float64, error) {
	p, addr, err := b.mosquitto(ctx)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	return pubacksPerSecond(ctx, addr, loads)
}

func pubacksPerSecond(ctx context.Context, addr string, loads []load) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	f, err := dialFlooder(ctx, addr, len(loads))
	if err != nil {
		return 0, err
	}
	defer f.close()
	took, err := f.send(ctx, loads, floodWindow)
	if err != nil {
		return 0, err
	}
	return float64(count(loads)) / took.Seconds(), nil
}
