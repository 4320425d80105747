package mtconnect

import (
	"strings"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// An agent's last will names the agent, not the machines that it speaks for, and a machine's values hold until the agent
// says otherwise: without more, a machine whose agent died at work would work for ever. So the machines go with their
// agent. Whose agent it is, only documents tell (by sender and instanceId); while one agent alone has been heard, all
// machines are its own.

// maxAgents bounds the agents remembered; a base has one, or one a machine.
const maxAgents = 256

// agent is what is remembered of one agent.
type agent struct{ down bool }

// agent decodes the agent's own availability, which is also its last will.
func (d *Dialect) agent(m dialect.Message, device string) (dialect.Result, error) {
	if err := dialect.CheckName("device in the topic", device); err != nil {
		return dialect.Result{}, err
	}
	if err := dialect.CheckPayload(m.Payload); err != nil {
		return dialect.Result{}, err
	}
	rec := telemetry.Record{Kind: telemetry.KindLink, Device: d.names.Own(device), Retained: m.Retained}
	switch text := strings.TrimSpace(string(m.Payload)); {
	case strings.EqualFold(text, "AVAILABLE"):
		rec.Link = telemetry.LinkOnline
	case strings.EqualFold(text, Unavailable):
		rec.Link = telemetry.LinkWill
	default:
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed, "payload is %s; AVAILABLE or UNAVAILABLE is right", dialect.Quote(text))
	}
	d.clock.Date(&rec, 0, m.ReceivedMs, false)
	name, a := d.agents.Heard(device)
	a.down = rec.Link.Down()
	records := []telemetry.Record{rec}
	if a.down {
		records = d.orphaned(records, rec, name)
	}
	return dialect.Result{Records: records}, nil
}

// orphaned adds the same end for every machine that the agent speaks for.
func (d *Dialect) orphaned(records []telemetry.Record, will telemetry.Record, agent string) []telemetry.Record {
	for name, machine := range d.machines.All() {
		if machine.gone || name == agent || !d.speaksFor(agent, machine) {
			continue
		}
		if len(records) == telemetry.MaxRecords {
			break
		}
		machine.gone, machine.goneMs = true, will.EventMs
		one := will
		one.Device = name
		records = append(records, one)
	}
	return records
}

// speaksFor reports whether a machine is an agent's own, as far as anyone can tell.
func (d *Dialect) speaksFor(agent string, of *machine) bool {
	if d.agents.Len() == 1 {
		return true
	}
	own := d.machines.Find(agent)
	return own != nil && own.stream != nil && of.stream != nil && own.stream.instance == of.stream.instance &&
		own.stream.sender == of.stream.sender
}

// retainedOfGone ends the connection of a machine that only the broker's memory speaks of, while the one agent that there
// is is gone: what it said last does not hold.
func (d *Dialect) retainedOfGone(result dialect.Result, m dialect.Message, device string) dialect.Result {
	if !m.Retained || len(result.Records) == 0 || d.agents.Len() != 1 || len(result.Records) == telemetry.MaxRecords {
		return result
	}
	for _, a := range d.agents.All() {
		if !a.down {
			return result
		}
	}
	name, machine := d.machines.Heard(device)
	if machine.gone {
		return result
	}
	machine.gone, machine.goneMs = true, m.ReceivedMs
	will := telemetry.Record{Kind: telemetry.KindLink, Device: name, Link: telemetry.LinkWill, Retained: true}
	d.clock.Date(&will, 0, m.ReceivedMs, false)
	result.Records = append(result.Records, will)
	return result
}
