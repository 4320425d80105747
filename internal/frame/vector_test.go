package frame_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// vector is one file of testdata/vectors: lines of "name: value", an empty line, bytes in hexadecimal. The same files
// serve other implementations of the format.
type vector struct {
	name   string
	what   string // frame, message or ack
	expect string // ok, malformed, too_large, bad_signature or bad_chain
	note   string // what is wrong with it
	want   string // JSON of what a good one holds
	pad    int    // zero bytes that follow the bytes
	bytes  []byte
}

const vectorDir = "testdata/vectors"

func (v vector) format() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "what: %s\nexpect: %s\nnote: %s\n", v.what, v.expect, v.note)
	if v.what == "frame" {
		fmt.Fprintf(&b, "public_key: %s\n", frame.PublicText(public()))
	}
	if v.want != "" {
		fmt.Fprintf(&b, "want: %s\n", v.want)
	}
	if v.pad > 0 {
		fmt.Fprintf(&b, "pad: %d\n", v.pad)
	}
	b.WriteString("\n")
	for rest := v.bytes; len(rest) > 0; {
		n := min(len(rest), 40)
		fmt.Fprintf(&b, "%x\n", rest[:n])
		rest = rest[n:]
	}
	return []byte(b.String())
}

func readVector(t testing.TB, path string) vector {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := strings.Cut(string(b), "\n\n")
	if !ok {
		t.Fatalf("%s: no empty line after the header", path)
	}
	v := vector{name: strings.TrimSuffix(filepath.Base(path), ".txt")}
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "what":
			v.what = value
		case "expect":
			v.expect = value
		case "note":
			v.note = value
		case "want":
			v.want = value
		case "pad":
			if v.pad, err = strconv.Atoi(value); err != nil {
				t.Fatalf("%s: pad: %v", path, err)
			}
		case "public_key":
			if _, err := base64.StdEncoding.DecodeString(value); err != nil {
				t.Fatalf("%s: public_key: %v", path, err)
			}
		default:
			t.Fatalf("%s: header line %q is unknown", path, name)
		}
	}
	if v.bytes, err = hex.DecodeString(strings.ReplaceAll(body, "\n", "")); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	v.bytes = append(v.bytes, make([]byte, v.pad)...)
	return v
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(vectorDir, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatalf("no vectors in %s", vectorDir)
	}
	var all []vector
	for _, p := range paths {
		all = append(all, readVector(t, p))
	}
	return all
}

// judge says what the package makes of the bytes: the verdict, and what they hold when it is ok.
func judge(what string, b []byte) (verdict string, holds any) {
	var err error
	switch what {
	case "frame":
		var all []telemetry.Message
		var f *frame.Frame
		if f, err = frame.Parse(b); err == nil {
			err = f.Verify(public())
		}
		if err == nil {
			all, err = f.Messages(nil)
			holds = readable(f.Header, all)
		}
	case "message":
		var m telemetry.Message
		err = frame.DecodeMessage(b, &m)
		holds = m
	case "ack":
		holds, err = frame.ParseAck(b)
	}
	for verdict, sentinel := range map[string]error{
		"malformed": frame.ErrMalformed, "too_large": frame.ErrTooLarge, "bad_signature": frame.ErrSignature, "bad_chain": frame.ErrChain,
	} {
		if errors.Is(err, sentinel) {
			return verdict, nil
		}
	}
	if err != nil {
		return "untyped error: " + err.Error(), nil
	}
	return "ok", holds
}

// readable is a frame's content with its hashes in hexadecimal.
func readable(h frame.Header, all []telemetry.Message) any {
	before, after := hex.EncodeToString(h.ChainBefore[:]), hex.EncodeToString(h.ChainCheck[:])
	h.ChainBefore, h.ChainCheck = [32]byte{}, [frame.ChainCheckBytes]byte{}
	type plain frame.Header
	return struct {
		plain
		ChainBefore, ChainCheck string
		Messages                []telemetry.Message
	}{plain(h), before, after, all}
}

// Every vector gets its verdict, and a good one holds what its header says.
func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			verdict, holds := judge(v.what, v.bytes)
			if verdict != v.expect {
				t.Fatalf("verdict is %s, want %s (%s)", verdict, v.expect, v.note)
			}
			if verdict != "ok" {
				return
			}
			got, err := json.Marshal(holds)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.want, string(got)); diff != "" {
				t.Errorf("content differs (-want +got):\n%s", diff)
			}
		})
	}
}

// The files are what makeVectors makes, apart from how zstd compressed the good ones in its day.
func TestVectorsAreCurrent(t *testing.T) {
	made := makeVectors(t)
	if os.Getenv("JISHI_WRITE_VECTORS") != "" {
		if err := os.MkdirAll(vectorDir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, v := range made {
			if err := os.WriteFile(filepath.Join(vectorDir, v.name+".txt"), v.format(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	var want, got []string
	for _, v := range made {
		want = append(want, v.name+": "+v.what+" "+v.expect)
		verdict, _ := judge(v.what, append(v.bytes, make([]byte, v.pad)...))
		if verdict != v.expect {
			t.Errorf("%s: verdict is %s, want %s (%s)", v.name, verdict, v.expect, v.note)
		}
	}
	for _, v := range readVectors(t) {
		got = append(got, v.name+": "+v.what+" "+v.expect)
	}
	less := func(a, b string) bool { return a < b }
	if diff := cmp.Diff(want, got, cmpSorted(less)); diff != "" {
		t.Errorf("files of %s differ from makeVectors; set JISHI_WRITE_VECTORS=1 to write them (-want +got):\n%s", vectorDir, diff)
	}
}
