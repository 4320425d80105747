package credential

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// What an edit can end with, beside Problems.
var (
	// ErrUnknown: there is no entry of that name.
	ErrUnknown = errors.New("文件中没有此名 / no entry of that name in the file")
	// ErrExists: there is an entry of that name already.
	ErrExists = errors.New("文件中已有此名 / there is an entry of that name already")
	// ErrEntry: the entry that was to be added has mistakes; Problems follow.
	ErrEntry = errors.New("此项有误 / the entry has mistakes")
	// ErrFull: the entry has so many passwords that have not ended that it cannot have another.
	ErrFull = errors.New("未过期的密码过多，请先删去旧的 / too many passwords that have not ended, remove old ones first")
	// ErrByHand: the file is written in a way that cannot be edited without risk.
	ErrByHand = errors.New("文件的写法无法自动修改，请手工修改 / the file is written in a way that cannot be edited here, edit it by hand")
	// ErrRaced: someone else wrote the file meanwhile.
	ErrRaced = errors.New("文件同时被他人修改，请重试 / the file was changed by someone else meanwhile, try again")
)

// header begins a new file.
const header = "# 可以连接本基地 MQTT 服务的设备与读者，写法见 docs/security.md\n" +
	"# Who may connect to this base's MQTT broker, see docs/security.md\n"

// Update edits the file at path as a whole: the change is there after it returned, or nothing has changed. A file that does
// not exist is made, readable by its owner only. Two updates at once do not lose each other's change.
func Update(path string, edit func(text []byte) ([]byte, error)) error {
	old, mode, err := contentOf(path)
	if err != nil {
		return fmt.Errorf("update credentials: %w", err)
	}
	text := old
	if text == nil {
		text = []byte(header)
	}
	changed, err := edit(text)
	if err != nil {
		return err
	}
	if _, err := Parse(path, changed); err != nil {
		return errors.Join(ErrByHand, err)
	}
	now, _, err := contentOf(path)
	if err != nil {
		return fmt.Errorf("update credentials: %w", err)
	}
	if !bytes.Equal(now, old) {
		return ErrRaced
	}
	if err := atomicfile.Write(path, changed, mode); err != nil {
		return fmt.Errorf("update credentials: %w", err)
	}
	return nil
}

// contentOf returns nil for a file that does not exist.
func contentOf(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0o600, nil
	}
	if err != nil {
		return nil, 0, err
	}
	text, err := os.ReadFile(path)
	return text, info.Mode().Perm(), err
}

// edited is a file's text with its places.
type edited struct {
	before  *File
	lines   []string
	root    strictyaml.Node
	devices strictyaml.Node
}

func openText(text []byte) (*edited, error) {
	f, err := Parse(FileName, text)
	if err != nil {
		return nil, err
	}
	root, _ := strictyaml.Parse(text)
	e := &edited{before: f, root: root, lines: strings.SplitAfter(string(text), "\n")}
	e.devices, _ = fieldOf(root, "devices")
	return e, nil
}

func fieldOf(node strictyaml.Node, key string) (strictyaml.Node, bool) {
	for _, f := range node.Fields {
		if f.Key == key {
			return f.Value, true
		}
	}
	return strictyaml.Node{}, false
}

// lastLine is where the node ends, as far as its parts tell.
func lastLine(n strictyaml.Node) int {
	last := n.Line
	for _, f := range n.Fields {
		last = max(last, f.Line, lastLine(f.Value))
	}
	for _, item := range n.Items {
		last = max(last, lastLine(item))
	}
	return last
}

// replace puts lines in the place of those from first to before end, counted from 1.
func (e *edited) replace(first, end int, with []string) {
	if first > 1 && first-2 < len(e.lines) && !strings.HasSuffix(e.lines[first-2], "\n") {
		e.lines[first-2] += "\n"
	}
	for i := range with {
		with[i] += "\n"
	}
	e.lines = slices.Replace(e.lines, min(first-1, len(e.lines)), min(end-1, len(e.lines)), with...)
}

// done returns the text, when it says exactly what it should: an edit that goes by lines must prove that it was right.
func (e *edited) done(want []Device) ([]byte, error) {
	text := []byte(strings.Join(e.lines, ""))
	f, err := Parse(FileName, text)
	if err != nil || f.Defaults != e.before.Defaults || !reflect.DeepEqual(placeless(f.Devices), placeless(want)) {
		return nil, ErrByHand
	}
	return text, nil
}

func placeless(devices []Device) []Device {
	out := slices.Clone(devices)
	for i := range out {
		out[i].Line = 0
	}
	return out
}

// Add appends an entry to the text of a file; comments and all else stay as they are.
func Add(text []byte, d Device) ([]byte, error) {
	e, err := openText(text)
	if err != nil {
		return nil, err
	}
	if _, ok := e.before.Find(d.Name); ok {
		return nil, ErrExists
	}
	alone := strings.Join(append([]string{"devices:"}, write(d, 2)...), "\n")
	if _, err := Parse(d.Name, []byte(alone)); err != nil {
		return nil, fmt.Errorf("%w:\n%w", ErrEntry, err)
	}
	switch items := e.devices.Items; {
	case len(items) > 0:
		first := e.line(items[0].Line)
		indent := strings.Index(first, "-")
		if indent < 0 || strings.TrimLeft(first[:indent], " ") != "" {
			return nil, ErrByHand
		}
		after := lastLine(e.devices)
		e.replace(after+1, after+1, write(d, indent))
	case e.devices.Line > 0: // "devices:" with nothing in it
		e.replace(e.devices.Line+1, e.devices.Line+1, write(d, 2))
	default:
		e.trimEnd()
		e.replace(len(e.lines)+1, len(e.lines)+1, append([]string{"devices:"}, write(d, 2)...))
	}
	return e.done(append(slices.Clone(e.before.Devices), d))
}

