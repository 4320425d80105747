package registry

import (
	"crypto/ed25519"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// The ends of time for a validity whose from or to is not given: 2000-01-01 and 3000-01-01, 00:00 in Asia/Shanghai.
const (
	BeginMs   int64 = 946656000000
	ForeverMs int64 = 32503651200000
)

// Always is the validity that has no end on either side.
func Always() span.Span { return span.Span{StartMs: BeginMs, EndMs: ForeverMs} }

// Tier is a base's place in the 1+5+N network.
type Tier string

// The tiers.
const (
	TierLead     Tier = "1" // 龙头
	TierRegional Tier = "5"
	TierLocal    Tier = "N"
)

// Base is one public training base (公共实训基地) with all that belongs to it. Ids are unique within their base.
type Base struct {
	Code       string // part of MQTT topics: letters, digits, "-", "_", ".", at most 64
	Name       string // Chinese
	NameEN     string
	Tier       Tier
	CreditCode string `json:",omitempty"` // 统一社会信用代码 (GB 32100) of who runs it, "" when it is not known
	Reporter   string `json:",omitempty"` // 填报单位, "" when it is not known
	Districts  []District
	Bridges    []Bridge
	Hours      []Hours
	Exceptions []Exception
	Workshops  []Workshop
	Equipment  []Equipment
	Devices    []Device
	Bindings   []Binding
}

// District returns the code of the administrative district the base lay in at the instant, "" when it is not known.
func (b Base) District(atMs int64) string {
	for _, d := range b.Districts {
		if d.Valid.Contains(atMs) {
			return d.Code
		}
	}
	return ""
}

// District is the administrative district during a validity: district codes are abolished and redrawn.
type District struct {
	Code  string // six digits (GB/T 2260), or X-… for a unit that has no such code
	Valid span.Span
}

// Bridge is a sender of frames, with the keys that it was enrolled with.
type Bridge struct {
	ID   string
	Keys []BridgeKey
}

// BridgeKey is one signing key. Two keys of a bridge may be valid at once, while a new one is taken into use.
type BridgeKey struct {
	Key   ed25519.PublicKey
	Valid span.Span
}

// KeysAt returns the keys that were valid at the instant. The collector asks for the instant at which a frame arrives: no
// time that the frame itself names may decide whether its key is still good.
func (b Bridge) KeysAt(atMs int64) []ed25519.PublicKey {
	var keys []ed25519.PublicKey
	for _, k := range b.Keys {
		if k.Valid.Contains(atMs) {
			keys = append(keys, k.Key)
		}
	}
	return keys
}

// Workshop is a workshop or training room (车间, 实训室).
type Workshop struct {
	ID         string
	Name       string
	NameEN     string
	Stations   []Station
	Hours      []Hours     // in place of the base's, where valid
	Exceptions []Exception // before the base's
}

// Station is one work place (工位).
type Station struct {
	ID   string
	Name string
}

// Category decides the default quota of machine-hours a year.
type Category string

// The categories of the ministry's evaluation form.
const (
	General Category = "general" // 通用, 1400 h
	Special Category = "special" // 专用, 800 h
)

// Profile says what proves practice on the equipment.
type Profile string

// The evidence profiles.
const (
	Machine  Profile = "machine"
	Burst    Profile = "burst"
	Thermal  Profile = "thermal"
	Computer Profile = "computer"
	Bench    Profile = "bench"
	Kitchen  Profile = "kitchen"
)

// Equipment is one machine or other piece of training equipment.
type Equipment struct {
	ID          string
	AssetNumber string // 资产编号
	Name        string
	NameEN      string
	Model       string
	Workshop    string // id
	Station     string // id, "" when it belongs to none
	Category    Category
	Profile     Profile
	QuotaHours  float64 // 定额机时 a year, 0 < h <= 8784
	ValueFen    int64   // 原值 in 1/100 yuan
	InService   span.Span
	Signal      Signal
}

func (e *Equipment) fillDefaults() {
	if e.QuotaHours == 0 {
		e.QuotaHours = 1400
		if e.Category == Special {
			e.QuotaHours = 800
		}
	}
}

// SignalKind says how a machine's state is known.
type SignalKind string

// The kinds of signal.
const (
	// SignalNone: the equipment leaves no trace.
	SignalNone SignalKind = "none"
	// SignalController: the controller says its state in words.
	SignalController SignalKind = "controller"
	// SignalPower: the state is read from the power drawn.
	SignalPower SignalKind = "power"
)

// Signal is how a machine's state is known. Which device and channel say it, and when, is a matter of bindings.
type Signal struct {
	Kind SignalKind
	// States overrides what the controller's words mean: word → running, idle, off, fault or unknown.
	States map[string]string
	// Power is nil until the machine has been calibrated; its state is unknown until then.
	Power *PowerRule
}

// PowerRule reads a state from power: off below OffW, running from RunW on, idle between. Running ends below
// RunW × (1 − Hysteresis).
type PowerRule struct {
	OffW       float64 // watts, 0 <= OffW <= RunW; equal when the machine has no idle level
	RunW       float64 // watts
	Hysteresis float64 // ratio, 0 to 0.5
	DwellOn    time.Duration
	DwellOff   time.Duration
}

// The defaults of a power rule, as the YAML files have them.
const (
	DefaultHysteresis    = 0.1
	DefaultDwellOn       = 5 * time.Second
	DefaultDwellOff      = 20 * time.Second
	DefaultDwellOffBurst = 90 * time.Second // a welder's arc comes in bursts of seconds
)

// DeviceKind says what a device is.
type DeviceKind string

// The kinds of device.
const (
	Meter      DeviceKind = "meter"
	Controller DeviceKind = "controller"
	Reader     DeviceKind = "reader"
)

// Device is one sender of messages.
type Device struct {
	ID         string // as the device names itself
	Name       string
	Kind       DeviceKind
	Dialect    string        // pins the dialect; "" lets the topic decide
	MaxSilence time.Duration // 0: the dialect's own rule
	Ranges     map[string]Range
}

// Range is what values of a quantity are plausible, both ends included.
type Range struct{ Min, Max float64 }

// Contains reports whether the value is plausible.
func (r Range) Contains(v float64) bool { return r.Min <= v && v <= r.Max }

// Use says what a binding's channel is good for.
type Use string

// The uses.
const (
	// UseState: the channel decides the equipment's state.
	UseState Use = "state"
	// UseEnergy: the channel counts the equipment's energy, a second witness across gaps.
	UseEnergy Use = "energy"
	// UsePresence: the reader sees who is there.
	UsePresence Use = "presence"
)

// Binding says that a device's channel speaks for a piece of equipment or a room during its validity.
type Binding struct {
	Device    string
	Channel   string // exactly as in the device's records, "" for the unnamed channel
	Equipment string // id; exactly one of Equipment and Room is set
	Room      string // a workshop's id
	// Station is the id of a station of the room, for a reader that stands there; "" is the room's door.
	Station string `json:",omitempty"`
	Use     Use
	Valid   span.Span
}
