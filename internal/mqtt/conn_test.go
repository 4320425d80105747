package mqtt

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestConnWritesInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := newConn(near, 0)
		var want, got bytes.Buffer
		var reader sync.WaitGroup
		reader.Go(func() { _, _ = io.Copy(&got, far) })
		for i := range 5000 {
			p := bytes.Repeat([]byte{byte(i)}, i%700)
			want.Write(p)
			if _, err := c.Write(p); err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 {
				c.acknowledge(pubackPacket, uint16(i))
				want.Write([]byte{0x40, 2, byte(i >> 8), byte(i)})
			}
		}
		_ = c.Close()
		<-c.flushed
		reader.Wait()
		if !bytes.Equal(want.Bytes(), got.Bytes()) {
			t.Errorf("got %d bytes, want %d, in order", got.Len(), want.Len())
		}
	})
}

// An acknowledgement must return at once whatever the peer does; a peer that never reads is given up.
func TestAcknowledgeNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := newConn(near, 0)
		begin := time.Now()
		count := 0
		for c.cause() == nil {
			c.acknowledge(pubackPacket, 1)
			count++
		}
		if limit := 2 * (maxPending + maxUnreadAcks) / 4; count > limit+2 { // the flusher holds some, the buffer the rest
			t.Errorf("%d acknowledgements were kept, want at most %d", count, limit)
		}
		if d := time.Since(begin); d != 0 {
			t.Errorf("blocked for %v", d)
		}
		<-c.flushed
		if !errors.Is(c.cause(), errUnreadAcks) {
			t.Errorf("got %v, want errUnreadAcks", c.cause())
		}
		c.acknowledge(pubackPacket, 1)
	})
}

func TestWriteBlocksWhilePeerDoesNotReadAndThenGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := newConn(near, 0)
		begin := time.Now()
		packet := make([]byte, 1000)
		written := 0
		for {
			n, err := c.Write(packet)
			if err != nil {
				break
			}
			written += n
		}
		if written < maxPending || written > 2*maxPending+2*len(packet) {
			t.Errorf("accepted %d bytes, want about %d", written, maxPending)
		}
		if d := time.Since(begin); d != writeStall {
			t.Errorf("gave up after %v, want %v", d, writeStall)
		}
		<-c.flushed
	})
}

func TestCloseUnblocksEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := newConn(near, 0)
		var blocked sync.WaitGroup
		blocked.Go(func() {
			for {
				if _, err := c.Write(make([]byte, 1000)); err != nil {
					return
				}
			}
		})
		blocked.Go(func() {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read: got %v, want net.ErrClosed", err)
			}
		})
		synctest.Wait()
		begin := time.Now()
		_ = c.Close()
		_ = c.Close()
		blocked.Wait()
		if d := time.Since(begin); d != 0 {
			t.Errorf("reads and writes went on for %v", d)
		}
		if err := c.SetDeadline(time.Time{}); err != nil { // as mochi does for each packet, also after the end
			t.Error(err)
		}
		<-c.flushed
		if d := time.Since(begin); d > linger {
			t.Errorf("the flusher went on for %v", d)
		}
	})
}

func TestReadErrorEndsWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := newConn(near, 16)
		_ = far.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: got %v, want EOF", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, io.EOF) {
			t.Errorf("write: got %v, want the error of the read", err)
		}
		<-c.flushed
	})
}

// The keep-alive deadline that mochi sets is counted from the last packet read. A connection that is held back by a
// blocked Deliver reads nothing, and its acknowledgements must still be written.
func TestReadDeadlineDoesNotBreakWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := newConn(near, 0)
		_ = c.SetDeadline(time.Now().Add(time.Second))
		time.Sleep(10 * time.Second)
		c.acknowledge(pubackPacket, 7)
		got := make([]byte, 4)
		if _, err := io.ReadFull(far, got); err != nil || got[3] != 7 {
			t.Errorf("got % x, %v", got, err)
		}
		_ = c.Close()
		<-c.flushed
	})
}