// line is one line of the text, counted from 1.
func (e *edited) line(n int) string {
	if n < 1 || n > len(e.lines) {
		return ""
	}
	return e.lines[n-1]
}

// trimEnd drops the empty text that follows a closing line end.
func (e *edited) trimEnd() {
	if n := len(e.lines); n > 0 && e.lines[n-1] == "" {
		e.lines = e.lines[:n-1]
	}
}

// write is an entry as lines; indent is the column of its dash.
func write(d Device, indent int) []string {
	pad := strings.Repeat(" ", indent)
	out := []string{pad + "- name: " + strictyaml.Quote(d.Name)}
	field := func(key, value string) {
		if value != "" {
			out = append(out, pad+"  "+key+": "+strictyaml.Quote(value))
		}
	}
	list := func(key string, values []string) {
		for i, v := range values {
			if i == 0 {
				out = append(out, pad+"  "+key+":")
			}
			out = append(out, pad+"    - "+strictyaml.Quote(v))
		}
	}
	field("note", d.Note)
	if d.Role != RoleDevice {
		field("role", string(d.Role))
	}
	field("dialect", d.Dialect)
	out = append(out, writePasswords(d.Passwords, indent+2)...)
	if len(d.Certificates) > 0 {
		out = append(out, pad+"  certificates:")
	}
	for _, c := range d.Certificates {
		key, value, _ := strings.Cut(c.String(), ":")
		out = append(out, pad+"    - "+key+": "+strictyaml.Quote(value))
	}
	list("client_ids", d.ClientIDs)
	list("publish", d.Publish)
	list("subscribe", d.Subscribe)
	return out
}

func writePasswords(passwords []Password, indent int) []string {
	pad := strings.Repeat(" ", indent)
	var out []string
	for i, p := range passwords {
		if i == 0 {
			out = append(out, pad+"passwords:")
		}
		out = append(out, pad+"  - hash: "+strictyaml.Quote(p.Hash.String()))
		if !p.NotAfter.IsZero() {
			out = append(out, pad+"    not_after: "+strictyaml.Quote(p.NotAfter.In(shanghai()).Format(time.RFC3339)))
		}
	}
	return out
}

// Rotate gives an entry a new password beside those it has, which end at until if they would not earlier; those that have
// ended by now are dropped. Comments outside of the list of passwords stay.
func Rotate(text []byte, name string, hash Hash, until, now time.Time) ([]byte, error) {
	e, err := openText(text)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(e.before.Devices, func(d Device) bool { return d.Name == name })
	if i < 0 {
		return nil, ErrUnknown
	}
	want := slices.Clone(e.before.Devices)
	want[i].Passwords = rotated(want[i].Passwords, hash, until.UTC().Truncate(time.Second), now)
	if len(want[i].Passwords) > MaxPasswords {
		return nil, ErrFull
	}
	item := e.devices.Items[i]
	first, end := lastLine(item)+1, lastLine(item)+1
	if old, ok := fieldOf(item, "passwords"); ok {
		for _, f := range item.Fields {
			if f.Key == "passwords" {
				first, end = f.Line, lastLine(old)+1
			}
		}
	}
	e.replace(first, end, writePasswords(want[i].Passwords, item.Column-1))
	return e.done(want)
}

func rotated(old []Password, hash Hash, until, now time.Time) []Password {
	out := []Password{{Hash: hash}}
	for _, p := range old {
		if p.NotAfter.IsZero() || p.NotAfter.After(until) {
			p.NotAfter = until
		}
		if p.NotAfter.After(now) {
			out = append(out, p)
		}
	}
	return out
}

// Disable keeps an entry out, or lets it in again. Comments and all else stay as they are.
func Disable(text []byte, name string, disabled bool) ([]byte, error) {
	e, err := openText(text)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(e.before.Devices, func(d Device) bool { return d.Name == name })
	if i < 0 {
		return nil, ErrUnknown
	}
	want := slices.Clone(e.before.Devices)
	want[i].Disabled = disabled
	item := e.devices.Items[i]
	value := fmt.Sprintf("%v", disabled)
	if old, ok := fieldOf(item, "disabled"); ok {
		line := e.line(old.Line)
		rest, found := strings.CutPrefix(line[min(old.Column-1, len(line)):], old.Text)
		if !found {
			return nil, ErrByHand
		}
		e.lines[old.Line-1] = line[:old.Column-1] + value + rest
		return e.done(want)
	}
	at, _ := fieldOf(item, "name")
	e.replace(at.Line+1, at.Line+1, []string{strings.Repeat(" ", item.Column-1) + "disabled: " + value})
	return e.done(want)
}
