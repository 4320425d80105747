package spool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// A bridge appends before it acknowledges a device, reads what the city does not have, and acknowledges what it has.
func Example() {
	dir, err := os.MkdirTemp("", "log")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	log, err := spool.Open(dir, spool.Options{Audit: spool.DefaultAudit})
	if err != nil {
		panic(err)
	}
	defer log.Close()

	entries := []spool.Entry{{Body: []byte("power 231 W")}, {Body: []byte("card token 9f…")}}
	if _, err := log.Append(context.Background(), entries); err != nil {
		panic(err) // the devices are not acknowledged
	}

	first, waiting, _ := log.Unacknowledged()
	fmt.Println(waiting, "records wait from", first)
	reader, err := log.Reader(first)
	if err != nil {
		panic(err)
	}
	defer reader.Close()
	var rec spool.Record
	for {
		err := reader.Next(&rec)
		if errors.Is(err, io.EOF) {
			break
		}
		if gap, ok := errors.AsType[*spool.GapError](err); ok {
			fmt.Println("tell the city:", gap)
			continue
		}
		if err != nil {
			panic(err)
		}
		fmt.Printf("%d %s\n", rec.Seq, rec.Body)
	}
	if err := log.Acknowledge(spool.Range{First: first, Last: rec.Seq}); err != nil {
		panic(err)
	}
	_, waiting, _ = log.Unacknowledged()
	fmt.Println(waiting, "records wait")
	// Output:
	// 2 records wait from 1
	// 1 power 231 W
	// 2 card token 9f…
	// 0 records wait
}
