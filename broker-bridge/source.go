package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

const (
	// maxSourceRequests is how many requests wait for the connection to a base's own broker.
	maxSourceRequests = 1024
	// farewellTimeout is how long a bridge that ends tries to say goodbye.
	farewellTimeout = 2 * time.Second
)

// errRequestsFull is the error of a request that found no room or no connection.
var errRequestsFull = errors.New("no connection takes requests")

// source is what goes the other way on a connection to a broker that the base already has.
type source struct {
	requests chan dialect.Request
}

func newSource() source { return source{requests: make(chan dialect.Request, maxSourceRequests)} }

func (s source) queue(r dialect.Request) error {
	select {
	case s.requests <- r:
		return nil
	default:
		return errRequestsFull
	}
}

// RunSource takes device messages from a broker that the base already has, in place of the embedded one: it subscribes
// to the filters at QoS 1, keeps its session while it is away (o should have a fixed ClientID and no CleanSession), and
// acknowledges each message after it is on disk. It connects again after each loss, until ctx ends; the error is that of
// invalid options. Run must run beside it.
func (b *Bridge) RunSource(ctx context.Context, o mqtt.ClientOptions, filters []string) error {
	var announceMs int64 // of the connection being made; what is said on it names the will's instant
	o.WillAtConnect = func() *mqtt.Message {
		announceMs = b.o.Now().UnixMilli()
		for _, r := range b.farewell(ctx, announceMs) {
			return &mqtt.Message{Topic: r.Topic, Payload: r.Payload, QoS: r.QoS, Retain: r.Retain} // MQTT has one will
		}
		return nil
	}
	return mqtt.Maintain(ctx, o, func(ctx context.Context, c *mqtt.Client) error {
		return b.listen(ctx, c, filters, announceMs)
	})
}

// listen is one connection to the base's own broker.
func (b *Bridge) listen(ctx context.Context, c *mqtt.Client, filters []string, announceMs int64) error {
	for _, filter := range filters {
		if err := c.Subscribe(ctx, filter, 1); err != nil {
			return fmt.Errorf("subscribe to %q: %w", filter, err)
		}
	}
	if err := publishAll(ctx, c, b.announce(ctx, announceMs)); err != nil {
		return fmt.Errorf("announce the bridge: %w", err)
	}
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { b.passRequests(ctx, c) })
	b.take(ctx, c)
	cancel()
	wg.Wait()
	if outer.Err() != nil {
		bye, done := context.WithTimeout(context.WithoutCancel(ctx), farewellTimeout)
		defer done()
		return publishAll(bye, c, b.farewell(bye, b.o.Now().UnixMilli()))
	}
	return c.Err()
}

// take delivers what comes until the connection or ctx ends.
func (b *Bridge) take(ctx context.Context, c *mqtt.Client) {
	for {
		select {
		case in, ok := <-c.Messages():
			if !ok {
				return
			}
			b.Deliver(in)
		case <-ctx.Done():
			return
		}
	}
}

// passRequests publishes the requests of the dialects.
func (b *Bridge) passRequests(ctx context.Context, c *mqtt.Client) {
	for {
		select {
		case r := <-b.source.requests:
			if err := publishAll(ctx, c, []dialect.Request{r}); err != nil {
				b.m.requestErrors.Inc()
			}
		case <-ctx.Done():
			return
		}
	}
}

func publishAll(ctx context.Context, c *mqtt.Client, requests []dialect.Request) error {
	for _, r := range requests {
		if err := c.Publish(ctx, r.Topic, r.QoS, r.Retain, r.Payload); err != nil {
			return err
		}
	}
	return nil
}

// Announce publishes, over Options.Publish, what the dialects say when a bridge begins to listen; it is for the embedded
// broker, once that listens. Run must run.
func (b *Bridge) Announce(ctx context.Context) {
	for _, r := range b.announce(ctx, b.o.Now().UnixMilli()) {
		b.publish(r)
	}
}

func (b *Bridge) announce(ctx context.Context, nowMs int64) []dialect.Request {
	return b.ask(ctx, func() []dialect.Request { return b.o.Dialects.Announce(nowMs) })
}

func (b *Bridge) farewell(ctx context.Context, nowMs int64) []dialect.Request {
	return b.ask(ctx, func() []dialect.Request { return b.o.Dialects.Farewell(nowMs) })
}

// ask puts a question to the dialects in the goroutine that they belong to. Nobody answers once Run has ended.
func (b *Bridge) ask(ctx context.Context, question func() []dialect.Request) []dialect.Request {
	answer := make(chan []dialect.Request, 1)
	select {
	case b.asks <- func() { answer <- question() }:
		return <-answer
	case <-b.inbox.stopped:
	case <-ctx.Done():
	}
	return nil
}
