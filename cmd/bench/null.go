package main

import (
	"context"
	"crypto/ed25519"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jishi-telemetry/jishi/collector"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// countingStore takes evidence and keeps nothing: what is measured ends where the store begins. To whoever asks it has no
// evidence, which is true of every log that the bench makes when its first frame comes.
type countingStore struct {
	evidence.Store
	messages atomic.Int64
}

// Write implements evidence.Store.
func (s *countingStore) Write(_ context.Context, batches []evidence.Batch) ([]evidence.Outcome, error) {
	out := make([]evidence.Outcome, len(batches))
	for i := range batches {
		for j := range batches[i].Messages {
			out[i].Accepted += len(batches[i].Messages[j].Records)
		}
		s.messages.Add(int64(len(batches[i].Messages)))
	}
	return out, nil
}

// ReceiptsAmong implements evidence.Store.
func (*countingStore) ReceiptsAmong(context.Context, evidence.ReceiptQuery) ([]evidence.Receipt, error) {
	return nil, nil
}

// Read implements evidence.Store.
func (*countingStore) Read(context.Context, evidence.Query, func(*evidence.Entry) error) error {
	return nil
}

// nullCity is a city's broker and a collector in this process that stores nothing.
type nullCity struct {
	broker *process
	addr   string // of the broker
	store  countingStore
	cancel context.CancelFunc
	all    sync.WaitGroup
}

// startCity starts the city of a site. The caller stops it.
func (b *bench) startCity(ctx context.Context, s *site) (city *nullCity, err error) {
	n := &nullCity{}
	c, err := collector.New(collector.Options{
		Store: &n.store, BridgeKeys: func(string, string, int64) []ed25519.PublicKey { return []ed25519.PublicKey{s.key} },
	})
	if err != nil {
		return nil, err
	}
	if n.broker, n.addr, err = b.mosquitto(ctx); err != nil {
		return nil, err
	}
	collecting, cancel := context.WithCancel(ctx)
	n.cancel = cancel
	ended := make(chan error, 1)
	n.all.Go(func() {
		ended <- c.Run(collecting, mqtt.ClientOptions{URL: "tcp://" + n.addr, ClientID: "bench-collector", CleanSession: true})
	})
	err = await(ctx, readyWithin, "the collector has subscribed", func() (bool, error) {
		select {
		case err := <-ended:
			return false, err
		default:
			return strings.Contains(n.broker.output.String(), "bench-collector 1 "), nil
		}
	})
	if err != nil {
		n.stop()
		return nil, err
	}
	return n, nil
}

// stored is how many messages have come.
func (n *nullCity) stored() int { return int(n.store.messages.Load()) }

func (n *nullCity) stop() {
	n.cancel()
	n.all.Wait()
	n.broker.stop()
}
