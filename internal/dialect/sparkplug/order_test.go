package sparkplug_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/sparkplug"
)

// data is a message of the born node with the number seq, taken at its own time.
func (s *stage) data(seq int, ms int64) *stage {
	s.t.Helper()
	return s.send("NDATA", "n", payload(start+ms, seq, num("", 1, float64(seq)))).want(fmt.Sprintf("n P %d value=%d", ms, seq))
}

// A gap starts the time-out, and when it has passed the node is asked for its birth, which ends the matter.
func TestMissingMessageIsWaitedForThenARebirthRequested(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(1000).data(2, 1000).at(2000).data(4, 2000)
	s.at(3999).poll().at(4000).poll("n").at(4001).poll()
	s.at(4100).send("NBIRTH", "n", payload(start+4100, 0, bdSeq(5), num("P", 1, 1))).want("n online 4100", "n P 4100 value=1")
	s.send("DBIRTH", "n/d", payload(start+4100, 1, num("Q", 2, 1))).want("n/d online 4100", "n/d Q 4100 value=1")
	s.at(5000).data(2, 5000).at(3_600_000).poll()
}

func TestReorderTimeoutIsConfigurable(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{ReorderTimeout: 10 * time.Second})
	s.at(1000).data(3, 1000).at(10_999).poll().at(11_000).poll("n")
}

// The missing message comes in time: nobody is asked, and nothing that it says is lost or moved.
func TestLateMessageEndsTheWait(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(1000).data(4, 1000).data(2, 800).at(2999).data(3, 900).at(600_000).poll()
	// The wait of a second gap is its own.
	s.at(600_001).data(6, 600_001).at(601_000).data(8, 601_000).at(601_500).data(5, 600_000)
	s.at(602_999).poll().at(603_000).poll("n")
}

// Devices and node share one count.
func TestSequenceIsSharedByNodeAndDevices(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.data(2, 1)
	s.send("DDATA", "n/d", payload(start+1, 3, num("", 2, 2))).want("n/d Q 1 value=2")
	s.send("DDEATH", "n/d", payload(start+2, 4)).want("n/d offline 2")
	s.send("DBIRTH", "n/d", payload(start+3, 5, num("Q", 2, 2))).want("n/d online 3", "n/d Q 3 value=2")
	s.data(6, 4).at(3_600_000).poll()
}

func TestSequenceWrapsAfter255(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	for i := 2; i < 1000; i++ {
		s.data(i&0xff, int64(i))
	}
	s.at(3_600_000).poll()
}

// A message that comes twice is read twice and makes the same records; it is no fault of the node's.
func TestRepeatedMessageIsNoFault(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.data(2, 1).data(2, 1).data(3, 2).data(2, 1).at(3_600_000).poll()
}

// Another message with a number that was taken is a fault: two nodes of one name, or a birth that was lost.
func TestTakenNumberIsAFault(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.data(2, 1).data(3, 2)
	s.send("NDATA", "n", payload(start+3, 2, num("P", 0, 7))).want("n P 3 value=7")
	s.send("NDATA", "n", payload(start+4, 2, num("", 1, 7))).want("error malformed: metrics[0]: has the alias 1")
	s.at(1999).poll().at(2000).poll("n")
}

// What the node sent before its birth, by its own clock, is of the session before: its aliases mean nothing now.
func TestDataOfTheSessionBeforeTheBirth(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(1000).send("NBIRTH", "n", payload(start+1000, 0, bdSeq(6), num("P2", 1, 1))).want("n/d offline 999", "n online 1000", "n P2 1000 value=1")
	s.send("NDATA", "n", payload(start+900, 2, num("", 1, 7))).want("error malformed: metrics[0]: has the alias 1")
	s.send("NDATA", "n", payload(start+900, 2, num("P", 0, 7))).want("n P 900 value=7")
	// The next message in order says that nothing is missing.
	s.send("NDATA", "n", payload(start+1001, 1, num("", 1, 7))).want("n P2 1001 value=7").at(3_600_000).poll()
}

