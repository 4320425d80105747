package embedded_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/evidence/evidencetest"
)

func open(tb testing.TB) evidence.Store {
	tb.Helper()
	return openAt(tb, filepath.Join(tb.TempDir(), "evidence.db"), embedded.Options{})
}

func openAt(tb testing.TB, path string, o embedded.Options) *embedded.Store {
	tb.Helper()
	s, err := embedded.Open(tb.Context(), path, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	evidencetest.Run(t, evidencetest.Traits{CountsDuplicates: true}, open)
}

var errEnded = errors.New("ended")

// endsAfter is a context that ends when it has been asked a number of times: in the middle of a call.
type endsAfter struct {
	context.Context //nolint:containedctx // it is a context itself, not a type that keeps one
	calls           int
}

func (c *endsAfter) Err() error {
	if c.calls--; c.calls < 0 {
		return errEnded
	}
	return nil
}
