package collector

// maxRing bounds the memory of a ring: about 100 bytes each.
const maxRing = 8192

// ring remembers the last keys that were added. The zero value is empty; it is used by one goroutine at a time.
type ring[K comparable] struct {
	known map[K]struct{}
	order []K // a ring of insertion
	next  int
}

func (r *ring[K]) has(key K) bool {
	_, ok := r.known[key]
	return ok
}

// add remembers a key, in the place of the oldest when there are too many.
func (r *ring[K]) add(key K) {
	if r.has(key) {
		return
	}
	if r.known == nil {
		r.known = make(map[K]struct{})
	}
	if len(r.order) < maxRing {
		r.order = append(r.order, key)
	} else {
		delete(r.known, r.order[r.next])
		r.order[r.next] = key
		r.next = (r.next + 1) % maxRing
	}
	r.known[key] = struct{}{}
}
