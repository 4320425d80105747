package evidence

import "slices"

// Ties returns a cursor over rows that come in order of event time alone: it holds back the entries of one instant and
// puts them in the order of Compare. fill overwrites the entry it is given with the next row, using its slices again,
// and reports whether there was one.
func Ties(fill func(*Entry) (bool, error)) Cursor { return &ties{fill: fill} }

type ties struct {
	fill    func(*Entry) (bool, error)
	pool    []*Entry // the first n are of one instant
	n, next int
	ahead   bool // pool[n] is the first entry of the instant after
	ended   bool
}

// Next implements Cursor.
func (t *ties) Next() (*Entry, error) {
	if t.next == t.n {
		if err := t.gather(); err != nil {
			return nil, err
		}
	}
	if t.next == t.n {
		return nil, nil //nolint:nilnil // the end, by the contract of Cursor
	}
	t.next++
	return t.pool[t.next-1], nil
}

func (t *ties) gather() error {
	if t.ahead {
		t.pool[0], t.pool[t.n] = t.pool[t.n], t.pool[0]
		t.n, t.next, t.ahead = 1, 0, false
	} else {
		t.n, t.next = 0, 0
	}
	for !t.ended {
		if len(t.pool) == t.n {
			t.pool = append(t.pool, &Entry{})
		}
		ok, err := t.fill(t.pool[t.n])
		if err != nil {
			return err
		}
		t.ended = !ok
		if ok && t.n > 0 && t.pool[t.n].EventMs != t.pool[0].EventMs {
			t.ahead = true
			break
		}
		if ok {
			t.n++
		}
	}
	if t.n > 1 {
		slices.SortStableFunc(t.pool[:t.n], Compare)
	}
	return nil
}
