package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	readyWithin = 20 * time.Second
	stopWithin  = 10 * time.Second
	pollEvery   = 20 * time.Millisecond
)

// process is a program that the bench started. The bench stops it, and no other.
type process struct {
	name   string
	cmd    *exec.Cmd
	output *output
	exited chan struct{}
}

// output is what a process has said, its beginning and not more than outputLimit of it.
type output struct {
	mu   sync.Mutex // guards text: os/exec writes it while others read
	text bytes.Buffer
}

const outputLimit = 256 << 10

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text.Len() < outputLimit {
		o.text.Write(p)
	}
	return len(p), nil
}

// String implements fmt.Stringer.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs a program and returns when ready says so. The caller stops it.
func start(ctx context.Context, cmd *exec.Cmd, name string, ready func(p *process) bool) (*process, error) {
	p := &process{name: name, cmd: cmd, output: new(output), exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { // ends with the process; stop waits for it
		defer close(p.exited)
		_ = cmd.Wait() //nolint:errcheck // how it ended is told by what it said
	}()
	err := await(ctx, readyWithin, name+" is ready", func() (bool, error) {
		select {
		case <-p.exited:
			return false, errors.New("it ended at once")
		default:
			return ready(p), nil
		}
	})
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("start %s: %w; it said:\n%s", name, err, p.output)
	}
	return p, nil
}

// stop ends the process as an operator would, or by force when that does not help.
func (p *process) stop() {
	// It may have ended already; the wait below covers that.
	_ = p.cmd.Process.Signal(os.Interrupt) //nolint:errcheck // see above
	select {
	case <-p.exited:
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill() //nolint:errcheck // see above
		<-p.exited
	}
}

// kill ends the process as a power cut or the kernel would: with no time for a last word.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() //nolint:errcheck // that it ended is what is waited for
	<-p.exited
}

// cpu returns the processor time that the process has used, user and system, to a hundredth of a second.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read processor time of %s: %w", p.name, err)
	}
	return parseStat(string(stat))
}

// parseStat reads user and system time from /proc/PID/stat. The program's name in it may hold spaces and parentheses.
func parseStat(stat string) (time.Duration, error) {
	const (
		tick                  = 10 * time.Millisecond // USER_HZ is 100 wherever Go runs
		userField, systemTime = 11, 12                // counted after the name
	)
	f := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	if len(f) <= systemTime {
		return 0, fmt.Errorf("read processor time: %q is not what /proc/PID/stat says", stat)
	}
	user, errUser := strconv.ParseInt(f[userField], 10, 64)
	system, errSystem := strconv.ParseInt(f[systemTime], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(errUser, errSystem)
}

// memory is what a process holds of the machine's, in bytes: now, and at most since it began.
type memory struct {
	now, peak float64
}

func (p *process) memory() (memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return memory{}, fmt.Errorf("read memory of %s: %w", p.name, err)
	}
	return parseStatus(string(status))
}

// parseStatus reads the resident memory from /proc/PID/status.
func parseStatus(status string) (memory, error) {
	var m memory
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		into := map[string]*float64{"VmRSS": &m.now, "VmHWM": &m.peak}[name]
		if into == nil {
			continue
		}
		var kib float64
		if _, err := fmt.Sscanf(value, "%f kB", &kib); err != nil {
			return m, fmt.Errorf("read memory: %q: %w", line, err)
		}
		*into = kib * 1024
	}
	if m.now == 0 || m.peak == 0 {
		return m, fmt.Errorf("read memory: %q has no VmRSS and VmHWM", status)
	}
	return m, nil
}

// clocks are the processor times of several processes at one moment.
type clocks map[*process]time.Duration

func readClocks(processes ...*process) (clocks, error) {
	c := clocks{}
	for _, p := range processes {
		t, err := p.cpu()
		if err != nil {
			return nil, err
		}
		c[p] = t
	}
	return c, nil
}

// await polls until done, with a limit.
func await(ctx context.Context, limit time.Duration, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited %s in vain until %s", limit, what))
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// freeAddr returns an address of the loopback at which nobody listens.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// answers reports whether somebody listens there.
func answers(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
