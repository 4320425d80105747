package calibrate_test

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// dataFolder returns a folder of the recordings, or skips and says so.
func dataFolder(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("JISHI_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "data")
	}
	folder := filepath.Join(root, name)
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("skipped: no recordings in %s; set JISHI_DATA to the folder that holds %s", folder, name)
	}
	return folder
}

// shellyPoints reads a Shelly plug's recording: one point per reading of power.
func shellyPoints(t *testing.T, file string) []usage.Point {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var points []usage.Point
	for _, row := range rows[1:] {
		if row[1] != "power" {
			continue
		}
		at, err := time.Parse("2006-01-02 15:04:05.999999", row[0])
		if err != nil {
			t.Fatal(err)
		}
		w, err := strconv.ParseFloat(row[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, usage.Point{AtMs: at.UnixMilli(), ValidMs: 66_000, PowerW: w, HasPower: true})
	}
	return points
}

// plugValidMs is how long the tracebase plugs, which report every few seconds, may be silent.
const plugValidMs = 60_000

// plugPoints reads the day files of one tracebase plug.
func plugPoints(t *testing.T, pattern string) []usage.Point {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dataFolder(t, "tracebase"), pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no day files match %s (%v)", pattern, err)
	}
	var points []usage.Point
	for _, file := range files {
		points = append(points, plugDay(t, file)...)
	}
	return points
}

func plugDay(t *testing.T, file string) []usage.Point {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var points []usage.Point
	for lines := bufio.NewScanner(z); lines.Scan(); {
		fields := strings.Split(lines.Text(), ";")
		if len(fields) < 2 {
			continue
		}
		at, err := time.Parse("02/01/2006 15:04:05", strings.TrimSpace(fields[0]))
		if err != nil {
			t.Fatal(err)
		}
		w, err := strconv.ParseFloat(strings.TrimSpace(fields[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, usage.Point{AtMs: at.UnixMilli(), ValidMs: plugValidMs, PowerW: w, HasPower: true})
	}
	return points
}

// whole is the window from the first point to the last.
func whole(points []usage.Point) span.Span {
	return span.Span{StartMs: points[0].AtMs, EndMs: points[len(points)-1].AtMs}
}
