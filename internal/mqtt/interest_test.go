package mqtt

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// asked is what the MQTT specification says of a filter and a topic.
func asked(filter, topic []string) bool {
	switch {
	case len(filter) == 0:
		return len(topic) == 0
	case filter[0] == "#":
		return true
	case len(topic) == 0, filter[0] != "+" && filter[0] != topic[0]:
		return false
	}
	return asked(filter[1:], topic[1:])
}

// Someone who has subscribed is always found, and when all have gone nothing is left.
func TestInterest(t *testing.T) {
	t.Parallel()
	level := rapid.SampledFrom([]string{"a", "b", "", "+"})
	rapid.Check(t, func(t *rapid.T) {
		type subscription struct{ client, filter string }
		var i interest
		has := map[subscription]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"subscribe": func(t *rapid.T) {
				filter := strings.Join(rapid.SliceOfN(level, 1, 3).Draw(t, "levels"), "/")
				switch rapid.IntRange(0, 3).Draw(t, "kind") {
				case 0:
					filter += "/#"
				case 1:
					filter = "$share/g/" + filter
				}
				s := subscription{fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "client")), filter}
				i.add(s.client, s.filter)
				has[s] = true
			},
			"unsubscribe": func(t *rapid.T) {
				for s := range has {
					i.remove(s.client, s.filter)
					i.remove("nobody", s.filter)
					delete(has, s)
					return
				}
			},
			"leave": func(t *rapid.T) {
				client := fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "client"))
				i.forget(client)
				for s := range has {
					if s.client == client {
						delete(has, s)
					}
				}
			},
			"": func(t *rapid.T) {
				topic := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", ""}), 1, 4).Draw(t, "topic")
				want := false
				for s := range has {
					want = want || asked(strings.Split(withoutShare(s.filter), "/"), topic)
				}
				if got := i.in(strings.Join(topic, "/")); got != want {
					t.Fatalf("%q: interest %v, want %v, of %v", topic, got, want, has)
				}
				if len(has) == 0 && (len(i.of) != 0 || len(i.root.next) != 0) {
					t.Fatalf("nobody is left, and %v is", i.root.next)
				}
			},
		})
	})
}

func BenchmarkInterest(b *testing.B) {
	var i interest
	for n := range 500 {
		i.add(fmt.Sprint(n), fmt.Sprintf("cmnd/plug-%d/#", n))
	}
	b.ReportAllocs()
	for b.Loop() {
		if i.in("tele/plug-17/SENSOR") {
			b.Fatal("found")
		}
	}
}
