package mqtt

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Strangers can invent names and addresses without end. They fill their own list only.
func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	var r refusals
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r.note(refused{why: DeniedPublish, who: "plug-1", proven: true, remote: "10.0.0.9:1", what: "a/b"}, now)
	for i := range 10_000 {
		r.note(refused{why: "password", who: fmt.Sprint("guess", i), remote: fmt.Sprintf("10.1.%d.%d:1", i/250, i%250)}, now.Add(time.Duration(i)*time.Second))
	}
	list := r.recent()
	if len(list) != 1+maxRefusals {
		t.Errorf("%d refusals are kept, want %d", len(list), 1+maxRefusals)
	}
	if list[0].Who != "guess9999" || list[len(list)-1].Who != "plug-1" {
		t.Errorf("first %+v, last %+v; want the latest first, and the proven one still there", list[0], list[len(list)-1])
	}
}

func TestRefusalsOfOneKindAreCounted(t *testing.T) {
	t.Parallel()
	var r refusals
	first := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r.note(refused{why: DeniedPublish, who: "plug-1", proven: true, remote: "10.0.0.9:1", what: "a"}, first)
	r.note(refused{why: DeniedPublish, who: "plug-1", proven: true, remote: "[::ffff:10.0.0.8]:2", what: strings.Repeat("中", 100) + "\xff"}, first.Add(time.Minute))
	r.note(refused{why: "password", who: "a", remote: "10.0.0.9:1"}, first)
	r.note(refused{why: "password", who: "b", remote: "10.0.0.9:2"}, first)
	want := []Refusal{
		{Why: DeniedPublish, Who: "plug-1", Proven: true, Remote: hostOf("10.0.0.8:1"), What: strings.Repeat("中", 42) + "?", Count: 2, First: first, Last: first.Add(time.Minute)},
		{Why: "password", Who: "b", Remote: hostOf("10.0.0.9:1"), Count: 2, First: first, Last: first},
	}
	if diff := cmp.Diff(want, r.recent(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	b := newBucket(10, 3, now)
	for i := range 3 {
		if wait := b.take(1, now); wait != 0 {
			t.Errorf("message %d of the burst waits %v", i, wait)
		}
	}
	for i, want := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond} {
		if wait := b.take(1, now); (wait - want).Abs() > time.Microsecond {
			t.Errorf("message %d after the burst waits %v, want %v: each behind the one before", i, wait, want)
		}
	}
	if wait := b.take(1, now.Add(-time.Hour)); wait > time.Second {
		t.Errorf("a clock that goes back makes it wait %v", wait)
	}
	if wait := b.take(3, now.Add(time.Hour)); wait != 0 {
		t.Errorf("after an hour's rest the burst waits %v", wait)
	}
	if wait := b.take(1, now.Add(time.Hour)); wait == 0 {
		t.Error("rest gathers more than the burst")
	}
}
