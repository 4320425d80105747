package load

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/jishi-telemetry/jishi/internal/obs"
)

// Options say what load is put on which broker. They are plain data, so that they can be handed to another process.
type Options struct {
	// Broker is tcp://host:port or mqtt://host:port; the port is 1883 when it is left out. Required.
	Broker string
	// AnyBroker allows a broker that is not on this machine.
	AnyBroker bool
	// Username and Password are sent by every device; Username may hold placeholders, see Template. Both may be empty.
	Username string
	Password obs.Secret

	// Devices is how many devices there are in all, 1 to 10,000,000; each has a connection of its own.
	Devices int
	// First and Share are the part of Devices that this process plays: Share of them from First on, counted from 0. Share 0
	// is all from First on.
	First, Share int
	// Every is how long it is from one message of a device to its next, 1 ms to 24 h. The devices take turns, evenly.
	Every time.Duration
	// QoS is 0 or 1.
	QoS byte
	// Message is what each device sends. Required.
	Message *Template
	// ConnectionsPerSecond is how fast this process connects its devices, also again after a loss, 1 to 100,000; 0 is 1000.
	ConnectionsPerSecond int
	// Duration is how long messages are sent, from when the devices are connected on. It must be above 0.
	Duration time.Duration
	// Drain is how long is waited for the last acknowledgements; 0 is 5 seconds.
	Drain time.Duration
	// KeepAlive is what the devices promise the broker, 5 s to 18 h in whole seconds; 0 is 60 seconds.
	KeepAlive time.Duration
	// Sources is how many addresses 127.0.0.1, 127.0.0.2, … the devices connect from; 0 is as many as they need, since one
	// address has only some 28,000 ports. Broker addresses other than 127.0.0.0/8 get the system's choice.
	Sources int
}

// Hooks are called while a load runs. Each may be nil.
type Hooks struct {
	// Connected is called when every device has tried to connect once, and returns the instant at which the schedule
	// begins: where several processes share a load, all wait here for the slowest. nil begins at once.
	Connected func(Report) (time.Time, error)
	// Progress is called about every second, from one goroutine, and must return soon.
	Progress func(Report)
	// Logger gets the reasons of lost connections at debug level.
	Logger *slog.Logger
}

// Limits and defaults of Options.
const (
	maxDevices          = 10_000_000
	maxConnectRate      = 100_000
	defaultConnectRate  = 1000
	defaultDrain        = 5 * time.Second
	defaultKeepAlive    = time.Minute
	minEvery            = time.Millisecond
	maxEvery            = 24 * time.Hour
	devicesPerSource    = 10_000 // of the 28,232 ports that Linux gives away: it searches ever longer once half are gone
	sourcesPerLastOctet = 250
	defaultPort         = "1883"
	minKeepAlive        = 5 * time.Second
	maxKeepAlive        = 18 * time.Hour
	maxSources          = 250 * 250
	errNotMine          = "is not on this machine. A load test stops what it hits: only your own broker, and only with --yes-this-is-my-broker"
	errNoTLS            = "TLS is not spoken here: give the broker a plain listener on the loopback, or put a TLS proxy between"
)

// Validate reports every problem of the options; each names its field.
func (o Options) Validate() error {
	_, err := o.complete()
	return err
}

// complete checks the options and fills in the defaults. Every problem is reported, and names its field.
func (o Options) complete() (Options, error) {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("load option "+format, args...))
		}
	}
	if o.ConnectionsPerSecond == 0 {
		o.ConnectionsPerSecond = defaultConnectRate
	}
	if o.Drain == 0 {
		o.Drain = defaultDrain
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = defaultKeepAlive
	}
	if o.Share == 0 {
		o.Share = o.Devices - o.First
	}
	if o.Sources == 0 {
		o.Sources = (o.Devices + devicesPerSource - 1) / devicesPerSource
	}
	_, err := o.address()
	need(err == nil, "Broker: %w", err)
	need(o.Devices >= 1 && o.Devices <= maxDevices, "Devices is %d: want 1 to %d", o.Devices, maxDevices)
	need(o.First >= 0 && o.Share >= 1 && o.First+o.Share <= o.Devices, "First and Share are %d and %d: want a part of %d devices", o.First, o.Share, o.Devices)
	need(o.Every >= minEvery && o.Every <= maxEvery, "Every is %v: want %v to %v", o.Every, minEvery, maxEvery)
	need(o.QoS <= 1, "QoS is %d: want 0 or 1", o.QoS)
	need(o.Message != nil, "Message is required")
	need(o.ConnectionsPerSecond >= 1 && o.ConnectionsPerSecond <= maxConnectRate, "ConnectionsPerSecond is %d: want 1 to %d", o.ConnectionsPerSecond, maxConnectRate)
	need(o.Duration > 0, "Duration is %v: want more than 0", o.Duration)
	need(o.Drain > 0, "Drain is %v: want more than 0", o.Drain)
	need(o.KeepAlive >= minKeepAlive && o.KeepAlive <= maxKeepAlive && o.KeepAlive%time.Second == 0, "KeepAlive is %v: want %v to %v in whole seconds", o.KeepAlive, minKeepAlive, maxKeepAlive)
	need(o.Password == "" || o.Username != "", "Password is set without a Username")
	need(o.Sources >= 0 && o.Sources <= maxSources, "Sources is %d: want 0 to %d", o.Sources, maxSources)
	return o, errors.Join(errs...)
}

// address is the broker's host and port. The error says what is wrong with the URL, or that the broker is a stranger's.
func (o Options) address() (string, error) {
	u, err := url.Parse(o.Broker)
	if err != nil {
		return "", errors.New("want tcp://host:port") // the error of url.Parse repeats the URL, and what is in it
	}
	switch {
	case u.Scheme == "ssl" || u.Scheme == "tls" || u.Scheme == "mqtts":
		return "", fmt.Errorf("scheme %q: %s", u.Scheme, errNoTLS)
	case u.Scheme != "tcp" && u.Scheme != "mqtt":
		return "", fmt.Errorf("scheme %q: want tcp or mqtt", u.Scheme)
	case u.User != nil:
		return "", errors.New("has a user or password: use Username and Password")
	case u.Hostname() == "":
		return "", errors.New("has no host")
	case !o.AnyBroker && !loopback(u.Hostname()):
		return "", fmt.Errorf("%s %s", u.Hostname(), errNotMine)
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// source is the address that a device connects from, nil for the system's choice. Only Linux answers on all of
// 127.0.0.0/8 by itself, so a load that one address can carry asks for none.
func (o Options) source(device int, broker string) net.Addr {
	host, _, err := net.SplitHostPort(broker)
	if err != nil || o.Sources <= 1 {
		return nil
	}
	ip, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !ip.Is4() || !ip.IsLoopback()) {
		return nil
	}
	n := device % o.Sources
	return &net.TCPAddr{IP: net.IPv4(127, 0, byte(n/sourcesPerLastOctet), byte(1+n%sourcesPerLastOctet))}
}

// name is the identity of a device, its client id and what {device} stands for.
func (o Options) name(device int) string {
	number := strconv.Itoa(device)
	return o.Message.prefix + "000000"[min(6, len(number)):] + number
}
