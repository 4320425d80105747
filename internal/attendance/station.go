package attendance

import "slices"

// station returns where a person works, and whether nobody else does: only then a run that begins there is the person's.
func (d *deriver) station(b block, open Stay, seen string, taps []Tap) (id string, alone bool) {
	person := ""
	if open.In >= 0 {
		person = taps[open.In].Person
	}
	id = seen
	if id == "" {
		id = d.enrolledAt(b, person)
	}
	if id == "" || person == "" {
		return "", false
	}
	return id, !d.shared(b, id, person)
}

// enrolledAt is the station that the enrolments of a block's lessons give a person.
func (d *deriver) enrolledAt(b block, person string) string {
	for _, i := range b.lessons {
		for _, e := range d.in.Lessons[i].Trainees {
			if e.Person == person && e.Station != "" {
				return e.Station
			}
		}
	}
	return ""
}

// shared reports whether somebody else of the block's lessons works at the station, by enrolment or by a read there, or
// may do so because nobody says where that person works.
func (d *deriver) shared(b block, station, person string) bool {
	for _, i := range b.lessons {
		for _, e := range d.in.Lessons[i].Trainees {
			if e.Person != person && (e.Station == station || e.Station == "" && !d.readsElsewhere(b, e.Person, station)) {
				return true
			}
		}
	}
	return slices.ContainsFunc(d.in.Taps, func(t Tap) bool {
		return t.Person != "" && t.Person != person && t.Workshop == b.workshop && t.Station == station && b.window.Contains(t.AtMs)
	})
}

// readsElsewhere reports whether a person without a station of their own was read at another one, or at none at all: who
// was never in the room works at no station.
func (d *deriver) readsElsewhere(b block, person, station string) bool {
	there, elsewhere := false, false
	for _, i := range d.within(person, b.window) {
		if t := &d.in.Taps[i]; t.Workshop == b.workshop {
			there = true
			elsewhere = elsewhere || t.Station != "" && t.Station != station
		}
	}
	return !there || elsewhere
}
