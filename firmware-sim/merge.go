package sim

import (
	"container/heap"
	"errors"
	"fmt"
	"io"
	"iter"
)

// source is one device's messages. Their instants never fall.
type source interface {
	// next returns the next message, io.EOF after the last.
	next() (Timed, error)
	// close releases the open file; it may be called at any time and more than once.
	close() error
}

// merged yields the messages of all sources by instant, those of one instant by the sources' order; the order within
// a source is kept. It holds one message of each source. The sources are closed when the sequence ends or is left.
func merged(sources []source) iter.Seq2[Timed, error] {
	return func(yield func(Timed, error) bool) {
		err := mergeTo(sources, func(m Timed) bool { return yield(m, nil) })
		for _, s := range sources {
			err = errors.Join(err, s.close())
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(Timed{}, fmt.Errorf("merge recordings: %w", err))
		}
	}
}

// errStopped says that the consumer left the sequence.
var errStopped = errors.New("stopped")

func mergeTo(sources []source, yield func(Timed) bool) error {
	var heads headHeap
	for i, s := range sources {
		m, err := s.next()
		if errors.Is(err, io.EOF) {
			continue
		}
		if err != nil {
			return err
		}
		heads = append(heads, head{m, s, i})
	}
	heap.Init(&heads)
	for len(heads) > 0 {
		top := &heads[0]
		if !yield(top.message) {
			return errStopped
		}
		m, err := top.source.next()
		switch {
		case errors.Is(err, io.EOF):
			heap.Pop(&heads)
		case err != nil:
			return err
		default:
			top.message = m
			heap.Fix(&heads, 0)
		}
	}
	return nil
}

type head struct {
	message Timed
	source  source
	order   int
}

// headHeap is a container/heap of the sources' next messages.
type headHeap []head

func (h headHeap) Len() int { return len(h) }

func (h headHeap) Less(i, j int) bool {
	if h[i].message.AtMs != h[j].message.AtMs {
		return h[i].message.AtMs < h[j].message.AtMs
	}
	return h[i].order < h[j].order
}

func (h headHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *headHeap) Push(x any) { *h = append(*h, x.(head)) }

func (h *headHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
