package sim

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// RecordingOptions says how recordings are read.
type RecordingOptions struct {
	// Devices is the path of the MTConnectDevices document for SHDR logs. "" looks for Devices.xml beside each file and
	// up to three folders above it; without one every key is published under itself, without a type.
	Devices string
	// Zone is the zone of recordings whose times name none (Shelly, tracebase); nil is UTC.
	Zone *time.Location
	// DeviceZone is where the replayed devices are that say their local time without an offset (Tasmota); nil is UTC+8.
	DeviceZone *time.Location
	// Device replaces the identity that a recording gets from its file name (for an SHDR log, the device's name in
	// Devices): all files are then one device.
	Device string
	// From and To keep the messages published in [From, To); zero is open. A replay that starts inside an SHDR log begins
	// with the last value of each data item, as an agent does when a client connects.
	From, To time.Time
	// Start moves the whole recording in time so that its first message is published at Start; zero leaves it where it is.
	// Shift then moves it further. Times that payloads say themselves are moved too where their dialect is known; what
	// could not be moved is in Counts.Unshifted.
	Start time.Time
	Shift time.Duration
	// Faults are done to the messages, by chance from Seed: the same recording and seed give the same messages.
	Faults []MessageFault
	Seed   uint64
}

// Counts is what became of a recording's lines. Undeclared observations are published; skipped lines are not.
type Counts struct {
	Lines int64
	Bytes int64 // read from the disk, of RecordingInfo.Bytes
	// Skipped counts lines, and messages outside the window, by reason.
	Skipped map[string]int64
	// Undeclared counts the observations of keys that no data item declares, by key.
	Undeclared map[string]int64
	// Examples is for each reason the first line skipped for it: file, line, the line's beginning and what is right.
	Examples map[string]string
	// Cut says of each file that ends in the middle how far it was read.
	Cut []string
	// Gaps are the stretches that a recorder of ours says to have missed.
	Gaps int64
	// Unshifted counts by topic the messages that may say a time in their payload which was not moved with the recording,
	// because it is not known where (RecordingOptions.Shift). After 1000 topics the rest are counted under "".
	Unshifted map[string]int64
	// Faulted counts the faults done to messages, by kind.
	Faulted map[string]int64
}

func newCounts() Counts {
	return Counts{
		Skipped: map[string]int64{}, Undeclared: map[string]int64{}, Examples: map[string]string{},
		Unshifted: map[string]int64{}, Faulted: map[string]int64{},
	}
}

func (c *Counts) skip(reason string) { c.Skipped[reason]++ }

// shownLine is a line of a file, and what it should look like.
type shownLine struct {
	number int64
	text   []byte
	form   string
}

// skipLine is skip for a line that is shown.
func (c *Counts) skipLine(reason, path string, line shownLine) {
	c.skip(reason)
	if _, known := c.Examples[reason]; known {
		return
	}
	if right := rightFor(reason, line.form); right != "" {
		c.Examples[reason] = fmt.Sprintf("%s: line %d: %.80q: %s", path, line.number, line.text, right)
	}
}

// endOf notes a file that ends in the middle.
func (c *Counts) endOf(path string, in *lines) {
	if in.cut {
		c.Cut = append(c.Cut, fmt.Sprintf("%s: ends in the middle, after line %d", path, in.number-1))
	}
}

// RecordingInfo describes one device's recording.
type RecordingInfo struct {
	Format  string // "shdr", "shelly", "tracebase" or "messages"
	Machine string // the SHDR machine, the plug's identity on the broker, or the name of a file of messages
	UUID    string // the MTConnect device's uuid, else the same as Machine
	Files   []string
	Bytes   int64 // on disk
}

// Recording is a set of recordings that are replayed together in the order of their time.
//
// It is used by one goroutine at a time.
type Recording struct {
	options RecordingOptions
	devices map[string]map[string]*DeviceModel // by path of the document
	groups  []*group
	ignored []string
	counts  Counts
}

// group is the files of one device.
type group struct {
	format  format
	machine string
	device  *DeviceModel
	files   []recordingFile
}

// recordingFile is one file of a device; dayMs is the start of the day it is named for, 0 when it names none.
type recordingFile struct {
	path  string
	dayMs int64
	bytes int64
}

// OpenRecording finds out the formats of the files and groups them by device. A folder stands for all recordings in it
// at any depth, and files in it that are none are listed by Ignored; a file that is named and is none is an error.
func OpenRecording(paths []string, o RecordingOptions) (*Recording, error) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.DeviceZone == nil {
		o.DeviceZone = time.FixedZone("UTC+8", 8*60*60)
	}
	if err := checkFaults(o.Faults); err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	r := &Recording{options: o, devices: map[string]map[string]*DeviceModel{}}
	for _, path := range paths {
		if err := r.open(path); err != nil {
			return nil, fmt.Errorf("open recording: %w", err)
		}
	}
	if len(r.groups) == 0 {
		return nil, fmt.Errorf("open recording: no recording in %s", strings.Join(paths, ", "))
	}
	slices.SortFunc(r.groups, func(a, b *group) int { return strings.Compare(a.machine, b.machine) })
	for _, g := range r.groups {
		slices.SortStableFunc(g.files, func(a, b recordingFile) int {
			return strings.Compare(filepath.Base(a.path), filepath.Base(b.path))
		})
	}
	return r, nil
}

