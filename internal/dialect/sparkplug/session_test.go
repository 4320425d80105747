package sparkplug_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/sparkplug"
)

// A node's death is its devices' too, at the bridge's own time: the will was written when the node connected.
func TestNodeDeathEndsTheNodeAndAllItsDevices(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.send("DBIRTH", "n/c", payload(start, 2)).want("n/c online 0")
	s.at(60_000).send("NDEATH", "n", payload(start, -1, bdSeq(5))).
		want("n/c will 60000r", "n/d will 60000r", "n will 60000r")
	// Nothing that was said before holds any more, and nothing is believed until the node is born again.
	s.at(61_000).send("DDATA", "n/d", payload(start+61_000, 3, num("Q", 0, 2))).want("ask n")
	s.at(61_500).send("NDATA", "n", payload(start+61_500, 4, num("P", 0, 2))).want()
	s.at(62_000).send("NBIRTH", "n", payload(start+62_000, 0, bdSeq(6), num("P", 1, 3))).want("n online 62000", "n P 62000 value=3")
}

// A device's death is its own alone, at the time that its node says.
func TestDeviceDeathEndsTheDeviceAlone(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(5000).send("DDEATH", "n/d", payload(start+4000, 2)).want("n/d offline 4000")
	s.at(6000).send("NDATA", "n", payload(start+6000, 3, num("", 1, 2))).want("n P 6000 value=2")
	s.at(7000).send("DDATA", "n/d", payload(start+7000, 4, num("Q", 0, 2))).want("ask n")
	s.at(8000).send("DBIRTH", "n/d", payload(start+8000, 5, num("Q", 2, 3))).want("n/d online 8000", "n/d Q 8000 value=3")
	s.at(9000).send("DDATA", "n/d", payload(start+9000, 6, num("", 2, 4))).want("n/d Q 9000 value=4")
}

// The will of a connection that was replaced arrives after the birth of the one that replaced it.
func TestOldWillIsIgnored(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(1000).send("NDEATH", "n", payload(start+1000, -1, bdSeq(4))).want()
	s.send("NDATA", "n", payload(start+1000, 2, num("", 1, 2))).want("n P 1000 value=2")
	// Also across the end of the count.
	s.send("NBIRTH", "n", payload(start+1001, 0, bdSeq(0))).want("n/d offline 1000", "n online 1001")
	s.send("NDEATH", "n", payload(start+1001, -1, bdSeq(255))).want()
	s.send("NDEATH", "n", payload(start+1001, -1, bdSeq(0))).want("n will 1000r", "n will 1002c")
}

// The death of a session that this bridge has not seen born ends the one that it has.
func TestWillOfALaterSessionCounts(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(1000).send("NDEATH", "n", payload(start, -1, bdSeq(6))).want("n/d will 1000r", "n will 1000r", "ask n")
}

// A node without bdSeq, as old ones are, dies all the same.
func TestDeathWithoutNumber(t *testing.T) {
	t.Parallel()
	s := play(t, sparkplug.Options{})
	s.send("NBIRTH", "n", payload(start, 0)).want("n online 0")
	s.at(1000).send("NDEATH", "n", payload(start, -1, bdSeq(1))).want("n will 1000r")
	s.send("NBIRTH", "n", payload(start+1001, 0, bdSeq(2))).want("n online 1001")
	s.at(3000).send("NDEATH", "n", payload(start, -1)).want("n will 3000r")
	// An empty message clears what a broker keeps; it is no death.
	s.send("NBIRTH", "n", payload(start+3001, 0)).want("n online 3001")
	s.send("NDEATH", "n", nil).want()
}

// A node that comes back with another bdSeq was away, whether its will came or not.
func TestNewSessionEndsTheDevicesOfTheOldOne(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(9000).send("NBIRTH", "n", payload(start+9000, 0, bdSeq(6), num("P", 1, 1))).
		want("n/d offline 8999", "n online 9000", "n P 9000 value=1")
	s.send("DDATA", "n/d", payload(start+9001, 1, num("Q", 0, 5))).want("ask n")
	s.send("DBIRTH", "n/d", payload(start+9002, 2, num("Q", 2, 5))).want("n/d online 9002", "n/d Q 9002 value=5")
}

