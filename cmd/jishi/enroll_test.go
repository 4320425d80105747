package main_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// citybroker starts the city's broker for a script; $CITY is then its URL.
func cityBroker(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: citybroker")
	}
	b, err := mqtt.NewBroker(mqtt.BrokerOptions{Addr: "127.0.0.1:0"})
	ts.Check(err)
	ts.Check(b.Start())
	ts.Defer(func() { _ = b.Close() })
	ts.Setenv("CITY", "tcp://"+b.Addr())
}

// sendframes FILE VERDICT sends the frames of a file to the city again and again, as a bridge would, until the city has
// answered each with the verdict: stored, or why it refuses.
func sendFrames(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sendframes FILE VERDICT")
	}
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, err := mqtt.Dial(ctx, mqtt.ClientOptions{URL: ts.Getenv("CITY"), CleanSession: true})
	ts.Check(err)
	defer func() { _ = client.Close() }()
	reader := frame.NewFileReader(bytes.NewReader(b))
	for {
		payload, _, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		ts.Check(err)
		f, err := frame.Parse(payload)
		ts.Check(err)
		ts.Check(client.Subscribe(ctx, frame.AckTopic(f.Base, f.Bridge), 1))
		if heard := sendUntil(ctx, client, f, payload, args[1]); heard != args[1] {
			ts.Fatalf("the city said %q to messages %d-%d, want %q", heard, f.First, f.Last(), args[1])
		}
	}
}

// sendUntil sends one frame until the city says the verdict to it, and returns the last that the city said.
func sendUntil(ctx context.Context, client *mqtt.Client, f *frame.Frame, payload []byte, verdict string) (heard string) {
	again := time.NewTicker(300 * time.Millisecond)
	defer again.Stop()
	for {
		if err := client.Publish(ctx, frame.FrameTopic(f.Base, f.Bridge), 1, false, payload); err != nil {
			return heard
		}
		for waiting := true; waiting; {
			select {
			case in := <-client.Messages():
				in.Ack()
				if said := verdictOf(in.Payload, f); said != "" {
					heard = said
				}
				if heard == verdict {
					return heard
				}
			case <-again.C:
				waiting = false
			case <-ctx.Done():
				return heard
			}
		}
	}
}

// verdictOf is what an acknowledgement says of a frame, "" when it speaks of others.
func verdictOf(payload []byte, f *frame.Frame) string {
	ack, err := frame.ParseAck(payload)
	if err != nil || ack.Epoch != f.Epoch {
		return ""
	}
	for _, r := range ack.Stored {
		if r.First <= f.First && f.Last() <= r.Last {
			return "stored"
		}
	}
	for _, r := range ack.Refused {
		if r.First <= f.First && f.Last() <= r.Last {
			return r.Reason
		}
	}
	return ""
}
