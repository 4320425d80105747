package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/mapping"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// tryFlags say which messages to try, and how to print what they become.
type tryFlags struct {
	mappings              []string
	topic, file, received string
	retained, json, brief bool
}

func newMapTry() *cobra.Command {
	var f tryFlags
	cmd := &cobra.Command{
		Use: "try --mapping FILE --topic TOPIC [PAYLOAD|-]", Short: "Show what a sample message becomes 试用映射", Args: cobra.MaximumNArgs(1),
		Long: "Shows the records that a message would become, and when it becomes none, why. The payload is the argument, or stdin\n" +
			"with -. With --file it reads a recording, one JSON object a line (may be .gz):\n" +
			`  {"topic":"plant/press-1/status","payload":"{\"power\":1.5}","timestamp":"2026-03-02T08:00:00Z","retain":false}` + "\n" +
			"and sums up at its end. Nothing is stored or sent. Cards become tokens of a key that is thrown away.\n\n" +
			"Exit code 1 when a message cannot be decoded, or no record came at all.\n" +
			"显示样例消息会成为哪些记录；没有记录时说明原因。不存储、不发送；卡号令牌使用一次性密钥。",
		Example: `  jishi map try --mapping press.yaml --topic plant/press-1/status '{"power":1.5,"mode":"RUN"}'` + "\n" +
			"  mosquitto_sub -C 1 -t plant/press-1/status | jishi map try --mapping press.yaml --topic plant/press-1/status -\n" +
			"  jishi map try --mapping deploy/mappings/fischertechnik.yaml --file session.log.gz --summary",
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.mappings, "mapping", nil, "mapping file, or directory of them; may be repeated: the first that reads a topic gets it 映射文件")
	flags.StringVar(&f.topic, "topic", "", "topic of the message 主题")
	flags.StringVar(&f.file, "file", "", "recording to read instead of one message, - for stdin 录制文件")
	flags.StringVar(&f.received, "received", "", "receive time, such as 2026-03-02T08:00:00+08:00; default now 接收时间")
	flags.BoolVar(&f.retained, "retained", false, "the broker replayed the message from its memory 保留消息")
	flags.BoolVar(&f.brief, "summary", false, "of a recording, print the summary only 仅汇总")
	flags.BoolVar(&f.json, "json", false, "print JSON, one object a message 输出 JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return tryMapping(cmd, &f, args) }
	return cmd
}

// check refuses what was asked wrongly.
func (f *tryFlags) check(args []string) error {
	switch {
	case len(f.mappings) == 0:
		return errors.New("--mapping is missing: name a mapping file 缺少 --mapping")
	case f.file != "" && (f.topic != "" || len(args) > 0 || f.retained || f.received != ""):
		return errors.New("--file reads topics, payloads and times from the recording: --topic, --retained, --received and a payload cannot stand beside it")
	case f.file == "" && f.topic == "":
		return errors.New("--topic is missing: give a topic and a payload, or --file 缺少 --topic")
	case f.file == "" && len(args) == 0:
		return errors.New("the payload is missing: give it as the argument, or - for stdin 缺少报文")
	case f.file == "" && f.brief:
		return errors.New("--summary belongs to --file")
	}
	return nil
}

func tryMapping(cmd *cobra.Command, f *tryFlags, args []string) error {
	if err := f.check(args); err != nil {
		return usageError{err}
	}
	mappings, err := readMappings(f.mappings)
	if err != nil {
		return err
	}
	tokens, err := throwAwayTokens()
	if err != nil {
		return err
	}
	d, err := mapping.New(mapping.Options{Mappings: mappings, Cards: tokens})
	if err != nil {
		return err
	}
	t := &trial{dialect: d, brief: f.brief, sum: trialSum{Reasons: map[telemetry.Reason]int{}, Unread: map[string]int{}}}
	t.out = &tryTable{tablePrinter: tablePrinter{w: cmd.OutOrStdout()}, mappings: mappings}
	if f.json {
		t.out = &tryJSON{jsonPrinter{w: cmd.OutOrStdout()}}
	}
	if f.file != "" {
		return t.recording(cmd.Context(), f.file, cmd.InOrStdin())
	}
	return t.single(f, args[0], cmd.InOrStdin())
}

// throwAwayTokens make tokens of a key that nobody keeps: a trial must neither need nor show the city's.
func throwAwayTokens() (*card.Tokens, error) {
	key := make([]byte, card.KeyBytes)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make a key for the trial: %w", err)
	}
	return card.NewTokens(card.Options{Key: key})
}

// trial decodes messages and prints what they become.
type trial struct {
	dialect *mapping.Dialect
	out     tryPrinter
	brief   bool
	sum     trialSum
}

// trialSum counts what became of the messages of a recording.
type trialSum struct {
	Messages int                      `json:"messages"`
	Records  int                      `json:"records"`
	Decoded  int                      `json:"decoded"` // messages with records
	Nothing  int                      `json:"nothing"` // read, and nothing to record
	Failed   int                      `json:"failed"`  // with an error
	Skipped  int                      `json:"skipped"` // lines that are no message
	Reasons  map[telemetry.Reason]int `json:"reasons"` // of the failed
	Unread   map[string]int           `json:"unread"`  // messages that no rule reads, by topic
}

// maxUnread bounds how many topics that nothing reads are told apart.
const maxUnread = 1000

// errNoRecord ends a trial from which nothing came.
var errNoRecord = errors.New("no record came of it (没有得到记录)")