// A device that is not born again after its node's rebirth has gone without a word.
func TestRebirthShowsALostDeviceDeath(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(1000).send("NBIRTH", "n", payload(start+1000, 0, bdSeq(5), num("P", 1, 1))).want("n online 1000", "n P 1000 value=1")
	s.at(20_000).send("NDATA", "n", payload(start+20_000, 1, num("", 1, 2))).want("n P 20000 value=2")
	s.at(31_000).send("NDATA", "n", payload(start+31_000, 2, num("", 1, 3))).want("n/d offline 31000r", "n P 31000 value=3")

	s = born(t, sparkplug.Options{})
	s.at(1000).send("NBIRTH", "n", payload(start+1000, 0, bdSeq(5))).want("n online 1000")
	s.send("DBIRTH", "n/d", payload(start+1000, 1, num("Q", 2, 1))).want("n/d online 1000", "n/d Q 1000 value=1")
	s.at(31_000).send("NDATA", "n", payload(start+31_000, 2)).want()
	s.at(32_000).send("NBIRTH", "n", payload(start+32_000, 0, bdSeq(5))).want("n online 32000")
	s.at(33_000).send("NBIRTH", "n", payload(start+33_000, 0, bdSeq(5))).want("n/d offline 32999", "n online 33000")
}

// What a birth says holds now, however long ago it was taken; and what was known of the time before comes with it.
func TestBirthRestatesOldValues(t *testing.T) {
	t.Parallel()
	s := play(t, sparkplug.Options{})
	s.at(3_600_000).send("NBIRTH", "n", payload(start+3_600_000, 0, bdSeq(1), word("E", 1, "READY").time(start))).
		want("n online 3600000", "n E 0 READY", "n E 3600000 READY")
}

// A node whose clock is behind the bridge's comes back before it died, by its own time.
func TestClockBehindDoesNotHideABirth(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(10_000).send("NDEATH", "n", payload(start, -1, bdSeq(5))).want("n/d will 10000r", "n will 10000r")
	s.at(10_500).send("NBIRTH", "n", payload(start+4000, 0, bdSeq(6), num("P", 1, 2))).
		want("n online 10500r", "n P 4000 value=2", "n P 10500r value=2")
	s.at(11_000).send("NDATA", "n", payload(start+4500, 1, num("", 1, 3))).want("n P 4500 value=3", "n P 11000r value=3")
	s.at(30_000).send("NDATA", "n", payload(start+23_500, 2, num("", 1, 4))).want("n P 23500 value=4")
}

// A node whose clock is ahead has spoken in the future. Its last word must not outlive it.
func TestClockAheadDoesNotOutliveADeath(t *testing.T) {
	t.Parallel()
	s := play(t, sparkplug.Options{})
	s.send("NBIRTH", "n", payload(start+60_000, 0, bdSeq(1), num("P", 1, 2))).want("n online 60000", "n P 60000 value=2")
	s.at(1000).send("NDEATH", "n", payload(start, -1, bdSeq(1))).want("n will 1000r", "n will 60001c")
}

// Whatever is said after a death and before a birth is not believed, save what is older than the death.
func TestStragglersOfADeadNode(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(10_000).send("NDEATH", "n", payload(start, -1, bdSeq(5))).want("n/d will 10000r", "n will 10000r")
	s.send("NDATA", "n", payload(start+9000, 2, num("P", 0, 3))).want("n P 9000 value=3", "ask n")
	s.send("NDATA", "n", payload(start+10_001, 3, num("P", 0, 3))).want()
	s.send("NDATA", "n", payload(start+9500, 4, num("", 1, 3))).want("error malformed: metrics[0]: has the alias 1")
	s.send("DBIRTH", "n/d", payload(start+10_001, 5, num("Q", 2, 3))).want()
	s.send("DBIRTH", "n/new", payload(start+10_001, 6, num("Q", 2, 3))).want()
	s.send("DDATA", "n/other", payload(start+10_001, 7, num("Q", 0, 3))).want()
	s.send("DDEATH", "n/d", payload(start+10_001, 8)).want()
}

// Data before any birth: what leaves no doubt is kept, the rest is set aside, and the node is asked.
func TestDataBeforeAnyBirth(t *testing.T) {
	t.Parallel()
	s := play(t, sparkplug.Options{})
	s.send("NDATA", "n", payload(start, 7, num("", 1, 3))).want("ask n", "error malformed: metrics[0]: has the alias 1 and no name")
	s.at(1).send("NDATA", "n", payload(start+1, 8, num("P", 0, 3), integer("I", 1, 10, 254))).want("n P 1 value=3", "n I 1 value=-2")
	s.at(2).send("NDATA", "n", payload(start+2, 9, named("I", 0).varint(10, 254))).
		want("n I 2 UNAVAILABLE", `error malformed: metrics[0]: "I" is an integer without a datatype`)
	s.at(3).send("DDATA", "n/d", payload(start+3, 10, word("E", 0, "ACTIVE"))).want("n/d E 3 ACTIVE")
	s.at(4).send("NDATA", "m", payload(start+4, 1)).want("ask m")
}

