package embedded_test

import (
	"testing"

	"github.com/jishi-telemetry/jishi/internal/evidence/evidencetest"
)

func BenchmarkWrite(b *testing.B)   { evidencetest.BenchmarkWrite(b, open) }
func BenchmarkRewrite(b *testing.B) { evidencetest.BenchmarkRewrite(b, open) }
func BenchmarkReadDay(b *testing.B) { evidencetest.BenchmarkReadDay(b, open) }