func (r *Recording) open(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return r.add(path, info.Size())
	}
	return filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if err := r.add(file, info.Size()); errors.Is(err, errNoRecording) {
			r.ignored = append(r.ignored, file)
		} else if err != nil {
			return err
		}
		return nil
	})
}

// add puts a file into its device's group.
func (r *Recording) add(path string, size int64) error {
	f, err := sniff(path)
	if err != nil {
		return err
	}
	name := nameOf(path, f)
	if r.options.Device != "" {
		name.machine = r.options.Device
	}
	file := recordingFile{path: path, dayMs: name.dayMs, bytes: size}
	for _, g := range r.groups {
		if g.format == f && g.machine == name.machine && f != formatMessages { // such files each have times of their own
			g.files = append(g.files, file)
			return nil
		}
	}
	g := &group{format: f, machine: name.machine, files: []recordingFile{file}}
	if f == formatSHDR {
		if g.device, err = r.model(path, name.machine); err != nil {
			return err
		}
	}
	r.groups = append(r.groups, g)
	return nil
}

// model finds the machine's declaration.
func (r *Recording) model(path, machine string) (*DeviceModel, error) {
	document := r.options.Devices
	if document == "" {
		document = findDevices(filepath.Dir(path))
	}
	if document == "" {
		return nil, nil
	}
	if _, ok := r.devices[document]; !ok {
		devices, err := readDevicesFile(document)
		if err != nil {
			return nil, err
		}
		r.devices[document] = devices
	}
	devices := r.devices[document]
	if d := devices[machine]; d != nil || len(devices) != 1 {
		return d, nil
	}
	for _, only := range devices {
		return only, nil
	}
	return nil, nil
}

func findDevices(dir string) string {
	for range 4 {
		candidate := filepath.Join(dir, "Devices.xml")
		if _, err := os.Stat(candidate); err == nil {
			return candidate
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

// Info describes the devices, sorted by machine.
func (r *Recording) Info() []RecordingInfo {
	var out []RecordingInfo
	for _, g := range r.groups {
		info := RecordingInfo{Format: string(g.format), Machine: g.machine, UUID: g.machine}
		if g.device != nil {
			info.UUID = g.device.UUID
		}
		for _, f := range g.files {
			info.Files = append(info.Files, f.path)
			info.Bytes += f.bytes
		}
		out = append(out, info)
	}
	return out
}

// Ignored lists the files of the given folders that are no recordings.
func (r *Recording) Ignored() []string { return slices.Clone(r.ignored) }

// Bytes is the size of all files on disk, against which Counts.Bytes tells progress.
func (r *Recording) Bytes() int64 {
	var total int64
	for _, g := range r.groups {
		for _, f := range g.files {
			total += f.bytes
		}
	}
	return total
}

// Counts returns what the current or last pass over Messages did so far.
func (r *Recording) Counts() Counts {
	c := r.counts
	c.Skipped, c.Undeclared, c.Examples = maps.Clone(c.Skipped), maps.Clone(c.Undeclared), maps.Clone(c.Examples)
	c.Unshifted, c.Faulted, c.Cut = maps.Clone(c.Unshifted), maps.Clone(c.Faulted), slices.Clone(c.Cut)
	return c
}

// Messages yields the messages of all devices by instant; each device's own order is kept. Memory does not grow with
// the files. A line that cannot be read is skipped and counted; an error of the disk is yielded and ends the sequence.
// Every call is a new pass from the start, which resets Counts.
func (r *Recording) Messages() iter.Seq2[Timed, error] {
	return func(yield func(Timed, error) bool) {
		r.counts = newCounts()
		sources := make([]source, 0, len(r.groups))
		for _, g := range r.groups {
			sources = append(sources, r.source(g))
		}
		messages := merged(sources)
		if !r.options.From.IsZero() || !r.options.To.IsZero() {
			messages = r.window(messages)
		}
		if !r.options.Start.IsZero() || r.options.Shift != 0 {
			messages = r.shifted(messages)
		}
		if len(r.options.Faults) > 0 {
			messages = faulted(messages, r.options.Faults, r.options.Seed, r.counts.Faulted)
		}
		messages(yield)
	}
}

func (r *Recording) source(g *group) source {
	switch g.format {
	case formatShelly:
		return &plugSource{files: g.files, plug: newShellyPlug(g.machine, r.options.Zone), counts: &r.counts}
	case formatTracebase:
		p := &tasmotaPlug{topic: g.machine, zone: r.options.Zone, local: r.options.DeviceZone}
		return &plugSource{files: g.files, plug: p, counts: &r.counts}
	case formatMessages:
		return &messageSource{files: g.files, zone: r.options.Zone, counts: &r.counts}
	default:
		return &shdrSource{files: g.files, agent: newAgent(g.machine, g.device), counts: &r.counts}
	}
}