// maxStdin bounds a payload from stdin: one byte more than any dialect reads.
const maxStdin = dialect.MaxPayload + 1

// single tries one message.
func (t *trial) single(f *tryFlags, payload string, stdin io.Reader) error {
	m := dialect.Message{Topic: f.topic, Payload: []byte(payload), Retained: f.retained, ReceivedMs: time.Now().UnixMilli()}
	if f.received != "" {
		at, err := time.Parse(time.RFC3339Nano, f.received)
		if err != nil {
			return usageError{fmt.Errorf("--received %q: want an instant with its offset such as 2026-03-02T08:00:00+08:00", f.received)}
		}
		m.ReceivedMs = at.UnixMilli()
	}
	if payload == "-" {
		var err error
		if m.Payload, err = io.ReadAll(io.LimitReader(stdin, maxStdin)); err != nil {
			return fmt.Errorf("read the payload: %w", err)
		}
		m.Payload = []byte(strings.TrimSuffix(string(m.Payload), "\n"))
	}
	res, notes, failure := t.dialect.Explain(m)
	if err := t.out.message(&m, res, notes, failure); err != nil {
		return err
	}
	switch {
	case failure != nil:
		return fmt.Errorf("%s: %w", f.topic, failure)
	case len(res.Records) == 0:
		return errNoRecord
	}
	return nil
}

// recordedLine is one line of a recording.
type recordedLine struct {
	Topic     string          `json:"topic"`
	Payload   json.RawMessage `json:"payload"`
	Timestamp json.RawMessage `json:"timestamp"`
	Retain    bool            `json:"retain"`
}

// maxLine bounds a line of a recording: the largest payload, every byte of it escaped.
const maxLine = 8 << 20

// recording tries every message of a file.
func (t *trial) recording(ctx context.Context, path string, stdin io.Reader) (err error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("open the recording: %w", err)
		}
		defer f.Close()
		in = f
	}
	if in, err = unpacked(in); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	receivedMs := time.Now().UnixMilli()
	for n := 1; lines.Scan(); n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		m, ok, err := messageOf(lines.Bytes(), &receivedMs)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if !ok {
			t.sum.Skipped++
			continue
		}
		if err := t.next(&m); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return t.end(path)
}

// unpacked reads through gzip when the input is packed.
func unpacked(in io.Reader) (io.Reader, error) {
	b := bufio.NewReader(in)
	if head, err := b.Peek(2); err != nil || head[0] != 0x1f || head[1] != 0x8b {
		return b, nil //nolint:nilerr // an input shorter than that is not packed; reading it tells any other fault
	}
	return gzip.NewReader(b)
}

// messageOf reads a line; false for one that is JSON and no message, such as a recorder's header. A message without a time
// has the one before's.
func messageOf(text []byte, receivedMs *int64) (m dialect.Message, ok bool, err error) {
	if len(text) == 0 {
		return m, false, nil
	}
	var line recordedLine
	if err := json.Unmarshal(text, &line); err != nil {
		return m, false, fmt.Errorf(`not a line of a recording, such as {"topic":"a/b","payload":"1","timestamp":"2026-03-02T08:00:00Z"}: %w`, err)
	}
	if line.Topic == "" {
		return m, false, nil
	}
	if len(line.Timestamp) > 0 {
		at, err := timestampMs(line.Timestamp)
		if err != nil {
			return m, false, err
		}
		*receivedMs = at
	}
	m = dialect.Message{Topic: line.Topic, Payload: line.Payload, Retained: line.Retain, ReceivedMs: *receivedMs}
	var quoted string
	if json.Unmarshal(line.Payload, &quoted) == nil {
		m.Payload = []byte(quoted)
	}
	return m, true, nil
}

// timestampMs reads milliseconds since 1970, or a time with its offset.
func timestampMs(text json.RawMessage) (int64, error) {
	var ms int64
	if json.Unmarshal(text, &ms) == nil {
		return ms, nil
	}
	var quoted string
	if json.Unmarshal(text, &quoted) == nil {
		if at, ok := dialect.ParseInstant(quoted); ok && at.Zoned {
			return at.Ms, nil
		}
	}
	return 0, fmt.Errorf("timestamp %s: want milliseconds since 1970, or a time with its offset such as 2026-03-02T08:00:00Z", text)
}

func (t *trial) next(m *dialect.Message) error {
	t.sum.Messages++
	if !t.dialect.Claims(m.Topic) {
		if _, known := t.sum.Unread[m.Topic]; known || len(t.sum.Unread) < maxUnread {
			t.sum.Unread[m.Topic]++
		}
		return nil
	}
	res, err := t.dialect.Decode(*m)
	t.sum.Records += len(res.Records)
	if len(res.Records) > 0 {
		t.sum.Decoded++
	}
	if e, ok := errors.AsType[*dialect.Error](err); ok {
		t.sum.Failed++
		t.sum.Reasons[e.Reason]++
	} else if len(res.Records) == 0 {
		t.sum.Nothing++
	}
	if t.brief || err == nil && len(res.Records) == 0 {
		return nil
	}
	return t.out.message(m, res, nil, err)
}

func (t *trial) end(path string) error {
	if err := t.out.summary(path, &t.sum); err != nil {
		return err
	}
	switch {
	case t.sum.Failed > 0:
		return fmt.Errorf("%d of %d messages cannot be decoded (无法解析)", t.sum.Failed, t.sum.Messages)
	case t.sum.Records == 0:
		return errNoRecord
	}
	return nil
}
