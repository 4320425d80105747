package collector

import (
	"context"
	"math"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const (
	// maxLinks is how many ranges of one log are remembered: twice the largest window of a bridge's default.
	maxLinks = 128
	// maxLogs bounds the logs that are remembered; an enrolled bridge could invent epochs.
	maxLogs = 4096
	// nearMs is how far from a frame's own time its neighbours in the log are looked for first: an hour.
	nearMs = 3_600_000
	// maxWitnesses is how many messages of a frame are compared with what is stored, when no hash can tell.
	maxWitnesses = 5
)

// lineage remembers the chains of the logs that frames came from lately. A log that was restored from an old copy goes on
// with numbers that the city has already, under another chain: its frames would replace evidence, and are refused [F-3.4]. The
// goroutine that verifies is its only user.
type lineage map[bridgeLog]*ancestry

// ancestry is what is known of one log.
type ancestry struct {
	links  []link // newest last
	head   uint64 // the highest number that is known to be stored or on its way
	forked bool   // a frame of this log did not fit: what nothing connects is refused too
}

// link is a range of a log with the hashes at its ends.
type link struct {
	first, last   uint64
	before, after [32]byte
}

func (l *lineage) of(log bridgeLog) *ancestry {
	if *l == nil || len(*l) >= maxLogs {
		*l = make(lineage)
	}
	a := (*l)[log]
	if a == nil {
		a = &ancestry{}
		(*l)[log] = a
	}
	return a
}

func (a *ancestry) learn(links ...link) {
	for _, n := range links {
		a.head = max(a.head, n.last)
	}
	a.links = append(a.links, links...)
	a.links = a.links[max(0, len(a.links)-maxLinks):]
}

// kinship is how a frame stands to what is known of its log.
type kinship int

const (
	unrelated kinship = iota // nothing known touches it
	akin                     // it goes on from, leads to, or repeats what is known
	unclear                  // it lies inside of what is known, where no hash was kept
	alien                    // it does not fit
)

// continues judges whether the frame belongs to the chain that the city has, and returns the reason to refuse it, or "".
// What is known in memory decides nearly always; else the store is asked, near the frame's time first.
func (c *Collector) continues(ctx context.Context, d *delivery) (refuse string, err error) {
	f := d.frame
	if f.Count == 0 {
		return "", nil
	}
	a := c.lineage.of(bridgeLog{f.Base, f.Bridge, f.Epoch})
	remembered, _ := kinshipOf(a.links, d)
	kin := remembered
	if kin == unrelated || kin == unclear || kin == akin && f.First <= a.head {
		if kin, err = c.askStore(ctx, a, d); kin == unrelated && remembered == akin {
			kin = akin // its neighbours are on their way to the store
		}
	}
	switch {
	case err != nil:
		return "", err
	case kin == alien, kin == unrelated && a.forked:
		a.forked = true
		return frame.RefusedForked, nil
	}
	a.learn(link{f.First, f.Last(), f.ChainBefore, d.chainAfter})
	return "", nil
}

// askStore looks for the frame's kin among the receipts. A frame that is stored whole is not written again: in a store
// that keeps the later written of two values, an old frame that comes back would undo a newer one.
func (c *Collector) askStore(ctx context.Context, a *ancestry, d *delivery) (kinship, error) {
	f := d.frame
	near := span.Span{StartMs: f.FirstMs - nearMs, EndMs: f.LastMs + nearMs}
	known, err := c.receiptsAmong(ctx, f, near)
	if err != nil {
		return unrelated, err
	}
	a.learn(known...)
	kin, doubt := kinshipOf(known, d)
	if kin == unrelated && (a.head == 0 || f.First <= a.head) {
		if known, err = c.receiptsAmong(ctx, f, span.Span{}); err != nil {
			return unrelated, err
		}
		a.learn(known...)
		kin, doubt = kinshipOf(known, d)
	}
	if kin == unclear {
		if kin, err = c.askEvidence(ctx, d, doubt); err != nil {
			return kin, err
		}
	}
	d.stored = kin == akin && len(f.Missing) == 0 && covers(known, f)
	return kin, nil
}

// covers reports whether the ranges hold every number of the frame.
func covers(known []link, f *frame.Frame) bool {
	var have []frame.Range
	for _, k := range known {
		have = append(have, frame.Range{First: k.first, Last: k.last})
	}
	for _, r := range frame.MergeRanges(have) {
		if r.First <= f.First && r.Last >= f.Last() {
			return true
		}
	}
	return false
}

// receiptsAmong returns the stored ranges that the frame overlaps or touches.
func (c *Collector) receiptsAmong(ctx context.Context, f *frame.Frame, window span.Span) ([]link, error) {
	q := evidence.ReceiptQuery{
		Base: f.Base, Bridge: f.Bridge, Epoch: f.Epoch, Window: window,
		First: min(max(f.First-1, 1), math.MaxInt64), Last: min(f.Last(), math.MaxInt64-1) + 1,
	}
	var links []link
	err := c.patiently(ctx, "read receipts", func() error {
		receipts, err := c.o.Store.ReceiptsAmong(ctx, q)
		links = links[:0]
		for _, r := range receipts {
			if !r.Missing {
				links = append(links, link{r.First, r.Last, r.ChainBefore, r.ChainAfter})
			}
		}
		return err
	})
	return links, err
}

// kinshipOf compares the frame's hashes with those of known ranges, wherever both have one. When it is unclear, doubt is
// the part of the frame that is stored and whose end no hash reaches: it lies in one known range.
func kinshipOf(known []link, d *delivery) (kin kinship, doubt frame.Range) {
	f := d.frame
	proven, wanted := f.First, f.First // up to where the two are known, and should be known, to be one
	for _, k := range known {
		if k.last+1 < f.First || k.first > f.Last()+1 {
			continue
		}
		for _, end := range [...]struct {
			at   uint64 // the hash is the one before this number
			hash [32]byte
		}{{k.first, k.before}, {k.last + 1, k.after}} {
			if end.at < f.First || end.at > f.Last()+1 {
				continue
			}
			if d.chainBefore(end.at) != end.hash {
				return alien, doubt
			}
			kin, proven = akin, max(proven, end.at)
		}
		if k.first <= f.Last() && k.last >= f.First {
			wanted = max(wanted, min(k.last, f.Last())+1)
		}
	}
	if proven < wanted {
		return unclear, frame.Range{First: proven, Last: wanted - 1}
	}
	return kin, doubt
}

// chainBefore is the chain's hash before a number of the frame or after its last.
func (d *delivery) chainBefore(seq uint64) [32]byte {
	f := d.frame
	if seq == f.Last()+1 {
		return d.chainAfter
	}
	hash := f.ChainBefore
	for i := range d.batch.Messages[:seq-f.First] {
		m := &d.batch.Messages[i]
		hash = frame.ChainNext(hash, m.Seq, frame.AppendMessage(nil, m))
	}
	return hash
}

// askEvidence looks whether the last messages of the doubtful part are stored under their numbers: the chain makes sure
// of those before. It is for a repeat that was cut otherwise than the first time, which is rare.
func (c *Collector) askEvidence(ctx context.Context, d *delivery, doubt frame.Range) (kinship, error) {
	messages := d.batch.Messages[doubt.First-d.frame.First : doubt.Last-d.frame.First+1]
	asked := 0
	for i := len(messages) - 1; i >= 0 && asked < maxWitnesses; i-- {
		r := witness(&messages[i])
		if r == nil {
			continue
		}
		asked++
		switch held, err := c.held(ctx, d.frame, r); {
		case err != nil:
			return unclear, err
		case held == messages[i].Seq:
			return akin, nil
		case held < messages[i].Seq:
			return alien, nil
		}
		// A later message of the log has the record's place: this one says nothing.
	}
	return akin, nil // there is nothing that it could replace
}

// witness returns a record of the message that the store has as evidence, or nil.
func witness(m *telemetry.Message) *telemetry.Record {
	for i := range m.Records {
		if m.Records[i].Kind != telemetry.KindRaw {
			if reason, _ := evidence.Check(m, i); reason == telemetry.ReasonNone {
				return &m.Records[i]
			}
		}
	}
	return nil
}

// held returns the number under which this log's record of the same identity is stored; 0 when there is none.
func (c *Collector) held(ctx context.Context, f *frame.Frame, r *telemetry.Record) (seq uint64, err error) {
	q := evidence.Query{
		Base: f.Base, Device: r.Device, Kinds: []telemetry.Kind{r.Kind}, Window: span.Span{StartMs: r.EventMs, EndMs: r.EventMs + 1},
	}
	err = c.patiently(ctx, "read evidence", func() error {
		seq = 0
		return c.o.Store.Read(ctx, q, func(e *evidence.Entry) error {
			if e.Epoch == f.Epoch && e.Channel == r.Channel && e.Card == r.Card {
				seq = max(seq, e.Seq)
			}
			return nil
		})
	})
	return seq, err
}
