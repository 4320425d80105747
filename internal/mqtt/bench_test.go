package mqtt_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// benchPayload is 120 bytes, the size that internal figures are given for.
var benchPayload = strings.Repeat("x", 120)

// rawPublishes is n PUBLISH packets of QoS 1 as bytes; load generation must not be what is measured.
func rawPublishes(b *testing.B, topic string, n int) []byte {
	b.Helper()
	var all bytes.Buffer
	packet := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	packet.TopicName, packet.Payload, packet.Qos = topic, []byte(benchPayload), 1
	for i := range n {
		packet.MessageID = uint16(i%65535 + 1)
		if err := packet.Write(&all); err != nil {
			b.Fatal(err)
		}
	}
	return all.Bytes()
}

// flood sends n messages and keeps at most window of them unacknowledged.
func flood(b *testing.B, nc net.Conn, topic string, n, window int) {
	burst := max(window/4, 1)
	raw := rawPublishes(b, topic, burst)
	perMessage := len(raw) / burst
	slots := make(chan int, 1<<16)
	var reader sync.WaitGroup
	reader.Go(func() { // PUBACKs, four bytes each
		in := bufio.NewReaderSize(nc, 64<<10)
		for got := 0; got < n; {
			if _, err := in.Peek(4); err != nil {
				b.Error(err)
				return
			}
			k := in.Buffered() / 4
			_, _ = in.Discard(4 * k)
			got += k
			slots <- k
		}
	})
	for sent, free := 0, window; sent < n; {
		for free == 0 {
			free += <-slots
		}
		k := min(free, burst, n-sent)
		if _, err := nc.Write(raw[:k*perMessage]); err != nil {
			b.Error(err)
			break
		}
		sent, free = sent+k, free-k
		for len(slots) > 0 {
			free += <-slots
		}
	}
	reader.Wait()
}

func BenchmarkBrokerCapture(b *testing.B) {
	for _, connections := range []int{1, 50} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) { benchmarkCapture(b, connections, nil) })
		b.Run(fmt.Sprintf("guarded,connections=%d", connections), func(b *testing.B) {
			benchmarkCapture(b, connections, func(_ context.Context, l mqtt.Login) (*mqtt.Permit, mqtt.Denial) {
				return &mqtt.Permit{
					Name: l.ClientID, MayPublish: func(topic string) bool { return strings.HasPrefix(topic, "base/b1/dev/") },
					MessagesPerSecond: 1e9, Burst: 1e6, MaxPayloadBytes: 1 << 20,
				}, ""
			})
		})
	}
}

func benchmarkCapture(b *testing.B, connections int, admit func(context.Context, mqtt.Login) (*mqtt.Permit, mqtt.Denial)) {
	broker, err := mqtt.NewBroker(mqtt.BrokerOptions{
		Addr: "127.0.0.1:0", Capture: func(string) bool { return true }, Deliver: func(m mqtt.Inbound) { m.Ack() }, Admit: admit,
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := broker.Start(); err != nil {
		b.Fatal(err)
	}
	defer broker.Close()
	var devices []*peer
	for i := range connections {
		devices = append(devices, device(b, broker, func(c *packets.ConnectPacket) {
			c.ClientIdentifier = fmt.Sprint("meter-", i)
		}))
	}
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for i, d := range devices {
		n := b.N / connections
		if i == 0 {
			n += b.N % connections
		}
		all.Go(func() { flood(b, d, fmt.Sprintf("base/b1/dev/%d/data", i), n, 1000) })
	}
	all.Wait()
	report(b)
}

// BenchmarkBrokerPublish is what passing a message on costs when nobody waits for it, as at most bases.
func BenchmarkBrokerPublish(b *testing.B) {
	broker, err := mqtt.NewBroker(mqtt.BrokerOptions{Addr: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	defer broker.Close()
	payload := []byte(benchPayload)
	b.ReportAllocs()
	for b.Loop() {
		if err := broker.Publish("tele/plug-17/SENSOR", payload, false, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClientReceive(b *testing.B) {
	for _, window := range []int{20, 1000, 60000} {
		b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) {
			c, p := fakeBroker(b, nil)
			b.ReportAllocs()
			b.ResetTimer()
			var receiver sync.WaitGroup
			receiver.Go(func() {
				for range b.N {
					m := <-c.Messages()
					m.Ack()
				}
			})
			flood(b, p, "base/b1/dev/1/data", b.N, window)
			receiver.Wait()
			report(b)
		})
	}
}

func BenchmarkClientPublish(b *testing.B) {
	c, p := fakeBroker(b, nil)
	var server sync.WaitGroup
	server.Go(func() { acknowledgeAll(p) })
	payload := []byte(benchPayload)
	b.ReportAllocs()
	b.ResetTimer()
	var last *mqtt.Token
	for range b.N {
		last = c.PublishAsync("base/b1/dev/1/data", 1, false, payload)
	}
	<-last.Done()
	report(b)
	_ = c.Close()
	server.Wait()
}

// acknowledgeAll answers each PUBLISH of a short topic and payload, until the connection ends.
func acknowledgeAll(nc net.Conn) {
	in := bufio.NewReaderSize(nc, 64<<10)
	out := bufio.NewWriterSize(nc, 64<<10)
	var packet [1 << 14]byte
	for {
		if in.Buffered() == 0 {
			_ = out.Flush()
		}
		if _, err := io.ReadFull(in, packet[:2]); err != nil {
			return
		}
		length := int(packet[1] & 0x7f)
		for shift := 7; packet[1]&0x80 != 0; shift += 7 {
			packet[1], _ = in.ReadByte()
			length |= int(packet[1]&0x7f) << shift
		}
		if _, err := io.ReadFull(in, packet[2:2+length]); err != nil {
			return
		}
		id := 4 + int(packet[2])<<8 + int(packet[3])
		if packet[0]&0xf0 == 0x30 {
			_, _ = out.Write([]byte{0x40, 2, packet[id], packet[id+1]})
		}
	}
}

func report(b *testing.B) {
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
