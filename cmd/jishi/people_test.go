package main_test

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// makePeople DIR makes a ledger in a data directory with three persons of the base cq01, their identities sealed with the
// keys there, which it makes when there are none: p1 came to a session in 2012, p2 never came, p3 comes next year.
func makePeople(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: makepeople DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o750))
	atMs := time.Date(2021, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	keys := filepath.Join(dir, "identity.key")
	if _, err := os.Stat(keys); err != nil {
		_, err := identity.CreateKeys(keys, atMs)
		ts.Check(err)
	}
	vault, err := identity.OpenVault(keys)
	ts.Check(err)
	c := scriptPeople(atMs)
	for i, name := range []string{"欧阳明月", "李四", "王小五"} {
		person := c.People[0].Persons[i].ID
		sealed, err := vault.Seal("cq01", person, identity.Record{Name: name, IDNumber: "500103199003071239", Phone: "13800001234"})
		ts.Check(err)
		c.Identities = append(c.Identities, ledger.Identified{Base: "cq01", Person: person, Sealed: sealed})
	}
	l, err := ledger.Open(context.Background(), filepath.Join(dir, "ledger.db"))
	ts.Check(err)
	_, err = l.PutReference(context.Background(), c)
	ts.Check(err)
	ts.Check(l.Close())
}

func scriptPeople(atMs int64) ledger.Change {
	lesson := func(id string, year int) registry.Session {
		start := time.Date(year, 3, 1, 1, 0, 0, 0, time.UTC).UnixMilli()
		return registry.Session{ID: id, Class: id, Span: span.Span{StartMs: start, EndMs: start + 3_600_000}}
	}
	class := func(id string) registry.Class {
		return registry.Class{ID: id, Name: "班次", Use: registry.UseSocial, Profile: registry.Bench, Workshop: "w"}
	}
	enrolled := func(class, person string) registry.Enrolment {
		return registry.Enrolment{Class: class, Person: person, Valid: registry.Always()}
	}
	return ledger.Change{
		AtMs: atMs, Actor: "test", Since: ledger.AnyVersion,
		Bases: []registry.Base{{
			Code: "cq01", Name: "基地", Tier: registry.TierLocal, Districts: []registry.District{{Code: "500112", Valid: registry.Always()}},
			Workshops: []registry.Workshop{{ID: "w", Name: "车间"}},
		}},
		People: []registry.People{{
			Base: "cq01", Persons: []registry.Person{{ID: "p1"}, {ID: "p2"}, {ID: "p3"}}, Classes: []registry.Class{class("old"), class("new")},
			Sessions:   []registry.Session{lesson("old", 2012), lesson("new", time.Now().Year()+1)},
			Enrolments: []registry.Enrolment{enrolled("old", "p1"), enrolled("new", "p3")},
		}},
	}
}
