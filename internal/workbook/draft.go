package workbook

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/registry"
)

// draft is one base as it will be. Its lists keep the order of what there was, with new rows behind.
type draft struct {
	code    string
	touched bool
	rest    registry.Base    // what no sheet has: bridges
	checks  []registry.Check // likewise

	self       *store[baseRow]
	workshops  *store[workshopRow]
	stations   *store[stationRow]
	equipment  *store[equipmentRow]
	devices    *store[registry.Device]
	bindings   *store[registry.Binding]
	hours      *store[hoursRow]
	exceptions *store[exceptionRow]
	persons    *store[personRow]
	cards      *store[registry.Card]
	classes    *store[registry.Class]
	enrolments *store[registry.Enrolment]
	sessions   *store[sessionRow]
	claims     *store[claimRow]

	spots map[string]listed // by path in the registry's problems
}

// listed is an entry of a store.
type listed struct {
	store interface {
		origin(i int) *row
		label(i int) (zh, en string)
	}
	i int
}

// loadDraft takes a base apart into the rows that sheets have.
func loadDraft(b registry.Base, c Content) *draft {
	people := c.People[b.Code]
	d := &draft{code: b.Code, rest: registry.Base{Bridges: b.Bridges}, checks: people.Checks}
	d.self = newStore([]baseRow{loadBase(b, c.Units)}, baseTable.info(), baseTable.key)
	var stations []stationRow
	var workshops []workshopRow
	hours, exceptions := rowsOfHours("", b.Hours), rowsOfExceptions("", b.Exceptions)
	for _, w := range b.Workshops {
		workshops = append(workshops, workshopRow{ID: w.ID, Name: w.Name, NameEN: w.NameEN})
		for _, s := range w.Stations {
			stations = append(stations, stationRow{Workshop: w.ID, Station: s})
		}
		hours = append(hours, rowsOfHours(w.ID, w.Hours)...)
		exceptions = append(exceptions, rowsOfExceptions(w.ID, w.Exceptions)...)
	}
	d.workshops = newStore(workshops, workshopTable.info(), workshopTable.key)
	d.stations = newStore(stations, stationTable.info(), stationTable.key)
	d.hours = newStore(hours, hoursTable.info(), hoursTable.key)
	d.exceptions = newStore(exceptions, exceptionTable.info(), exceptionTable.key)
	d.equipment = newStore(rowsOfEquipment(b.Equipment), equipmentTable.info(), equipmentTable.key)
	d.devices = newStore(slices.Clone(b.Devices), deviceTable.info(), deviceTable.key)
	d.bindings = newStore(slices.Clone(b.Bindings), bindingTable.info(), bindingTable.key)
	d.loadPeople(people, c.Identities)
	return d
}

func (d *draft) loadPeople(p registry.People, identities []Identity) {
	d.persons = newStore(rowsOfPersons(d.code, p.Persons, identities), traineeTable.info(), traineeTable.key)
	d.cards = newStore(slices.Clone(p.Cards), cardTable.info(), cardTable.key)
	d.classes = newStore(slices.Clone(p.Classes), classTable.info(), classTable.key)
	d.enrolments = newStore(slices.Clone(p.Enrolments), enrolmentTable.info(), enrolmentTable.key)
	d.sessions = newStore(rowsOfSessions(p.Sessions), sessionTable.info(), sessionTable.key)
	d.claims = newStore(rowsOfClaims(p.Claims), claimTable.info(), claimTable.key)
}

// emptyDraft is a base that is new.
func emptyDraft(code string) *draft {
	d := loadDraft(registry.Base{Code: code}, Content{})
	d.self = newStore[baseRow](nil, baseTable.info(), baseTable.key)
	return d
}

