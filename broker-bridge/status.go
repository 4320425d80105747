package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// maxLossesShown bounds the ranges of a Status: a log that lost every second record has thousands.
const maxLossesShown = 100

// Status is everything that an operator at the base asks of a bridge, at one moment. Its JSON is stable and described in
// docs/status.md. Instants are Unix ms by the bridge's own clock unless a field says otherwise. Names of devices, topics
// and details are texts that anybody on the base's network can choose.
type Status struct {
	Base      string `json:"base"`
	Bridge    string `json:"bridge"`
	NowMs     int64  `json:"now_ms"`
	StartedMs int64  `json:"started_ms"`
	// Replayed says that a replayer's clock stamps messages; ReceiveMs is the clock that does: NowMs, or the replayer's.
	Replayed   bool             `json:"replayed_clock"`
	ReceiveMs  int64            `json:"receive_clock_ms"`
	Uplink     UplinkStatus     `json:"uplink"`
	Queue      QueueStatus      `json:"queue"`
	Disk       DiskStatus       `json:"disk"`
	Losses     LossStatus       `json:"losses"`
	Intake     IntakeStatus     `json:"intake"`
	Quarantine QuarantineStatus `json:"quarantine"`
	// Devices are those heard since the start, at most a thousand, in order of name. UntrackedRecords came from others.
	Devices          []DeviceStatus `json:"devices"`
	UntrackedRecords int64          `json:"untracked_records"`
}

// DeviceStatus is a device with the state that it has at Status.ReceiveMs.
type DeviceStatus struct {
	DeviceSeen
	State DeviceState `json:"state"`
}

// QueueStatus is what waits for the city.
type QueueStatus struct {
	Records uint64 `json:"records"`
	Bytes   int64  `json:"bytes"` // on disk, estimated
	// OldestMs is when the oldest of them was received, by the receiving clock; 0 when nothing waits.
	OldestMs int64 `json:"oldest_ms"`
	// Unsendable counts records since the start that no frame can carry: they stay at the base, and the city is told that
	// they are missing.
	Unsendable int64 `json:"unsendable_records"`
}

// DiskStatus is how the log and its disk are.
type DiskStatus struct {
	// Epoch is the log's, 16 hexadecimal digits; Begin is the oldest number it holds, End one above the newest.
	Epoch    string `json:"epoch"`
	Begin    uint64 `json:"begin"`
	End      uint64 `json:"end"`
	Segments int    `json:"segments"`
	// LogBytes of MaxBytes (0 = no bound) are in use, with what is kept for audit.
	LogBytes int64 `json:"log_bytes"`
	MaxBytes int64 `json:"max_bytes"`
	// FreeBytes are free on the disk (-1 = not known), of which MinFreeBytes are not the log's to take.
	FreeBytes    int64 `json:"free_bytes"`
	MinFreeBytes int64 `json:"min_free_bytes"`
	// RoomBytes may still be taken before the log is full, when what is kept for audit makes room; -1 = not known.
	RoomBytes    int64 `json:"room_bytes"`
	AuditSeconds int64 `json:"audit_seconds"`
	DropOldest   bool  `json:"drop_oldest"`
	// FullSinceMs is since when devices are not acknowledged because the log is full; 0 when it is not.
	FullSinceMs int64 `json:"full_since_ms"`
	// Failed is why the log takes nothing until the bridge is started again; "" when it does.
	Failed string `json:"failed"`
}

// LossStatus is what will never reach the city.
type LossStatus struct {
	ByCause []LossSum `json:"by_cause"`
	// Recent are the ranges with the highest numbers, at most 100, the highest first.
	Recent []LossRange `json:"recent"`
}

// LossSum sums up the losses of one cause.
type LossSum struct {
	Cause   string `json:"cause"` // as spool.Cause names it
	Records uint64 `json:"records"`
	Untold  uint64 `json:"untold_records"` // the city does not know of these yet
}

// LossRange is one range of numbers of the log that have no record.
type LossRange struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	Cause string `json:"cause"`
}

// status is what the bridge can say about itself without asking the log.
type status struct {
	startedMs   atomic.Int64 // 0 before Run
	fullSinceMs atomic.Int64
	unsendable  atomic.Int64
	ended       atomic.Bool
	seen        seen
	link        link
	intake      intakes
	oldest      oldestRecord
}

// Status returns a picture of the bridge. It asks the file system for the free space and, while the city is away, now and
// then the log for its oldest record. It may be called concurrently, before Run and after it.
func (b *Bridge) Status() Status {
	now := b.o.Now()
	receiveMs, _ := b.nowMs()
	uplink, oldestMs := b.status.link.status(b.status.startedMs.Load(), b.o.Window)
	in, quarantine := b.status.intake.status(now)
	in.WaitingMessages = len(b.inbox.queue)
	log := b.o.Log.Stats()
	devices, untracked := b.status.seen.all()
	s := Status{
		Base: b.o.Base, Bridge: b.o.ID, NowMs: now.UnixMilli(), StartedMs: b.status.startedMs.Load(),
		Replayed: b.o.ReplayClock, ReceiveMs: receiveMs, Uplink: uplink, Intake: in, Quarantine: quarantine,
		Queue: QueueStatus{
			Records: log.UnackedRecords, Bytes: log.UnackedBytes, OldestMs: b.oldestMs(oldestMs), Unsendable: b.status.unsendable.Load(),
		},
		Disk: b.disk(log), Losses: SumLosses(b.o.Log.Losses(), b.o.Log.Acknowledged()),
		Devices: make([]DeviceStatus, 0, len(devices)), UntrackedRecords: untracked,
	}
	for _, d := range devices {
		s.Devices = append(s.Devices, DeviceStatus{d, d.State(receiveMs)})
	}
	return s
}

