package sparkplug

import (
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// host is what the dialect says of itself as a host application.
type host struct {
	id string
	// saidMs is the timestamp of the last death certificate that was handed out, which is the will of the connection
	// that Announce speaks of: birth and will have the same.
	saidMs int64
	// online is set from Announce to Farewell.
	online bool
}

// Announce implements dialect.Announcer: it returns the birth certificate (STATE, online) with the timestamp of the last
// Farewell, whose message was the will of this connection, or of nowMs when there was none. Every node that is
// remembered is to be born again, for its death or data may have been missed; Poll asks for it. Without a HostID the
// bridge is no host application and nothing is published.
func (d *Dialect) Announce(nowMs int64) []dialect.Request {
	for _, n := range d.nodes.All() {
		n.asking.wanted = n.asking.wanted || n.link != dead
	}
	if d.host.id == "" {
		return nil
	}
	if d.host.saidMs == 0 {
		d.host.saidMs = nowMs
	}
	d.host.online = true
	return []dialect.Request{d.host.certificate()}
}

// Farewell implements dialect.Announcer: it returns the death certificate (STATE, offline) with the timestamp nowMs. It is
// called right before each connection, for the will, and right before an intended end, to be published.
func (d *Dialect) Farewell(nowMs int64) []dialect.Request {
	if d.host.id == "" {
		return nil
	}
	d.host.saidMs, d.host.online = nowMs, false
	return []dialect.Request{d.host.certificate()}
}

func (h *host) certificate() dialect.Request {
	payload := append([]byte(`{"online":`), strconv.FormatBool(h.online)...)
	payload = append(payload, `,"timestamp":`...)
	payload = append(strconv.AppendInt(payload, h.saidMs, 10), '}')
	return dialect.Request{Topic: root + "STATE/" + h.id, Payload: payload, QoS: 1, Retain: true}
}

// state decodes what a host application says of itself. Only the bridge's own matters: when somebody, such as the will
// of a connection before this one, says that it is offline while it is not, it says again that it is online.
func (d *Dialect) state(m dialect.Message, at address) (dialect.Result, error) {
	if d.host.id == "" || at.host != d.host.id || !d.host.online {
		return dialect.Result{}, nil
	}
	again := dialect.Result{Requests: []dialect.Request{d.host.certificate()}}
	if len(m.Payload) == 0 {
		return again, nil // somebody took the retained certificate away
	}
	v, fault := d.doc.Read(m.Payload)
	if fault != nil {
		return again, fault
	}
	if online := v.Get("online"); online != nil && online.Type() == fastjson.TypeTrue {
		return dialect.Result{}, nil
	} else if online != nil && online.Type() == fastjson.TypeFalse {
		return again, nil
	}
	return again, dialect.Errorf(telemetry.ReasonMalformed, `payload of the topic %s has no boolean "online"; {"online":true,"timestamp":…} is right`,
		dialect.Quote(m.Topic))
}
