package settle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/ledger"
)

// Errors of periods, told with the base, the period and what stands in the way.
var (
	// ErrNotOver: the period has days that are not over, or over for less than two hours.
	ErrNotOver = errors.New("期间尚未结束 / the period is not over")
	// ErrProvisional: some of the period's days are not final.
	ErrProvisional = errors.New("期间内尚有暂定日：待数据到齐，或由负责人接受缺口 / days of the period are provisional: their data must arrive, or an officer accepts the gap")
	// ErrNotFrozen: late data and corrections are still taken.
	ErrNotFrozen = errors.New("尚在冻结日之前（含当日），不可封存 / it is not past the freeze date, the period cannot be sealed")
	// ErrUnknownBase: the reference data has no such base.
	ErrUnknownBase = errors.New("没有此基地 / there is no such base")
	// ErrUnknownBridge: the base has no such bridge, neither registered nor in the evidence.
	ErrUnknownBridge = errors.New("没有此网桥 / there is no such bridge")
)

// Periods says how far the days and periods of a base have come, and takes them further: provisional, final, sealed. Its methods
// may be called concurrently.
//
// A day is provisional until every bridge's watermark has passed its end, the two hours that decide its end, and the days in which
// a gateway may still give out what it stored; or until an officer accepted the gap. A day of which records are lost for good waits
// for an officer too. A period is finalised when all its days are final, and sealed after its freeze date. Sealed figures stay as
// they are: what comes later makes revisions as ever, and appears beside the seal as supplementary entries.
type Periods struct {
	Keeper *Keeper
	// Freeze is when grace ends; the zero rule is DefaultFreeze.
	Freeze FreezeRule
}

// DayState says whether a day is final, and if not, why.
type DayState struct {
	Day   calendar.Date
	Final bool
	// Over: the day has been over for two hours.
	Over bool
	// Behind are the bridges whose evidence may still come, Lossy those of which records of about that day are lost; the ones that an
	// officer has accepted are in neither.
	Behind, Lossy []string
	Accepted      []ledger.Gap
}

// PeriodStatus is how far a base's period has come.
type PeriodStatus struct {
	Base   string
	Period Period
	// State is "" for provisional, else ledger.PeriodFinal or ledger.PeriodSealed; Steps are what was done, final first.
	State string
	Steps []ledger.PeriodStep
	// FreezeOn is the last day of grace. FreezeErr says why it is not known: the calendar is not published.
	FreezeOn   calendar.Date
	FreezeErr  error
	Days       []DayState // all days of the period, in order
	Watermarks []Watermark
}

// Status returns how far a base's period has come.
func (p *Periods) Status(ctx context.Context, base string, period Period) (*PeriodStatus, error) {
	s, _, err := p.status(ctx, base, period)
	return s, err
}

// view is the evidence that a status was made from.
type view struct {
	inForce *inForce
	reached map[calendar.Date]reach
	all     []calendar.Date // of the period
}

func (p *Periods) status(ctx context.Context, base string, period Period) (*PeriodStatus, *view, error) {
	f, err := p.Keeper.inForce(ctx)
	if err != nil {
		return nil, nil, err
	}
	b, ok := f.settler.registry.Base(base)
	if !ok {
		return nil, nil, fmt.Errorf("%q: %w", base, ErrUnknownBase)
	}
	receipts, err := f.settler.store.Receipts(ctx, base, "")
	if err != nil {
		return nil, nil, fmt.Errorf("find how complete base %s is: %w", base, err)
	}
	var bridges []string
	for _, x := range b.Bridges {
		bridges = append(bridges, x.ID)
	}
	s := &PeriodStatus{Base: base, Period: period, Watermarks: Completeness(receipts, p.Keeper.Now().UnixMilli(), bridges...)}
	v := &view{inForce: f, reached: reachedDays(receipts)}
	if err := p.days(ctx, s, v); err != nil {
		return nil, nil, err
	}
	s.FreezeOn, s.FreezeErr = period.FreezeOn(f.settler.calendar, p.freeze())
	if s.FreezeErr != nil && !errors.Is(s.FreezeErr, calendar.ErrUnpublished) {
		return nil, nil, s.FreezeErr
	}
	if s.Steps, err = p.Keeper.Ledger.PeriodSteps(ctx, base, period.String()); err != nil {
		return nil, nil, err
	}
	for _, step := range s.Steps { // final comes before sealed
		s.State = step.State
	}
	return s, v, nil
}

