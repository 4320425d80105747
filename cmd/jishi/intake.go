package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// sparkplugRoot is where the Sparkplug dialect's topics begin.
const sparkplugRoot = "spBv1.0/"

// bridgeOptions are those of the process's bridge, whatever its messages come from.
func (p *process) bridgeOptions(key ed25519.PrivateKey) (bridge.Options, error) {
	log, err := p.openLog()
	if err != nil {
		return bridge.Options{}, err
	}
	router, err := p.dialects()
	if err != nil {
		return bridge.Options{}, err
	}
	return bridge.Options{
		Base: p.base, ID: p.c.String("bridge.id"), Log: log, Key: key, Dialects: router,
		Window: int(p.c.Int("bridge.window")), Linger: cmp.Or(p.c.Duration("bridge.linger"), p.linger), AckTimeout: p.c.Duration("bridge.ack-timeout"),
		MaxPayloadBytes: int(p.c.Size("bridge.max-payload-bytes")), ReplayClock: p.replay,
		Logger: p.log.With("part", "bridge"), Registerer: p.metrics,
	}, nil
}

// startBridge starts the base's broker and bridge; the bridge does not forward yet.
func (p *process) startBridge(ctx context.Context, key ed25519.PrivateKey) (*bridge.Bridge, *mqtt.Broker, error) {
	o, err := p.bridgeOptions(key)
	if err != nil {
		return nil, nil, err
	}
	var broker *mqtt.Broker
	var b *bridge.Bridge
	o.Publish = func(r dialect.Request) error {
		err := broker.Publish(r.Topic, r.Payload, r.Retain, r.QoS)
		if err == nil && strings.HasPrefix(r.Topic, sparkplugRoot) {
			// A Sparkplug host hears its own commands, and counts on it. One that finds no room is asked again.
			b.Offer(mqtt.Inbound{Topic: r.Topic, Payload: r.Payload, QoS: r.QoS, Ack: func() {}})
		}
		return err
	}
	o.Route = func(in mqtt.Inbound) {
		// A subscriber at the base that misses a message still finds it in the log.
		_ = broker.Publish(in.Topic, in.Payload, in.Retain, in.QoS) //nolint:errcheck // see above
	}
	if b, err = bridge.New(o); err != nil {
		return nil, nil, err
	}
	if p.guard, err = p.openGuard(); err != nil {
		return nil, nil, err
	}
	options := mqtt.BrokerOptions{
		Capture: func(topic string) bool { return !reservedTopic(topic) }, // frames and acknowledgements are routed
		Deliver: b.Deliver, Oversized: b.Deliver, MaxPayloadBytes: max(int(p.c.Size("bridge.max-payload-bytes")), 512<<10),
		Logger: p.log.With("part", "broker"), Registerer: p.metrics,
	}
	p.guard.listen(p.c, &options)
	if broker, err = mqtt.NewBroker(options); err != nil {
		return nil, nil, err
	}
	p.stack.Go(ctx, "bridge", b.Run)
	if err := broker.Start(); err != nil {
		return nil, nil, fmt.Errorf("start the base's broker (--broker.addr): %w", err)
	}
	p.stack.Go(ctx, "credentials", p.guard.watch(broker))
	p.stack.Add("broker", func(context.Context) error { return broker.Close() })
	b.Announce(ctx)
	p.log.Info("broker listens", "addr", broker.Addr(), "tls_addr", broker.TLSAddr())
	return b, broker, nil
}

// startSource starts a bridge that subscribes to a broker which the base already has.
func (p *process) startSource(ctx context.Context, key ed25519.PrivateKey) (*bridge.Bridge, error) {
	o, err := p.bridgeOptions(key)
	if err != nil {
		return nil, err
	}
	b, err := bridge.New(o)
	if err != nil {
		return nil, err
	}
	var filters []string
	for filter := range strings.SplitSeq(p.c.String("source.topics"), ",") {
		if filter = strings.TrimSpace(filter); filter != "" {
			filters = append(filters, filter)
		}
	}
	if len(filters) == 0 {
		return nil, usageError{fmt.Errorf("source.topics 没有主题过滤器: names no topic filter; # is all of them")}
	}
	source := p.cityOptions("source", "jishi-source-"+p.base+"-"+o.ID)
	source.CleanSession = false // what comes while the bridge is away waits at the broker
	p.stack.Go(ctx, "bridge", b.Run)
	p.stack.Go(ctx, "source", func(ctx context.Context) error { return b.RunSource(ctx, source, filters) })
	return b, nil
}
