package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

const (
	killPublish = 1000
	// killStalled is how long nothing more may come before the rest counts as lost.
	killStalled = 5 * time.Second
)

// measureKill counts what is lost of messages that a base acknowledged while the city was away, when it is killed and
// started again before the city comes back.
func (b *bench) measureKill(ctx context.Context) error {
	messages := deviceMessages(killPublish, b.began)
	var ours, memory, durable series
	for range b.runs {
		for _, c := range []struct {
			into *series
			lost func() (int, error)
		}{
			{&ours, func() (int, error) { return b.bridgeKilled(ctx, messages) }},
			{&memory, func() (int, error) { return b.mosquittoKilled(ctx, messages, inMemory...) }},
			{&durable, func() (int, error) { return b.mosquittoKilled(ctx, messages, onDisk...) }},
		} {
			n, err := c.lost()
			if err != nil {
				return err
			}
			*c.into = append(*c.into, float64(n))
		}
	}
	none := atMost(0, "0")
	b.add(row{
		what: fmt.Sprintf("lost of %s acknowledged messages by kill -9 while the city is away", grouped(killPublish)), ours: ours.show("lost"),
		peer:   "mosquitto bridge, default persistence: " + memory.show("lost") + "; saved at every change: " + durable.show("lost"),
		target: none.text, verdict: none.verdict(ours.median()),
	})
	return nil
}

func (b *bench) bridgeKilled(ctx context.Context, messages []message) (lost int, err error) {
	s, err := b.newSite(0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(s.dir) }()
	nowhere, err := freeAddr()
	if err != nil {
		return 0, err
	}
	bridge, err := b.startBridge(ctx, s, nowhere, benchLinger)
	if err != nil {
		return 0, err
	}
	err = acknowledgedBy(ctx, bridge.addr, messages)
	bridge.kill()
	if err != nil {
		return 0, err
	}
	city, err := b.startCity(ctx, s)
	if err != nil {
		return 0, err
	}
	defer city.stop()
	if bridge, err = b.startBridge(ctx, s, city.addr, benchLinger); err != nil {
		return 0, err
	}
	defer bridge.stop()
	return missing(ctx, len(messages), city.stored)
}

func (b *bench) mosquittoKilled(ctx context.Context, messages []message, persistence ...string) (lost int, err error) {
	dir, err := b.folder("mosquitto")
	if err != nil {
		return 0, err
	}
	nowhere, err := freeAddr()
	if err != nil {
		return 0, err
	}
	base, addr, err := b.mosquittoIn(ctx, dir, slices.Concat(persistence, passOn(nowhere))...)
	if err != nil {
		return 0, err
	}
	err = acknowledgedBy(ctx, addr, messages)
	base.kill()
	if err != nil {
		return 0, err
	}
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
	if base, _, err = b.mosquittoIn(ctx, dir, slices.Concat(persistence, passOn(cityAddr))...); err != nil {
		return 0, err
	}
	defer base.stop()
	return missing(ctx, len(messages), in.count)
}

// acknowledgedBy publishes the messages, two of them out at a time, and returns when all have their PUBACK.
func acknowledgedBy(ctx context.Context, addr string, messages []message) error {
	f, err := dialFlooder(ctx, addr, 1)
	if err != nil {
		return err
	}
	defer f.close()
	_, err = f.send(ctx, spread(messages, 1), 2)
	return err
}

// missing waits until all have come, or nothing comes any more, and returns how many have not.
func missing(ctx context.Context, want int, arrived func() int) (int, error) {
	n, last := 0, time.Now()
	err := await(ctx, bridgeLimit, "nothing moves any more", func() (bool, error) {
		if now := arrived(); now > n {
			n, last = now, time.Now()
		}
		return n >= want || time.Since(last) > killStalled, nil
	})
	return max(0, want-n), err
}