// A birth of the session before arrives just after the birth of the present one.
func TestLateBirthOfTheSessionBefore(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(1000).send("NBIRTH", "n", payload(start-1, 0, bdSeq(4), num("P", 1, 9))).want()
	s.data(2, 1)
	// A clock that was set back is another matter: the birth stands alone.
	s.at(10_000).send("NBIRTH", "n", payload(start-60_000, 0, bdSeq(6), num("P", 1, 9))).
		want("n/d offline -60001", "n/d offline 1c", "n online -60000", "n P -60000 value=9")
	s.at(10_001).data(1, -59_999).at(3_600_000).poll()
}

// A late death of a device that has been born again is history, and so is a late birth of one that has died.
func TestLateDeviceBirthsAndDeaths(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.at(3000).send("DBIRTH", "n/d", payload(start+3000, 3, num("Q", 2, 1))).want("n/d online 3000", "n/d Q 3000 value=1")
	s.send("DDEATH", "n/d", payload(start+2000, 2)).want("n/d offline 2000")
	s.send("DDATA", "n/d", payload(start+3001, 4, num("", 2, 2))).want("n/d Q 3001 value=2")
	s.at(6000).send("DDEATH", "n/d", payload(start+6000, 6)).want("n/d offline 6000")
	s.send("DBIRTH", "n/d", payload(start+5000, 5, num("Q", 2, 7))).want("n/d Q 5000 value=7")
	s.send("DDATA", "n/d", payload(start+6001, 7, num("", 2, 2))).want("ask n", "error malformed: metrics[0]: has the alias 2")
}

// An alias that no birth announced needs a birth, and one request at a time.
func TestUnknownAliasRequestsARebirth(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{})
	s.send("NDATA", "n", payload(start, 2, num("", 9, 1), num("", 1, 1))).
		want("n P 0 value=1", "ask n", `error malformed: metrics[0]: has the alias 9, which the birth of "g/n" did not announce`)
	// The device's aliases are announced by its own birth.
	s.send("DDATA", "n/d", payload(start, 3, num("", 1, 1))).want("error malformed: metrics[0]: has the alias 1, which the birth of \"g/n/d\" did not")
}

// Requests to one node are 10 s apart at least, and further apart when they do not help.
func TestRebirthRequestsAreLimited(t *testing.T) {
	t.Parallel()
	s := play(t, sparkplug.Options{})
	var asks []int64
	for ms := int64(0); ms <= 1_300_000; ms += 500 {
		s.at(ms).send("NDATA", "n", payload(start+ms, int(ms/500), num("P", 0, 1)))
		if len(s.got) > 1 {
			asks = append(asks, ms/1000)
		}
	}
	if got, want := fmt.Sprint(asks), "[0 10 30 70 150 310 630 1230]"; got != want {
		t.Errorf("asked at %s s, want %s", got, want)
	}
	// A node that answers and goes on in the same way is asked no more often.
	s = play(t, sparkplug.Options{})
	asked := 0
	for ms := int64(0); ms <= 60_000; ms += 100 {
		s.at(ms).send("NDATA", "n", payload(start+ms, 9, num("", 3, 1)))
		asked += len(s.got) - 1
		s.send("NBIRTH", "n", payload(start+ms, 0, bdSeq(1)))
	}
	if asked > 4 {
		t.Errorf("asked %d times in a minute", asked)
	}
}

// Without anything missing a node is asked each RebirthEvery, from its last birth on.
func TestPeriodicRebirth(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{RebirthEvery: time.Hour})
	s.at(3_599_999).poll().at(3_600_000).poll("n").at(3_600_001).poll()
	s.send("NBIRTH", "n", payload(start+3_600_001, 0, bdSeq(5))).want("n online 3600001")
	s.at(7_200_000).poll().at(7_200_001).poll("n")
	born(t, sparkplug.Options{}).at(360_000_000).poll()
	s.at(8_000_000).send("NDEATH", "n", payload(start, -1, bdSeq(5)))
	s.at(90_000_000).poll()
}

func TestPollAsksAFewAtATime(t *testing.T) {
	t.Parallel()
	s := play(t, sparkplug.Options{RebirthEvery: time.Minute})
	for i := range 300 {
		s.send("NBIRTH", fmt.Sprint("n", i), payload(start, 0, bdSeq(0)))
	}
	s.at(60_000)
	if a, b := len(s.d.Poll(s.nowMs)), len(s.d.Poll(s.nowMs)); a != sparkplug.MaxRequests || b != 300-sparkplug.MaxRequests {
		t.Errorf("asked %d and %d nodes", a, b)
	}
}