func (p *Periods) freeze() FreezeRule {
	if p.Freeze == (FreezeRule{}) {
		return DefaultFreeze()
	}
	return p.Freeze
}

// days fills in the state of each day.
func (p *Periods) days(ctx context.Context, s *PeriodStatus, v *view) error {
	first, last := s.Period.Days()
	gaps, err := p.Keeper.Ledger.AcceptedGaps(ctx, s.Base, first.String(), last.String())
	if err != nil {
		return err
	}
	over := p.Keeper.lastOver()
	for d := first; !last.Before(d); d = d.Add(1) {
		day := DayState{Day: d, Over: !over.Before(d)}
		for _, g := range gaps {
			if g.Day == d.String() {
				day.Accepted = append(day.Accepted, g)
			}
		}
		for i := range s.Watermarks {
			day.judge(&s.Watermarks[i], v.expects(s.Base, s.Watermarks[i].Bridge, d))
		}
		nobody := len(s.Watermarks) == 0 && len(day.Accepted) == 0 // nothing can say that the day's data is there
		day.Final = day.Over && !nobody && len(day.Behind) == 0 && len(day.Lossy) == 0
		s.Days, v.all = append(s.Days, day), append(v.all, d)
	}
	return nil
}

// expects reports whether the bridge could have sent anything on the day: one whose keys have all ended before cannot.
func (v *view) expects(base, bridge string, d calendar.Date) bool {
	b, err := v.inForce.settler.registry.Bridge(base, bridge)
	if err != nil || len(b.Keys) == 0 {
		return true
	}
	for _, k := range b.Keys {
		if k.Valid.EndMs > d.Span().StartMs {
			return true
		}
	}
	return false
}

// judge says what a bridge's watermark means for the day.
func (day *DayState) judge(w *Watermark, expected bool) {
	accepted := slices.ContainsFunc(day.Accepted, func(g ledger.Gap) bool { return g.Bridge == "" || g.Bridge == w.Bridge })
	if accepted {
		return
	}
	if expected && w.ThroughMs < day.Day.Add(bufferDays).Span().EndMs {
		day.Behind = append(day.Behind, w.Bridge)
	}
	for _, lost := range w.Lost {
		// A record lies between its neighbours or at one of them.
		if within := day.Day.Span(); lost.Between.StartMs < within.EndMs && lost.Between.EndMs >= within.StartMs {
			day.Lossy = append(day.Lossy, w.Bridge)
			return
		}
	}
}

// Acceptance is an officer's decision that nothing more is waited for.
type Acceptance struct {
	Base     string
	Bridge   string // "" is every bridge of the base
	From, To calendar.Date
	By       string // account
	Reason   string
}

// AcceptGap keeps an acceptance for each of its days and returns how many are new. Days that are not over are refused with
// ErrNotOver: nobody knows yet what will be missing.
func (p *Periods) AcceptGap(ctx context.Context, a Acceptance) (int, error) {
	f, err := p.Keeper.inForce(ctx)
	if err != nil {
		return 0, err
	}
	if err := p.checkAcceptance(ctx, f, &a); err != nil {
		return 0, fmt.Errorf("accept gap of base %s: %w", a.Base, err)
	}
	var gaps []ledger.Gap
	for d := a.From; !a.To.Before(d); d = d.Add(1) {
		gaps = append(gaps, ledger.Gap{
			Base: a.Base, Bridge: a.Bridge, Day: d.String(), By: a.By, Reason: a.Reason, AtMs: p.Keeper.Now().UnixMilli(),
		})
	}
	return p.Keeper.Ledger.AcceptGaps(ctx, gaps)
}

func (p *Periods) checkAcceptance(ctx context.Context, f *inForce, a *Acceptance) error {
	b, ok := f.settler.registry.Base(a.Base)
	switch {
	case !ok:
		return ErrUnknownBase
	case a.To.Before(a.From) || a.From.Add(maxHoleDays).Before(a.To):
		return fmt.Errorf("%s – %s: 起止日期有误，或超过 %d 天 / want the first day before the last, and at most %d days", a.From, a.To, maxHoleDays, maxHoleDays)
	case p.Keeper.lastOver().Before(a.To):
		return fmt.Errorf("%s: %w", a.To, ErrNotOver)
	case a.Bridge == "":
		return nil
	}
	for _, x := range b.Bridges {
		if x.ID == a.Bridge {
			return nil
		}
	}
	receipts, err := f.settler.store.Receipts(ctx, a.Base, a.Bridge)
	if err == nil && len(receipts) == 0 {
		err = fmt.Errorf("%q: %w", a.Bridge, ErrUnknownBridge)
	}
	return err
}