// assemble puts the base together again, and remembers where each part came from.
func (d *draft) assemble() (registry.Base, registry.People) {
	d.spots = map[string]listed{}
	b := d.rest
	if len(d.self.list) > 0 {
		b = d.self.list[0].Base
		b.Bridges = d.rest.Bridges
		d.spots[""] = listed{d.self, 0}
	}
	b.Code = d.code
	b.Workshops, b.Hours, b.Exceptions = nil, nil, nil
	at := d.assembleWorkshops(&b)
	d.assembleOpening(&b, at)
	b.Equipment = gather(d, "equipment", d.equipment, func(e equipmentRow) registry.Equipment { return e.Equipment })
	b.Devices = gather(d, "devices", d.devices, same)
	b.Bindings = gather(d, "bindings", d.bindings, same)
	return b, d.assemblePeople()
}

func same[T any](v T) T { return v }

func gather[T, U any](d *draft, list string, from *store[T], part func(T) U) []U {
	var out []U
	for i, v := range from.list {
		d.spots[fmt.Sprintf("%s[%d]", list, i)] = listed{from, i}
		out = append(out, part(v))
	}
	return out
}

// assembleWorkshops returns the place of each workshop.
func (d *draft) assembleWorkshops(b *registry.Base) map[string]int {
	at := map[string]int{}
	for i, w := range d.workshops.list {
		at[w.ID] = i
		d.spots[fmt.Sprintf("workshops[%d]", i)] = listed{d.workshops, i}
		b.Workshops = append(b.Workshops, registry.Workshop{ID: w.ID, Name: w.Name, NameEN: w.NameEN})
	}
	for i, s := range d.stations.list {
		if j, ok := at[s.Workshop]; ok {
			w := &b.Workshops[j]
			d.spots[fmt.Sprintf("workshops[%d].stations[%d]", j, len(w.Stations))] = listed{d.stations, i}
			w.Stations = append(w.Stations, s.Station)
		}
	}
	return at
}

// assembleOpening sorts hours and exceptions to their base or workshop.
func (d *draft) assembleOpening(b *registry.Base, at map[string]int) {
	for i, h := range d.hours.list {
		prefix, list := "", &b.Hours
		if h.Workshop != "" {
			j, ok := at[h.Workshop]
			if !ok {
				continue // reported where it was read
			}
			prefix, list = fmt.Sprintf("workshops[%d].", j), &b.Workshops[j].Hours
		}
		d.spots[fmt.Sprintf("%shours[%d]", prefix, len(*list))] = listed{d.hours, i}
		*list = append(*list, h.Hours)
	}
	for i, e := range d.exceptions.list {
		prefix, list := "", &b.Exceptions
		if e.Workshop != "" {
			j, ok := at[e.Workshop]
			if !ok {
				continue
			}
			prefix, list = fmt.Sprintf("workshops[%d].", j), &b.Workshops[j].Exceptions
		}
		d.spots[fmt.Sprintf("%sexceptions[%d]", prefix, len(*list))] = listed{d.exceptions, i}
		*list = append(*list, e.Exception)
	}
}

func (d *draft) assemblePeople() registry.People {
	return registry.People{
		Base:       d.code,
		Persons:    gather(d, "persons", d.persons, func(p personRow) registry.Person { return p.Person }),
		Cards:      gather(d, "cards", d.cards, same),
		Classes:    gather(d, "classes", d.classes, same),
		Enrolments: gather(d, "enrolments", d.enrolments, same),
		Sessions:   gather(d, "sessions", d.sessions, func(s sessionRow) registry.Session { return s.Session }),
		Claims:     gather(d, "claims", d.claims, func(c claimRow) registry.Claim { return c.Claim }),
		Checks:     d.checks,
	}
}

// joinKey makes one key of several parts.
func joinKey(parts ...string) string { return strings.Join(parts, keySeparator) }

const keySeparator = "\x00"

// printableKey is a key for people.
func printableKey(key string) string {
	return strings.Join(strings.FieldsFunc(key, func(r rune) bool { return r == 0 }), " ")
}
