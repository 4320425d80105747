package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/jishi-telemetry/jishi/internal/config"
	"github.com/jishi-telemetry/jishi/internal/credential"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/obs"
)

// guard decides who may connect to the base's broker, and over what.
type guard struct {
	keeper  *credential.Keeper
	serving *credential.Serving // nil without TLS
}

// openGuard reads credentials and certificates, and refuses a broker that strangers could reach without any.
func (p *process) openGuard() (*guard, error) {
	g := &guard{}
	if err := checkTLS(p.c); err != nil {
		return nil, err
	}
	if p.c.String("broker.tls-addr") != "" {
		var err error
		g.serving, err = credential.OpenServing(credential.ServingOptions{
			Cert: p.c.String("broker.tls-cert"), Key: p.c.String("broker.tls-key"),
			ClientCA: p.c.String("broker.client-ca"), RequireClient: p.c.String("broker.client-cert") == "required",
		})
		if err != nil {
			return nil, err
		}
	}
	path := credentialsPath(p.c)
	exists, err := fileExists(path)
	if err != nil {
		return nil, err
	}
	if err := checkReach(p.c, exists); err != nil {
		return nil, err
	}
	g.keeper, err = credential.Open(credential.Options{
		Path: path, MayBeMissing: p.c.String("broker.credentials") == "", Anonymous: true, Base: p.base,
		Reserved: reservedTopic, Serving: g.serving, Logger: p.log.With("part", "credentials"), Registerer: p.metrics,
	})
	if err != nil {
		return nil, err
	}
	p.warnOfReach(g)
	return g, nil
}

// credentialsPath is the file that says who may connect.
func credentialsPath(c *settings) string { return c.path("broker.credentials", credential.FileName) }

func fileExists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// checkTLS holds the settings of TLS against one another.
func checkTLS(c *settings) error {
	var problems config.Problems
	on := c.String("broker.tls-addr") != ""
	for _, name := range []string{"broker.tls-cert", "broker.tls-key"} {
		switch given := c.String(name) != ""; {
		case on && !given:
			problems = append(problems, c.Problem(name, "broker.tls-addr 需要此项", "broker.tls-addr needs it"))
		case !on && given:
			problems = append(problems, c.Problem(name, "未设 broker.tls-addr，此项无用", "it does nothing without broker.tls-addr"))
		}
	}
	if c.String("broker.client-ca") != "" && !on {
		problems = append(problems, c.Problem("broker.client-ca", "未设 broker.tls-addr，此项无用", "it does nothing without broker.tls-addr"))
	}
	if c.String("broker.client-cert") == "required" && c.String("broker.client-ca") == "" {
		problems = append(problems, c.Problem("broker.client-cert", "required 需要 broker.client-ca", "required needs broker.client-ca"))
	}
	if len(problems) > 0 {
		return usageError{problems}
	}
	return nil
}

// checkReach refuses addresses that other machines reach while nobody has to say who they are.
func checkReach(c *settings, credentials bool) error {
	anonymous := c.Bool("broker.anonymous")
	switch {
	case credentials && anonymous:
		return usageError{config.Problems{c.Problem("broker.anonymous",
			"已有凭据文件 "+credentialsPath(c)+"，不能同时匿名；去掉其一",
			"there are credentials in "+credentialsPath(c)+": remove one of the two")}}
	case credentials || anonymous:
		return nil
	}
	var problems config.Problems
	for _, name := range []string{"broker.addr", "broker.tls-addr"} {
		if addr := c.String(name); addr != "" && !onLoopback(addr) {
			problems = append(problems, c.Problem(name,
				"其他机器可以访问此地址，须先用 jishi device add 建立凭据，或（仅限试验）加 --broker.anonymous",
				"other machines reach this address: make credentials with `jishi device add` first, or, for a trial only, give --broker.anonymous"))
		}
	}
	if len(problems) > 0 {
		return usageError{problems}
	}
	return nil
}

// onLoopback reports whether only this machine reaches the address.
func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// warnOfReach says at every start what is open that need not be.
func (p *process) warnOfReach(g *guard) {
	plain := !onLoopback(p.c.String("broker.addr"))
	switch {
	case !g.keeper.Configured() && p.c.Bool("broker.anonymous"):
		p.log.Warn("anyone may connect to the broker and publish as any device", "setting", "broker.anonymous")
	case !g.keeper.Configured():
		p.log.Info("no credentials, only this machine reaches the broker", "make_them_with", "jishi device add")
	case plain:
		p.log.Warn("passwords of devices cross the network in clear", "addr", p.c.String("broker.addr"), "better", "broker.tls-addr")
	}
}

// listen puts the guard into the broker's options.
func (g *guard) listen(c *settings, o *mqtt.BrokerOptions) {
	o.Admit = g.keeper.Admit
	o.Addr, o.TLSAddr = c.String("broker.addr"), c.String("broker.tls-addr")
	if g.serving != nil {
		o.TLS = g.serving.Config()
	}
}

// watch follows credentials and certificates while the broker runs; SIGHUP has them looked at now.
func (g *guard) watch(broker *mqtt.Broker) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		hangup := make(chan os.Signal, 1)
		signal.Notify(hangup, syscall.SIGHUP)
		defer signal.Stop(hangup)
		return g.keeper.Run(ctx, hangup, broker.Review)
	}
}

// reservedTopic are the topics between bridges and collectors, and the filters that ask for one level of them.
func reservedTopic(topic string) bool {
	rest, ok := strings.CutPrefix(topic, "jishi/v1/")
	if !ok || !strings.HasSuffix(rest, "/frame") && !strings.HasSuffix(rest, "/ack") {
		return false
	}
	return strings.Count(rest, "/") == 2
}

// credentialed gives a link of this process to its own broker a name and a password.
func (g *guard) credentialed(o mqtt.ClientOptions, link string, publish, subscribe []string) mqtt.ClientOptions {
	var password obs.Secret
	o.Username, password = g.keeper.Link(link, publish, subscribe)
	o.Password = password
	return o
}

// bridgeTopics and collectorTopics are what the two ends publish and subscribe to.
func bridgeTopics(base, id string) (publish, subscribe []string) {
	return []string{frame.FrameTopic(base, id)}, []string{frame.AckTopic(base, id)}
}

func collectorTopics() (publish, subscribe []string) {
	return []string{frame.AckTopic("+", "+")}, []string{frame.FrameFilter()}
}
