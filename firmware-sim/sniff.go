package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// format is a kind of recording.
type format string

const (
	formatSHDR      format = "shdr"
	formatShelly    format = "shelly"
	formatTracebase format = "tracebase"
	formatMessages  format = "messages"
)

// errNoRecording says that a file is none of the formats.
var errNoRecording = errors.New("no recording: want an SHDR log, Shelly events (" + shellyHeader + "), tracebase lines " +
	`(dd/mm/yyyy HH:MM:SS;W;W), or JSON lines such as {"topic":"a/b","payload":"1","at_ms":1772438400000}`)

// sniffLines is how many lines at a file's head may be empty or commands.
const sniffLines = 32

// sniff finds out a file's format by its first line that says something.
func sniff(path string) (format, error) {
	var read int64
	in, err := openLines(path, &read)
	if err != nil {
		return "", err
	}
	defer in.close()
	for range sniffLines {
		line, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, errLineTooLong) {
			return "", fmt.Errorf("read %s: %w", path, err)
		}
		if err != nil || len(line) == 0 || line[0] == '*' {
			continue
		}
		if line[0] == '{' {
			remark, err := isRemark(line)
			switch {
			case err != nil:
				return "", fmt.Errorf("%s: line %d: %.80q: %w (%w)", path, in.number, line, err, errNoRecording)
			case remark:
				continue
			}
			return formatMessages, nil
		}
		if f := formatOf(line); f != "" {
			return f, nil
		}
		return "", fmt.Errorf("%s: line %d: %.80q: %w", path, in.number, line, errNoRecording)
	}
	return "", fmt.Errorf("%s: nothing in its first %d lines: %w", path, sniffLines, errNoRecording)
}

var tracebaseLine = regexp.MustCompile(`^\d\d/\d\d/\d{4} \d\d:\d\d:\d\d;`)

func formatOf(line []byte) format {
	stamp, _, piped := bytes.Cut(line, []byte{'|'})
	_, isStamp := parseStamp(stamp)
	switch {
	case piped && isStamp:
		return formatSHDR
	case string(line) == shellyHeader:
		return formatShelly
	case tracebaseLine.Match(line):
		return formatTracebase
	}
	return ""
}

// fileName is what a recording's file name says.
type fileName struct {
	machine string
	dayMs   int64
}

var (
	shdrName      = regexp.MustCompile(`^(.+)-(\d{8})-\d{8}$`)
	tracebaseName = regexp.MustCompile(`^(?:dev)?_([0-9A-Fa-f]{6})_\d{4}\.\d\d\.\d\d$`)
	notInTopic    = regexp.MustCompile(`[^A-Za-z0-9._-]+`)
)

// nameOf reads the machine and the day from a file name: Mazak01-20161031-20161101.txt.gz is Mazak01 from
// 2016-10-31T00:00Z, 45m30d-shelly-events.csv is shellyplug-s-45m30d, dev_B7DF9D_2012.01.23.csv is tasmota_B7DF9D.
func nameOf(path string, f format) fileName {
	base := trimExtensions(filepath.Base(path))
	clean := func(s string) string { return strings.Trim(notInTopic.ReplaceAllString(s, "_"), "_") }
	switch f {
	case formatShelly:
		return fileName{machine: "shellyplug-s-" + clean(strings.TrimSuffix(base, "-shelly-events"))}
	case formatMessages:
		return fileName{machine: clean(base)}
	case formatTracebase:
		if m := tracebaseName.FindStringSubmatch(base); m != nil {
			return fileName{machine: "tasmota_" + strings.ToUpper(m[1])}
		}
		return fileName{machine: "tasmota_" + clean(base)}
	default:
		if m := shdrName.FindStringSubmatch(base); m != nil {
			if day, err := time.Parse("20060102", m[2]); err == nil {
				return fileName{machine: clean(m[1]), dayMs: day.UnixMilli()}
			}
		}
		return fileName{machine: clean(base)}
	}
}

// trimExtensions takes .gz or .zst and the extension before it from a file name.
func trimExtensions(base string) string {
	base = strings.TrimSuffix(strings.TrimSuffix(base, ".gz"), ".zst")
	return strings.TrimSuffix(base, filepath.Ext(base))
}
