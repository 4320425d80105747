package mqtt

import (
	"strconv"
	"strings"
	"sync"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Token is a publish under way.
type Token struct {
	message Message
	done    chan struct{}
	err     error // written before done is closed
}

func newToken(m Message) *Token { return &Token{message: m, done: make(chan struct{})} }

// Done is closed when the broker has acknowledged the message (at QoS 0: when it is on its way), or when that will not
// happen on this connection any more. It is always closed in the end.
func (t *Token) Done() <-chan struct{} { return t.done }

// Err says how the publish ended. It is nil before Done is closed.
func (t *Token) Err() error {
	select {
	case <-t.done:
		return t.err
	default:
		return nil
	}
}

// end is called exactly once, by whoever takes the token out of inflight, or instead of putting it in.
func (t *Token) end(err error) {
	t.err = err
	close(t.done)
}

// inflight holds the publishes that have no acknowledgement yet. It is paho's Store, because that is where paho tells of
// a packet id before it sends the message, and of its acknowledgement when it comes: paho's own tokens do not end with
// a connection whose session is kept. It stores nothing for paho.
type inflight struct {
	window chan struct{} // one element per publish in flight

	mu     sync.Mutex // guards what follows
	next   *Token     // the publish that paho is being given
	tokens map[uint16]*Token
}

func newInflight(limit int) *inflight {
	return &inflight{window: make(chan struct{}, limit), tokens: make(map[uint16]*Token)}
}

// expect names the token of the publish that paho is given next; one goroutine publishes.
func (f *inflight) expect(t *Token) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = t
}

// forget takes the token back when paho did not send the message. It reports whether the caller has to end it.
func (f *inflight) forget(t *Token) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == t {
		f.next = nil
		return true
	}
	for id, held := range f.tokens {
		if held == t {
			delete(f.tokens, id)
			return true
		}
	}
	return false
}

// abandon takes out every token, once the connection has ended. One that paho is just being given may come after it;
// whoever gives it looks, forgets and ends it.
func (f *inflight) abandon() []*Token {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*Token, 0, len(f.tokens))
	for _, t := range f.tokens {
		all = append(all, t)
	}
	clear(f.tokens)
	return all
}

// Put implements paho's Store: paho has given a publish its id and will now send it.
func (f *inflight) Put(key string, packet packets.ControlPacket) {
	publish, ok := packet.(*packets.PublishPacket)
	if !ok || !strings.HasPrefix(key, "o.") {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil {
		return
	}
	f.tokens[publish.MessageID] = f.next
	f.next = nil
}

// Del implements paho's Store: the acknowledgement of a publish or a subscription has come.
func (f *inflight) Del(key string) {
	number, ok := strings.CutPrefix(key, "o.")
	if !ok {
		return
	}
	id, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return
	}
	f.mu.Lock()
	t := f.tokens[uint16(id)]
	delete(f.tokens, uint16(id))
	f.mu.Unlock()
	if t != nil {
		t.end(nil)
		<-f.window
	}
}

// Open implements paho's Store.
func (f *inflight) Open() {}

// Get implements paho's Store.
func (f *inflight) Get(string) packets.ControlPacket { return nil }

// All implements paho's Store.
func (f *inflight) All() []string { return nil }

// Close implements paho's Store.
func (f *inflight) Close() {}

// Reset implements paho's Store.
func (f *inflight) Reset() {}