// Retained births and data are against the specification: nobody knows whether they still hold.
func TestRetainedMessagesSayOnlyThatThereIsANode(t *testing.T) {
	t.Parallel()
	s := play(t, sparkplug.Options{})
	retained := func(verb, ids string) *stage {
		return s.publish(dialect.Message{Topic: "spBv1.0/g/" + verb + "/" + ids, Payload: payload(start, 0, bdSeq(1), num("P", 1, 1)), Retained: true})
	}
	retained("NDEATH", "n").want()
	retained("NBIRTH", "n").want("ask n")
	retained("DDATA", "n/d").want()
	s.send("NDATA", "n", payload(start, 1, num("", 1, 3))).want("error malformed: metrics[0]: has the alias 1")
}

// A node that leaves requests unanswered which the broker has passed on, and says nothing at all, is gone; its next word
// takes that back.
func TestSilentNodeIsGone(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{RebirthEvery: time.Minute})
	for _, ms := range []int64{60_000, 70_000, 90_000} {
		s.at(ms - 1).poll()
		s.at(ms).poll("n")
		if ms < 90_000 {
			s.send("NCMD", "n", payload(start+ms, -1)).want()
		}
	}
	s.at(90_001).send("NCMD", "n", payload(start+90_000, -1)).want("n/d offline 90001r", "n offline 90001r")
	s.send("NCMD", "n", payload(start+90_000, -1)).want()
	s.at(95_000).send("DDATA", "n/d", payload(start+95_000, 2, num("", 2, 9))).want("n/d online 95000", "n/d Q 95000 value=9")
	s.at(96_000).send("NDATA", "n", payload(start+96_000, 3, num("", 1, 9))).want("n online 96000", "n P 96000 value=9")
}

// A node that speaks but does not obey is there.
func TestDisobedientNodeIsNotGone(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{RebirthEvery: time.Minute})
	s.at(60_000).poll("n")
	s.at(61_000).send("NDATA", "n", payload(start+61_000, 2, num("", 1, 9))).want("n P 61000 value=9")
	s.at(70_000).poll("n").at(90_000).poll("n").send("NCMD", "n", payload(start+90_000, -1)).want()
}

// Nobody may grow the memory without bound.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	s := play(t, sparkplug.Options{MaxNodes: 2})
	for i := range 5 {
		s.send("NBIRTH", fmt.Sprint("n", i), payload(start, 0, bdSeq(0)))
	}
	if got := s.d.Forgotten(); got != 3 {
		t.Errorf("%d nodes forgotten", got)
	}
	s.send("NDATA", "n0", payload(start, 1)).want("ask n0")

	s = play(t, sparkplug.Options{})
	s.send("NBIRTH", "n", payload(start, 0, bdSeq(0)))
	for i := range sparkplug.MaxDevices {
		s.send("DBIRTH", fmt.Sprint("n/d", i), payload(start, 1))
	}
	s.send("DBIRTH", "n/more", payload(start, 1)).want(`error oversized: node "g/n" has more than 1000 devices`)
}

func TestMetricsPerNodeAreBounded(t *testing.T) {
	t.Parallel()
	s := play(t, sparkplug.Options{})
	s.send("NBIRTH", "n", payload(start, 0, bdSeq(0)))
	var many []metric
	for i := range 4000 {
		many = append(many, flag(fmt.Sprint(i), uint64(i+1), true))
	}
	for _, dev := range []string{"n/a", "n/b", "n/c"} {
		s.send("DBIRTH", dev, payload(start, -1, many...))
	}
	if n := len(s.got); n != 4002 {
		t.Errorf("%d lines", n)
	}
	s.got = s.got[len(s.got)-1:]
	s.want(`error oversized: node "g/n" has more than 10000 metrics`)
	// The device that did not fit is read by its names, and lacks its last aliases only.
	s.at(1).send("DDATA", "n/c", payload(start+1, -1, flag("3999", 0, true), flag("", 1, false).varint(4, 11))).
		want("n/c 3999 1 TRUE value=1", "n/c 0 1 FALSE value=0")
	// Births again do not add up.
	s.send("DBIRTH", "n/a", payload(start+1, -1, flag("x", 1, true))).want("n/a online 1", "n/a x 1 TRUE value=1")
	s.send("DBIRTH", "n/c", payload(start+1, -1, many...))
	if n := len(s.got); n != 4001 {
		t.Errorf("%d lines", n)
	}
}

func TestRecordsPerMessageAreBounded(t *testing.T) {
	t.Parallel()
	var many []metric
	for i := range 5000 {
		many = append(many, flag(fmt.Sprint(i), 0, true))
	}
	s := play(t, sparkplug.Options{})
	s.send("NBIRTH", "n", payload(start, 0, many...))
	if n := len(s.got); n != 4097 {
		t.Errorf("%d lines", n)
	}
	s.got = s.got[4096:]
	s.want("error oversized: payload yields more than 4096 records")
}