// Whatever the order and the repeats within a window, a node is asked when and only when a message never came; and each
// message that came is read at its own time.
func TestOrderNeverLosesNorInvents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := born(t, sparkplug.Options{})
		n := rapid.IntRange(1, 700).Draw(r, "messages")
		lost := map[int]bool{}
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 5).Draw(r, "lost") {
			lost[i] = i < n-1 // a last one that is lost cannot be noticed
		}
		var queue []int
		for i := range n {
			if !lost[i] {
				queue = append(queue, i)
			}
		}
		for i := range queue { // neighbours change places
			if j := i + rapid.IntRange(0, 3).Draw(r, "shift"); rapid.IntRange(0, 9).Draw(r, "swap") == 0 && j < len(queue) {
				queue[i], queue[j] = queue[j], queue[i]
			}
		}
		missing := false
		for i := range n - 1 {
			missing = missing || lost[i]
		}
		for at, i := range queue {
			m := dialect.Message{
				Topic:   "spBv1.0/g/NDATA/n",
				Payload: payload(start+int64(i)+1, (i+2)&0xff, num("", 1, float64(i))), ReceivedMs: start + int64(at) + 1,
			}
			for range rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(r, "copies") {
				res, err := s.d.Decode(m)
				if err != nil || len(res.Records) != 1 || res.Records[0].EventMs != start+int64(i)+1 || len(res.Requests) != 0 {
					r.Fatalf("message %d: %v, %v", i, res, err)
				}
			}
		}
		if got := len(s.d.Poll(start+int64(n)+2000+1)) > 0; got != missing {
			r.Errorf("asked: %v, missing: %v (%v)", got, missing, lost)
		}
	})
}

// After any story of births and deaths, the node is taken for alive when and only when its last birth came after the
// last death that was its own.
func TestOnlyTheOwnDeathEndsASession(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := play(t, sparkplug.Options{})
		session := rapid.IntRange(0, 255).Draw(r, "first")
		alive := false
		for i := range rapid.IntRange(1, 40).Draw(r, "steps") {
			s.at(int64(i+1) * 10_000)
			now := s.nowMs
			switch rapid.SampledFrom([]string{"birth", "again", "death", "old death", "data"}).Draw(r, "step") {
			case "birth":
				session = (session + 1) & 0xff
				s.send("NBIRTH", "n", payload(now, 0, bdSeq(uint64(session)), num("P", 1, 1)))
				alive = true
			case "again":
				s.send("NBIRTH", "n", payload(now, 0, bdSeq(uint64(session)), num("P", 1, 1)))
				alive = true
			case "death":
				s.send("NDEATH", "n", payload(now, -1, bdSeq(uint64(session))))
				alive = false
			case "old death":
				if alive {
					old := (session - rapid.IntRange(1, 100).Draw(r, "older")) & 0xff
					s.send("NDEATH", "n", payload(now, -1, bdSeq(uint64(old))))
				}
			case "data":
				s.send("NDATA", "n", payload(now, -1, num("", 1, 2)))
				got := len(s.got) == 1 && s.got[0] == fmt.Sprintf("n P %d value=2", now-start)
				if got != alive {
					r.Fatalf("alive %v, and data became %v", alive, s.got)
				}
			}
		}
	})
}

// An encoder that does not write zeros leaves the number out where 0 is due; elsewhere its lack says nothing.
func TestNumberZeroMayBeLeftOut(t *testing.T) {
	t.Parallel()
	s := play(t, sparkplug.Options{})
	s.send("NBIRTH", "n", payload(start, -1, bdSeq(1), num("P", 1, 1))).want("n online 0", "n P 0 value=1")
	for i := 1; i < 256; i++ {
		s.data(i, int64(i))
	}
	s.data(-1, 256).data(1, 257).at(3_600_000).poll()
	s.data(-1, 3_600_000).data(2, 3_600_001).at(7_200_000).poll()
	s.data(4, 7_200_000).data(-1, 7_200_001).at(7_202_000).poll("n")
}
