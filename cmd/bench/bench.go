package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// bench is one run of the command.
type bench struct {
	options
	began  time.Time
	stderr io.Writer
	temp   string // everything that is written goes here, and goes away
	rows   []row
	notes  []string
}

func newBench(o options, stderr io.Writer) (*bench, error) {
	temp, err := os.MkdirTemp(o.dir, "jishi-bench-")
	if err != nil {
		return nil, fmt.Errorf("make temporary folder: %w", err)
	}
	// Processes run elsewhere.
	if temp, err = filepath.Abs(temp); err != nil {
		return nil, fmt.Errorf("find temporary folder: %w", err)
	}
	return &bench{options: o, began: time.Now(), stderr: stderr, temp: temp}, nil
}

func (b *bench) close() error {
	if err := os.RemoveAll(b.temp); err != nil {
		return fmt.Errorf("remove temporary folder: %w", err)
	}
	return nil
}

// say tells the person who waits what is going on.
func (b *bench) say(format string, args ...any) {
	line := fmt.Sprintf("%5.0fs  ", time.Since(b.began).Seconds()) + fmt.Sprintf(format, args...) + "\n"
	_, _ = io.WriteString(b.stderr, line) //nolint:errcheck // nothing depends on whether it is read
}

// note adds a sentence below the table.
func (b *bench) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// folder makes an empty folder. The caller removes it early when it is large; close removes it in any case.
func (b *bench) folder(name string) (string, error) {
	dir, err := os.MkdirTemp(b.temp, name+"-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	return dir, nil
}

// tool finds a program that the comparison needs.
func (b *bench) tool(name string) (string, error) {
	for _, candidate := range []string{filepath.Join(b.tools, name), name, filepath.Join("/usr/sbin", name)} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: `make bench` obtains it, or name its folder with -tools: %w", name, errNoTool)
}

var errNoTool = errors.New("a program is missing")

// series is one figure, measured several times.
type series []float64
