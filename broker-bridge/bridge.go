// Package bridge is the process at a base: it takes device messages from the base's broker, decodes them, puts them on
// disk before it acknowledges them, and sends them to the city in signed frames until the city has said that they are
// in its evidence store. It is for the base that must not lose a word, whatever dies. It refuses judgement: it derives
// nothing, and it deletes nothing that the city has not acknowledged, unless its operator chose that in so many words.
//
// The story, top to bottom:
//
//	Deliver    a device's message arrives, and waits its turn               (bridge.go)
//	decode     its dialect says what it means; what cannot be read is kept  (decode.go)
//	commit     a batch goes to the log, one fsync, then the PUBACKs         (commit.go)
//	fill       what is on disk is read back and sealed into frames          (fill.go)
//	forward    frames go out in a sliding window until they are stored      (forward.go, window.go)
package bridge

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// Bridge moves device messages from a base's broker to its log, and from the log to the city.
type Bridge struct {
	o       Options
	inbox   *inbox
	asks    chan func() // what others want of the dialects, which are the decoder's
	batches batches
	source  source
	// simulatedMs is the replayed clock, 0 before its first message; only used with Options.ReplayClock.
	simulatedMs atomic.Int64
	status      status
	m           *metrics
}

// New returns a bridge with valid options; the error names every option that is not. Nothing runs before Run.
func New(o Options) (*Bridge, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	b := &Bridge{o: o, inbox: newInbox(o.InboxMessages), asks: make(chan func()), source: newSource()}
	b.batches = make(batches, 3) // one filled, one waiting, one written
	b.m = newMetrics(o.Registerer, b)
	return b, nil
}

// Deliver takes one device message; it is the Deliver of the embedded broker, or fed from a subscription. It blocks
// while the inbox is full, which holds back the one connection it is called for. The message is acknowledged after it is
// on disk; after Run has ended, or when the log can take no more, it is not acknowledged, and the device sends it again.
// It may be called concurrently; the messages of one caller keep their order.
func (b *Bridge) Deliver(in mqtt.Inbound) { b.inbox.put(in) }

// Offer is Deliver for who must not wait, such as whoever publishes a request of a dialect and hands it back as a broker
// would that the bridge subscribes to. It reports whether the message was taken.
func (b *Bridge) Offer(in mqtt.Inbound) bool { return b.inbox.offer(in) }

// Run decodes and commits what Deliver takes, until ctx ends (then nil) or the log fails (then its error: the process is
// to be restarted, since a disk that failed once is not trusted again). It may be called once.
func (b *Bridge) Run(ctx context.Context) error {
	defer b.inbox.stop()
	b.status.startedMs.Store(b.o.Now().UnixMilli())
	defer b.status.ended.Store(true)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	decoded := make(chan *batch, 1)
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		failed = b.commitAll(ctx, decoded)
	})
	wg.Go(func() { b.retain(ctx) })
	b.decodeAll(ctx, decoded)
	wg.Wait()
	if failed != nil {
		return fmt.Errorf("run bridge %s: %w", b.o.ID, failed)
	}
	return nil
}

// RunUplink keeps a connection to the city's broker and forwards over it, until ctx ends.
func (b *Bridge) RunUplink(ctx context.Context, o mqtt.ClientOptions) error {
	return mqtt.Maintain(ctx, o, func(ctx context.Context, c *mqtt.Client) error {
		up, err := openUplink(ctx, c, b.o.Base, b.o.ID)
		if err != nil {
			return err
		}
		return b.Forward(ctx, up)
	})
}
