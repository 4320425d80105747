package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// boardTTL is how old a shared board may be.
const boardTTL = time.Second

// boardReaders bounds how many devices of a base are asked for their last word at once.
const boardReaders = 4

// boards shares one computed board among all that ask within its time to live: what many browsers poll is derived once.
type boards struct {
	mu     sync.Mutex          // guards byBase, not what it points to
	byBase map[string]*attempt // the last attempt of each registered base
}

// attempt is one computation of a board. board and err are written before done is closed and never after.
type attempt struct {
	began time.Time
	done  chan struct{}
	board *Board
	err   error
}

var errBoardPanicked = errors.New("the computation of the board panicked")

// of returns the base's board, at most boardTTL old at now. Whoever finds none that young computes it, in its own
// goroutine; whoever comes meanwhile waits for the same one, and shares its failure. A failure is not kept: the next to
// come tries again. Bases do not wait for each other.
func (b *boards) of(ctx context.Context, base string, now time.Time, compute func() (*Board, error)) (*Board, error) {
	a, mine := b.join(base, now)
	if mine {
		a.err = errBoardPanicked // unless compute returns
		defer close(a.done)
		a.board, a.err = compute()
		return a.board, a.err
	}
	select {
	case <-a.done:
		return a.board, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// join returns the attempt to wait for, or a new one that is the caller's to make.
func (b *boards) join(base string, now time.Time) (a *attempt, mine bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a = b.byBase[base]; a != nil && a.useful(now) {
		return a, false
	}
	a = &attempt{began: now, done: make(chan struct{})}
	if b.byBase == nil {
		b.byBase = make(map[string]*attempt)
	}
	b.byBase[base] = a
	return a, true
}

func (a *attempt) useful(now time.Time) bool {
	select {
	case <-a.done:
		age := now.Sub(a.began)
		return a.err == nil && age >= 0 && age < boardTTL // a negative age is a clock that was set back
	default:
		return true
	}
}

func (s *Server) stateNow(ctx context.Context, in *baseInput) (*boardOutput, error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	now := s.o.Now()
	board, err := s.boards.of(ctx, in.Base, now, func() (*Board, error) { return s.board(ctx, in.Base, now) })
	if err != nil {
		return nil, s.problem(err)
	}
	return &boardOutput{Body: *board}, nil
}

func (s *Server) board(ctx context.Context, base string, now time.Time) (*Board, error) {
	b, _ := s.world().Registry.Base(base)
	machines, err := s.world().Settler.Machines(ctx, base, settle.Window(calendar.DateOf(now), now.UnixMilli()))
	if err != nil {
		return nil, err
	}
	board := &Board{
		Base: base, Name: b.Name, NameEN: b.NameEN, Now: now.UTC(), Floor: s.o.Floor, Workshops: []Workshop{},
		Machines: make([]MachineState, len(machines)),
	}
	for _, w := range b.Workshops {
		board.Workshops = append(board.Workshops, Workshop{ID: w.ID, Name: w.Name, NameEN: w.NameEN})
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(boardReaders)
	for i, m := range machines {
		g.Go(func() error {
			board.Machines[i] = stateOf(m, s.o.Floor)
			return s.lastWord(ctx, m, now, &board.Machines[i])
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return board, nil
}