// Ready returns nil while the bridge takes messages: it runs, its log is whole and has room. It may be called concurrently.
func (b *Bridge) Ready() error {
	var errs []error
	if b.status.startedMs.Load() == 0 || b.status.ended.Load() {
		errs = append(errs, errors.New("bridge does not run"))
	}
	if b.status.fullSinceMs.Load() != 0 {
		errs = append(errs, spool.ErrFull)
	}
	if err := b.o.Log.Stats().Failed; err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (b *Bridge) disk(log spool.Stats) DiskStatus {
	limits := b.o.Log.Limits()
	d := DiskStatus{
		Epoch: fmt.Sprintf("%016x", log.Epoch), Begin: log.Begin, End: log.End, Segments: log.Segments,
		LogBytes: log.Bytes, MaxBytes: limits.MaxBytes, FreeBytes: log.FreeBytes, MinFreeBytes: limits.MinFreeBytes,
		RoomBytes: b.o.Log.Room(), AuditSeconds: int64(limits.Audit.Seconds()), DropOldest: limits.DropOldest,
		FullSinceMs: b.status.fullSinceMs.Load(),
	}
	if log.Failed != nil {
		d.Failed = log.Failed.Error()
	}
	return d
}

// SumLosses sums up the losses of a log, of which the city knows those that it acknowledged. Both ascend.
func SumLosses(losses []spool.Loss, acknowledged []spool.Range) LossStatus {
	s := LossStatus{ByCause: []LossSum{}, Recent: []LossRange{}}
	sums := make(map[spool.Cause]*LossSum)
	for _, l := range losses {
		if sums[l.Cause] == nil {
			sums[l.Cause] = &LossSum{Cause: l.Cause.String()}
		}
		records := l.Last - l.First + 1
		sums[l.Cause].Records += records
		sums[l.Cause].Untold += records - overlap(l.Range, acknowledged)
	}
	for _, cause := range []spool.Cause{spool.CauseDropped, spool.CauseCorrupt, spool.CauseVanished, spool.CauseTorn} {
		if sums[cause] != nil {
			s.ByCause = append(s.ByCause, *sums[cause])
		}
	}
	for _, l := range slices.Backward(losses) {
		if len(s.Recent) == maxLossesShown {
			break
		}
		s.Recent = append(s.Recent, LossRange{l.First, l.Last, l.Cause.String()})
	}
	return s
}

// overlap counts the numbers of r that are in the ranges, which ascend.
func overlap(r spool.Range, ranges []spool.Range) (n uint64) {
	i, _ := slices.BinarySearchFunc(ranges, r.First, func(of spool.Range, first uint64) int { return cmp.Compare(of.Last, first) })
	for ; i < len(ranges) && ranges[i].First <= r.Last; i++ {
		n += min(r.Last, ranges[i].Last) - max(r.First, ranges[i].First) + 1
	}
	return n
}

// oldestRecord remembers when the oldest record that waits was received, so that the log is read once for each.
type oldestRecord struct {
	mu         sync.Mutex // guards what follows, also while the log is read
	first      uint64     // the lowest number without an acknowledgement that was looked for
	receivedMs int64
}

// oldestMs returns when the oldest record that waits for the city was received, 0 when none does or it cannot be read.
// What the forwarder knows stands for it: while frames go out, the oldest one changes all the time.
func (b *Bridge) oldestMs(known int64) int64 {
	first, records, _ := b.o.Log.Unacknowledged()
	switch {
	case records == 0:
		return 0
	case known != 0:
		return known
	}
	o := &b.status.oldest
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.first == first && o.receivedMs != 0 {
		return o.receivedMs
	}
	o.first, o.receivedMs = first, b.receivedOf(first)
	return o.receivedMs
}

// receivedOf returns when the first record from a number on was received that the city does not have, 0 when there is none.
func (b *Bridge) receivedOf(first uint64) int64 {
	stored := b.o.Log.Acknowledged()
	reader, err := b.o.Log.Reader(first)
	if err != nil {
		return 0
	}
	defer func() { _ = reader.Close() }() // it only reads
	var rec spool.Record
	for {
		err := reader.Next(&rec)
		if _, gap := errors.AsType[*spool.GapError](err); gap {
			continue
		}
		if err != nil {
			return 0
		}
		if overlap(spool.Range{First: rec.Seq, Last: rec.Seq}, stored) == 0 {
			return rec.ReceivedMs
		}
	}
}
