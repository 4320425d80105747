package registry

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
)

func decodeBase(o *object) Base {
	return Base{
		Code: o.text("code"), Name: o.text("name"), NameEN: o.text("name_en"), Tier: Tier(o.text("tier")),
		CreditCode: o.text("credit_code"), Reporter: o.text("reporter"),
		Districts:  list(o, "districts", decodeDistrict),
		Bridges:    list(o, "bridges", decodeBridge),
		Hours:      list(o, "hours", decodeHours),
		Exceptions: list(o, "exceptions", decodeException),
		Workshops:  list(o, "workshops", decodeWorkshop),
		Equipment:  list(o, "equipment", decodeEquipment),
		Devices:    list(o, "devices", decodeDevice),
		Bindings:   list(o, "bindings", decodeBinding),
	}
}

func decodeDistrict(o *object) District { return District{Code: o.text("code"), Valid: o.valid()} }

func decodeBridge(o *object) Bridge {
	return Bridge{ID: o.text("id"), Keys: list(o, "keys", decodeKey)}
}

func decodeKey(o *object) BridgeKey { return BridgeKey{Valid: o.valid(), Key: decodePublicKey(o)} }

func decodePublicKey(o *object) ed25519.PublicKey {
	text := o.text("public_key")
	if text == "" {
		return nil
	}
	key, err := ParsePublicKey(text)
	if err != nil {
		o.field("public_key").bad(text, "应为 Ed25519 公钥：32 字节的标准 Base64（44 个字符）", "want an Ed25519 public key: standard base64 of 32 bytes, 44 characters")
	}
	return key
}

// ParsePublicKey reads an Ed25519 public key as FormatPublicKey writes it.
func ParsePublicKey(s string) (ed25519.PublicKey, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != ed25519.PublicKeySize || strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("want standard base64 of 32 bytes")
	}
	return raw, nil
}

// FormatPublicKey writes the key as standard base64, 44 characters.
func FormatPublicKey(key ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(key) }

var weekdayKeys = [7]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

func decodeHours(o *object) Hours {
	h := Hours{Valid: o.valid()}
	var work, rest, week bool
	h.Workday, work = o.times("workday")
	h.Restday, rest = o.times("restday")
	for day, key := range weekdayKeys {
		var ok bool
		h.Weekday[day], ok = o.times(key)
		week = week || ok
	}
	h.ByWeekday = week
	if (work || rest) == week {
		o.bad("", "应只用 workday、restday（按日历），或只用 monday 至 sunday（按星期）",
			"want either workday and restday (by the calendar) or monday to sunday (by weekday)")
	}
	return h
}

func decodeException(o *object) Exception {
	e := Exception{Reason: o.text("reason")}
	if o.has("date") {
		at := o.instant("date", BeginMs)
		e.Valid = span.Span{StartMs: at, EndMs: at + dayMs}
		if o.has("from") || o.has("to") {
			o.bad("", "date 与 from、to 不能同时使用", "date cannot stand beside from and to")
		}
	} else {
		e.Valid = o.valid()
	}
	var ok bool
	if e.Times, ok = o.times("times"); !ok {
		o.field("times").bad("", "必填：开放时段或 closed", "required: open times or closed")
	}
	return e
}

func decodeWorkshop(o *object) Workshop {
	return Workshop{
		ID: o.text("id"), Name: o.text("name"), NameEN: o.text("name_en"),
		Stations:   list(o, "stations", func(o *object) Station { return Station{ID: o.text("id"), Name: o.text("name")} }),
		Hours:      list(o, "hours", decodeHours),
		Exceptions: list(o, "exceptions", decodeException),
	}
}

func decodeEquipment(o *object) Equipment {
	e := Equipment{
		ID: o.text("id"), AssetNumber: o.text("asset_number"), Name: o.text("name"), NameEN: o.text("name_en"),
		Model: o.text("model"), Workshop: o.text("workshop"), Station: o.text("station"),
		Category: Category(o.text("category")), Profile: Profile(o.text("profile")),
		QuotaHours: o.number("quota_hours", 0), ValueFen: decodeYuan(o, "value_yuan"), InService: Always(),
		Signal: Signal{Kind: SignalNone},
	}
	o.noZero("quota_hours", e.QuotaHours == 0, quotaZh, quotaEn)
	if s := part(o, "in_service"); s != nil {
		e.InService = s.valid()
		s.done()
	}
	if s := part(o, "signal"); s != nil {
		e.Signal = decodeSignal(s, e.Profile)
		s.done()
	}
	return e
}

// decodeYuan reads an amount with at most two decimals without going through a float.
func decodeYuan(o *object, key string) int64 {
	node, ok := o.get(key)
	if !ok {
		return 0
	}
	whole, cents, point := strings.Cut(node.Text, ".")
	n, err := strconv.ParseInt(whole+(cents + "00")[:2], 10, 64)
	if err != nil || node.Quoted || whole == "" || len(cents) > 2 || (point && cents == "") || n < 0 || n > 1e14 {
		o.field(key).bad(node.Text, "应为元，最多两位小数，如 185000.00", "want yuan with at most two decimals, such as 185000.00")
		return 0
	}
	return n
}

func decodeSignal(o *object, profile Profile) Signal {
	s := Signal{Kind: SignalKind(o.text("kind")), States: o.words("states")}
	p := part(o, "power")
	if p == nil {
		return s
	}
	off := DefaultDwellOff
	if profile == Burst {
		off = DefaultDwellOffBurst
	}
	s.Power = &PowerRule{
		OffW: p.number("off_w", math.Inf(1)), RunW: p.number("run_w", math.Inf(1)), Hysteresis: p.number("hysteresis", DefaultHysteresis),
		DwellOn: p.duration("dwell_on", DefaultDwellOn), DwellOff: p.duration("dwell_off", off),
	}
	p.done()
	return s
}

func decodeDevice(o *object) Device {
	d := Device{
		ID: o.text("id"), Name: o.text("name"), Kind: DeviceKind(o.text("kind")), Dialect: o.text("dialect"),
		MaxSilence: o.duration("max_silence", 0),
	}
	o.noZero("max_silence", d.MaxSilence == 0, silenceZh, silenceEn)
	ranges := part(o, "ranges")
	if ranges == nil {
		return d
	}
	d.Ranges = map[string]Range{}
	for _, quantity := range ranges.order {
		if r := part(ranges, quantity); r != nil {
			d.Ranges[quantity] = Range{Min: r.number("min", -math.MaxFloat64), Max: r.number("max", math.MaxFloat64)}
			r.done()
		}
	}
	return d
}

func decodeBinding(o *object) Binding {
	b := Binding{
		Device: o.text("device"), Channel: o.text("channel"), Equipment: o.text("equipment"), Room: o.text("room"), Station: o.text("station"),
		Use: Use(o.text("use")), Valid: o.valid(),
	}
	if b.Use == "" && !o.has("use") {
		b.Use = UseState
	}
	return b
}

// state words that a controller's word may be mapped to.
var stateWords = []string{"running", "idle", "off", "fault", "unknown"}

// Limits that both the decoder and the checker speak of.
const (
	quotaZh, quotaEn     = "应大于 0，至多 8784 小时", "want more than 0, at most 8784 hours"
	silenceZh, silenceEn = "应大于 0，最长 168h，精确到毫秒", "want more than 0, at most 168h, in whole milliseconds"

	maxDwell   = 10 * time.Minute
	maxSilence = 7 * 24 * time.Hour
)
