package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/internal/obs"
)

const (
	// connectTimeout bounds one attempt: TCP, TLS and MQTT together.
	connectTimeout = 15 * time.Second
	// maxPacketIDs leaves room for subscriptions among the 65,535 packet ids.
	maxPacketIDs = 65000
)

// ClientOptions are what a connection to a broker needs.
type ClientOptions struct {
	// URL is tcp://host:port or mqtt://, or ssl://, tls:// or mqtts:// for TLS; the port is 1883 or 8883 when it is left
	// out. It holds no password. Required.
	URL string
	// ClientID is what the broker knows the session by. It may be empty only with CleanSession.
	ClientID string
	Username string
	Password obs.Secret
	// TLS is for ssl:// only; nil is the system's certificate authorities and at least TLS 1.2.
	TLS *tls.Config
	// CleanSession forgets the session with the connection. Without it the broker keeps subscriptions and unacknowledged
	// messages for the next connection with this ClientID; subscribe again all the same, a broker may have lost them.
	CleanSession bool
	// KeepAlive is how long the connection may be silent, 1 s to 18 h in whole seconds; default 30 s.
	KeepAlive time.Duration
	// Will is what the broker publishes when the connection ends without Close; nil is nothing.
	Will *Message
	// WillAtConnect, when it is set, is asked for the Will of each connection just before it is made.
	WillAtConnect func() *Message
	// MaxInFlight is how many publishes of QoS 1 and 2 may be unacknowledged, up to 65000; default 16384.
	MaxInFlight int
	// ReceiveBuffer is how many messages wait in Messages; default 65536. It should be at least as many as the broker
	// sends unacknowledged, since a full one stops all reading.
	ReceiveBuffer int
	// Logger and Registerer may be nil. Clients with one registerer share their counters; to tell them apart, wrap it
	// with prometheus.WrapRegistererWith.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (o ClientOptions) complete() (ClientOptions, error) {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("mqtt option "+format, args...))
		}
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 30 * time.Second
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 16384
	}
	if o.ReceiveBuffer == 0 {
		o.ReceiveBuffer = 65536
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	_, secure, err := o.target()
	need(err == nil, "URL: %w", err)
	need(err != nil || secure || o.TLS == nil, "TLS is set, but URL %q is not ssl://", o.URL)
	need(o.ClientID != "" || o.CleanSession, "ClientID is empty: only a clean session can be without one")
	need(o.Password == "" || o.Username != "", "Password is set without a Username")
	need(o.KeepAlive >= time.Second && o.KeepAlive <= 18*time.Hour && o.KeepAlive%time.Second == 0,
		"KeepAlive is %v: want 1 s to 18 h in whole seconds", o.KeepAlive)
	need(o.MaxInFlight >= 1 && o.MaxInFlight <= maxPacketIDs, "MaxInFlight is %d: want 1 to %d", o.MaxInFlight, maxPacketIDs)
	need(o.ReceiveBuffer >= 1, "ReceiveBuffer is %d: want at least 1", o.ReceiveBuffer)
	need(o.Will == nil || o.WillAtConnect == nil, "Will and WillAtConnect are both set: want one")
	need(o.Will == nil || (o.Will.Topic != "" && o.Will.QoS <= 2 && len(o.Will.Payload) < 1<<16),
		"Will: want a topic, qos 0 to 2, and a payload under 64 KiB")
	return o, errors.Join(errs...)
}

// target reads the URL.
func (o ClientOptions) target() (hostport string, secure bool, err error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return "", false, errors.New("want scheme://host:port") // the error of url.Parse repeats the URL, and what is in it
	}
	port := "1883"
	switch u.Scheme {
	case "tcp", "mqtt":
	case "ssl", "tls", "mqtts":
		secure, port = true, "8883"
	default:
		return "", false, fmt.Errorf("scheme %q: want tcp, mqtt, ssl, tls or mqtts", u.Scheme)
	}
	if u.User != nil {
		return "", false, errors.New("has a user or password: use Username and Password")
	}
	if u.Hostname() == "" {
		return "", false, errors.New("has no host")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port), secure, nil
}

// open makes the network connection, TLS included.
func (o ClientOptions) open(ctx context.Context) (net.Conn, error) {
	hostport, secure, err := o.target()
	if err != nil {
		return nil, err
	}
	if !secure {
		return new(net.Dialer).DialContext(ctx, "tcp", hostport)
	}
	config := o.TLS.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", hostport)
}