// Finalise settles what is dirty of a period and says that its figures are all there. by is an account. The error is
// ErrProvisional when days are not final, and calendar.ErrUnpublished when the calendar that the period rests on is not
// published. A period that is final already stays as it is.
func (p *Periods) Finalise(ctx context.Context, base string, period Period, by string) (ledger.PeriodStep, error) {
	s, v, err := p.status(ctx, base, period)
	if err != nil {
		return ledger.PeriodStep{}, err
	}
	if s.State != "" {
		return s.Steps[0], nil
	}
	if err := p.ready(ctx, s, v); err != nil {
		return ledger.PeriodStep{}, fmt.Errorf("finalise %s of base %s: %w", period, base, err)
	}
	return p.Keeper.Ledger.Finalise(ctx, p.step(s, by))
}

// Seal closes a final period after its freeze date: its figures are those of now from then on. The error is ErrNotFrozen before,
// ledger.ErrNotFinal when the period was not finalised, and ErrProvisional when one of its days is not final any more. A sealed
// period stays as it is, and nothing opens it again.
func (p *Periods) Seal(ctx context.Context, base string, period Period, by string) (ledger.PeriodStep, error) {
	s, v, err := p.status(ctx, base, period)
	if err != nil {
		return ledger.PeriodStep{}, err
	}
	switch {
	case s.State == ledger.PeriodSealed:
		return s.Steps[len(s.Steps)-1], nil
	case s.State == "":
		err = ledger.ErrNotFinal
	case s.FreezeErr != nil:
		err = s.FreezeErr
	case !s.FreezeOn.Before(calendar.DateOf(p.Keeper.Now())):
		err = fmt.Errorf("%s: %w", s.FreezeOn, ErrNotFrozen)
	default:
		err = p.ready(ctx, s, v)
	}
	if err != nil {
		return ledger.PeriodStep{}, fmt.Errorf("seal %s of base %s: %w", period, base, err)
	}
	return p.Keeper.Ledger.Seal(ctx, p.step(s, by))
}

// ready settles the period's dirty days and says what stands in the way of its figures.
func (p *Periods) ready(ctx context.Context, s *PeriodStatus, v *view) error {
	first, last := s.Period.Days()
	if !s.Days[len(s.Days)-1].Over {
		return fmt.Errorf("%s: %w", last, ErrNotOver)
	}
	if err := v.inForce.settler.calendar.Final(first, last); err != nil {
		return err
	}
	if s.FreezeErr != nil {
		return s.FreezeErr
	}
	var open []string
	for i := range s.Days {
		if !s.Days[i].Final {
			open = append(open, s.Days[i].Day.String())
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("%s: %w", firstFew(open), ErrProvisional)
	}
	return p.Keeper.keepDays(ctx, v.inForce, s.Base, v.reached, v.all)
}

// firstFew names the first few of a list and how many there are.
func firstFew(list []string) string {
	const few = 5
	if len(list) <= few {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s … (%d)", strings.Join(list[:few], ", "), len(list))
}

func (p *Periods) step(s *PeriodStatus, by string) ledger.PeriodStep {
	first, last := s.Period.Days()
	return ledger.PeriodStep{
		Base: s.Base, Period: s.Period.String(), FromDay: first.String(), ToDay: last.String(), By: by, AtMs: p.Keeper.Now().UnixMilli(),
	}
}

// Which says which figures of a period are meant.
type Which string

// The figures of a period.
const (
	Latest Which = "latest" // the latest revisions, supplementary entries among them
	Sealed Which = "sealed" // as they were sealed
)

// Figures returns the figures of a base's period, which are the same byte for byte however often sealed ones are asked for. The error is
// ledger.ErrNotSealed when sealed ones are wanted and there are none.
func (p *Periods) Figures(ctx context.Context, base string, period Period, which Which) (*ledger.Figures, error) {
	if which == Sealed {
		return p.Keeper.Ledger.SealedFigures(ctx, base, period.String())
	}
	first, last := period.Days()
	return p.Keeper.Ledger.LatestFigures(ctx, base, first.String(), last.String())
}

// Supplements returns the supplementary entries of a sealed period; the error is ledger.ErrNotSealed when it is not sealed.
func (p *Periods) Supplements(ctx context.Context, base string, period Period) ([]ledger.Supplement, error) {
	return p.Keeper.Ledger.Supplements(ctx, base, period.String())
}
