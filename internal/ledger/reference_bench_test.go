package ledger_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// large is a base with 50,000 persons in 1,000 classes and 200,000 sessions: an import of this size takes seconds.
func large(base string) registry.People {
	p := class(base, 50_000, 0)
	first := p.Classes[0]
	p.Classes = nil
	for i := range 1000 {
		c := first
		c.ID = fmt.Sprintf("c%04d", i)
		p.Classes = append(p.Classes, c)
		for j := range 200 {
			start := monday + int64(j)*dayMs + 9*hourMs
			p.Sessions = append(p.Sessions, registry.Session{
				ID: fmt.Sprintf("%s-%03d", c.ID, j), Class: c.ID, Span: span.Span{StartMs: start, EndMs: start + 2*hourMs}, Practice: true,
			})
		}
	}
	for i := range p.Enrolments {
		p.Enrolments[i].Class = p.Classes[i%1000].ID
	}
	return p
}

func BenchmarkReference(b *testing.B) {
	people := large("b")
	open := func(b *testing.B) *ledger.Ledger {
		l, err := ledger.Open(b.Context(), filepath.Join(b.TempDir(), "ledger.db"))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = l.Close() })
		return l
	}
	change := ledger.Change{Since: ledger.AnyVersion, Bases: []registry.Base{workshop("b")}, People: []registry.People{people}}
	b.Run("put", func(b *testing.B) {
		for b.Loop() {
			putReference(b, open(b), change)
		}
	})
	l := open(b)
	putReference(b, l, change)
	b.Run("put again", func(b *testing.B) {
		for b.Loop() {
			if done := putReference(b, l, change); !done.Nothing() {
				b.Fatal(done)
			}
		}
	})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Reference(b.Context(), nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
