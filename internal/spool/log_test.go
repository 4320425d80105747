package spool_test

import (
	"errors"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

var errInjected = errors.New("injected")

func TestSmoke(t *testing.T) {
	log := open(t, t.TempDir(), spool.Options{})
	put(t, log, 3)
	put(t, log, 1000)
	wantAnswer(t, log, answer{Seqs: seqs(1, 1003)})
}
