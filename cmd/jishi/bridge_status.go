package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/obs"
)

// statusVersion is raised when a field of the status changes its meaning or goes; new fields do not raise it.
const statusVersion = 1

// edgeStatus is the document under /status, described in docs/status.md.
type edgeStatus struct {
	StatusVersion int    `json:"status_version"`
	Program       string `json:"program_version"`
	// ReadFrom is "bridge", or "log" when no bridge answered and the log's files were looked at.
	ReadFrom string `json:"read_from"`
	bridge.Status
	// Broker is the base's own; null when messages come from a broker that the base already has.
	Broker    *brokerStatus `json:"broker"`
	Attention []concern     `json:"attention"`
}

// brokerStatus is how the base's broker is.
type brokerStatus struct {
	Addr    string `json:"addr"`
	TLSAddr string `json:"tls_addr"`
	// Refusals are what was refused lately, the latest first.
	Refusals []refusalStatus `json:"refusals"`
}

// refusalStatus is what one client was refused for one reason. Its texts are the client's.
type refusalStatus struct {
	Why     string `json:"why"`
	Who     string `json:"who"`
	Proven  bool   `json:"proven"` // who is more than a claim
	Remote  string `json:"remote"` // "" when it is not known
	What    string `json:"what"`
	Count   int64  `json:"count"`
	FirstMs int64  `json:"first_ms"`
	LastMs  int64  `json:"last_ms"`
}

// observed is a bridge that runs in this process, with the broker that it listens to.
type observed struct {
	bridge *bridge.Bridge
	broker *mqtt.Broker // nil when messages come from a broker that the base already has
}

func (e *observed) status() *edgeStatus {
	s := &edgeStatus{StatusVersion: statusVersion, Program: obs.ReadBuild().Version, ReadFrom: "bridge", Status: e.bridge.Status()}
	if e.broker != nil {
		s.Broker = &brokerStatus{Addr: e.broker.Addr(), TLSAddr: e.broker.TLSAddr(), Refusals: []refusalStatus{}}
		for _, r := range e.broker.Refusals() {
			s.Broker.Refusals = append(s.Broker.Refusals, refusalStatus{
				Why: string(r.Why), Who: r.Who, Proven: r.Proven, Remote: addrText(r.Remote), What: r.What,
				Count: r.Count, FirstMs: r.First.UnixMilli(), LastMs: r.Last.UnixMilli(),
			})
		}
	}
	s.Attention = concernsOf(s)
	return s
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// errNeedsPerson ends the command with a failure when something is to be done.
var errNeedsPerson = errors.New("something needs a person (见上 see above)")

func newBridgeStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Say how the bridge is and what needs a person 网桥状态", Args: cobra.NoArgs,
		Long: "Asks the running bridge at --admin.addr how it is: connection, queue, disk, losses, devices, refusals.\n" +
			"When no bridge answers, it looks at the log's files, changes nothing, and says so.\n" +
			"Exit code 1 when something needs a person. 需要人工处理时退出码为 1。",
		Example: "  jishi bridge status --admin.addr 127.0.0.1:9100\n  jishi bridge status --json",
	}
	c := withSettingsNamed(cmd, "admin.addr", "spool.dir", "spool.max-bytes", "spool.min-free-bytes", "spool.audit", "spool.drop-oldest", "base.code", "bridge.id")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the status as JSON (docs/status.md)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, func(ctx context.Context) error { return tellStatus(ctx, c, cmd.OutOrStdout(), asJSON) })
	}
	return cmd
}

// tellStatus prints the status, and returns errNeedsPerson when something is to be done.
func tellStatus(ctx context.Context, c *settings, w io.Writer, asJSON bool) error {
	s, err := askBridge(ctx, c.String("admin.addr"))
	if err != nil {
		if s, err = lookAtLog(ctx, c, err); err != nil {
			return err
		}
	}
	if err := writeStatus(w, s, asJSON); err != nil {
		return err
	}
	if needsPerson(s.Attention) {
		return errNeedsPerson
	}
	return nil
}

func writeStatus(w io.Writer, s *edgeStatus, asJSON bool) error {
	if !asJSON {
		return printStatus(w, s)
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	_, err = w.Write(append(printableJSON(text), '\n'))
	return err
}

const (
	// maxStatusBytes is the largest answer that is read: a thousand devices have about 300 kB.
	maxStatusBytes = 16 << 20
	statusTimeout  = 5 * time.Second
)

// errNoAdmin says that nobody said where a bridge would answer.
var errNoAdmin = errors.New("未设 admin.addr，网桥不提供状态: admin.addr is not set, so a bridge serves no status")

// askBridge asks the bridge whose admin address is given.
func askBridge(ctx context.Context, addr string) (*edgeStatus, error) {
	if addr == "" {
		return nil, errNoAdmin
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(addr)+"/status", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask bridge at %s: %w", addr, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask bridge: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // what was read is judged below
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask bridge at %s: it answers %s; is it a bridge's admin.addr?", addr, resp.Status)
	}
	var s edgeStatus
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxStatusBytes)).Decode(&s); err != nil {
		return nil, fmt.Errorf("read status of bridge at %s: %w", addr, err)
	}
	if s.StatusVersion != statusVersion {
		return nil, fmt.Errorf("bridge at %s tells its status in version %d, this program reads %d", addr, s.StatusVersion, statusVersion)
	}
	return &s, nil
}

// reachable is an address to listen on as one to connect to: everywhere is here, too.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
