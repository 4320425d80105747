package registry

import (
	"crypto/ed25519"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/strictyaml"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

var (
	idPattern       = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	districtPattern = regexp.MustCompile(`^([1-9][0-9]{5}|X-[A-Za-z0-9-]{1,30})$`)
)

// bases checks every base at its place, and then what must hold between bases.
func (c *checker) bases(bases []Base, places []place) {
	for i := range bases {
		b, at := &bases[i], places[i]
		at.field("code").id(b.Code)
		at.field("code").unique("base", b.Code, "基地编码", "base code")
		c.base(b, at)
	}
}

func (c *checker) base(b *Base, at place) {
	at.field("name").name(b.Name, true)
	at.field("name_en").name(b.NameEN, false)
	at.field("tier").oneOf(string(b.Tier), string(TierLead), string(TierRegional), string(TierLocal))
	at.field("reporter").name(b.Reporter, false)
	if b.CreditCode != "" {
		if fault := identity.CheckCreditCode(b.CreditCode); fault != nil {
			at.field("credit_code").bad(b.CreditCode, fault.Zh, fault.En)
		}
	}
	c.districts(b, at)
	c.bridges(b, at)
	c.hours(b.Hours, at)
	c.exceptions(b.Exceptions, at)
	c.workshops(b, at)
	c.devices(b, at)
	c.equipment(b, at)
	c.bindings(b, at)
}

func (c *checker) districts(b *Base, at place) {
	if len(b.Districts) == 0 {
		at.field("districts").bad("", "必填：至少一个区县代码", "required: at least one district code")
	}
	var spans []placed
	for i, d := range b.Districts {
		p := at.item("districts", i)
		if !districtPattern.MatchString(d.Code) {
			p.field("code").bad(d.Code, "应为 6 位行政区划代码，或 X- 开头的自定义代码", "want six digits (GB/T 2260), or a code of your own that starts with X-")
		}
		spans = append(spans, placed{p, p.valid(d.Valid)})
	}
	disjoint(spans, "区县", "districts")
}

func (c *checker) bridges(b *Base, at place) {
	for i, bridge := range b.Bridges {
		p := at.item("bridges", i)
		p.field("id").id(bridge.ID)
		p.field("id").unique("bridge\x00"+b.Code, bridge.ID, "网桥编号", "bridge id")
		if len(bridge.Keys) == 0 {
			p.field("keys").bad("", "必填：至少一个公钥", "required: at least one public key")
		}
		for j, k := range bridge.Keys {
			q := p.item("keys", j)
			q.valid(k.Valid)
			c.publicKey(q, k.Key, true)
		}
	}
}

// publicKey checks the field public_key. A key that is unique in all of the registry has one owner.
func (c *checker) publicKey(at place, key ed25519.PublicKey, unique bool) {
	at = at.field("public_key")
	switch {
	case len(key) != ed25519.PublicKeySize:
		at.bad("", "必填：Ed25519 公钥", "required: the Ed25519 public key")
	case !slices.ContainsFunc(key, func(b byte) bool { return b != 0 }):
		at.bad(FormatPublicKey(key), "全零不是公钥，请填 jishi bridge 显示的公钥", "all zeros is no key, use the one that the bridge shows")
	case unique:
		at.unique("key", FormatPublicKey(key), "公钥", "public key")
	}
}

func (c *checker) workshops(b *Base, at place) {
	for i, w := range b.Workshops {
		p := at.item("workshops", i)
		p.field("id").id(w.ID)
		p.field("id").unique("workshop\x00"+b.Code, w.ID, "车间编号", "workshop id")
		p.field("name").name(w.Name, true)
		p.field("name_en").name(w.NameEN, false)
		for j, s := range w.Stations {
			q := p.item("stations", j)
			q.field("id").id(s.ID)
			q.field("id").unique("station\x00"+b.Code+"\x00"+w.ID, s.ID, "工位编号", "station id")
			q.field("name").name(s.Name, false)
		}
		c.hours(w.Hours, p)
		c.exceptions(w.Exceptions, p)
	}
}

func (c *checker) hours(hours []Hours, at place) {
	var spans []placed
	for i, h := range hours {
		p := at.item("hours", i)
		spans = append(spans, placed{p, p.days(h.Valid)})
		p.field("workday").times(h.Workday)
		p.field("restday").times(h.Restday)
		for day, key := range weekdayKeys {
			p.field(key).times(h.Weekday[day])
		}
	}
	disjoint(spans, "开放时间", "opening hours")
}

func (c *checker) exceptions(exceptions []Exception, at place) {
	var spans []placed
	for i, e := range exceptions {
		p := at.item("exceptions", i)
		spans = append(spans, placed{p, p.days(e.Valid)})
		p.field("times").times(e.Times)
		p.field("reason").name(e.Reason, false)
	}
	disjoint(spans, "例外", "exceptions")
}

var dialects = []string{"native", "sparkplug", "tasmota", "shelly", "esphome", "zigbee2mqtt", "mtconnect"}

var quantities = []string{
	telemetry.PowerW, telemetry.ApparentVA, telemetry.ReactiveVar, telemetry.CurrentA, telemetry.VoltageV, telemetry.EnergyWh,
	telemetry.FrequencyHz, telemetry.PowerFactor, telemetry.SpeedRPM, telemetry.LoadPercent, telemetry.FeedMMS, telemetry.OverridePct,
	telemetry.PositionMM, telemetry.AngleDeg, telemetry.TemperatureC, telemetry.Count, telemetry.DurationS, telemetry.Number,
	telemetry.RelayOn, telemetry.SignalDBm,
}

func (c *checker) devices(b *Base, at place) {
	for i, d := range b.Devices {
		p := at.item("devices", i)
		p.field("id").token(d.ID, true)
		p.field("id").unique("device\x00"+b.Code, d.ID, "设备标识", "device id")
		p.field("name").name(d.Name, false)
		p.field("kind").oneOf(string(d.Kind), string(Meter), string(Controller), string(Reader))
		if d.Dialect != "" {
			p.field("dialect").oneOf(d.Dialect, dialects...)
		}
		if d.MaxSilence < 0 || d.MaxSilence > maxSilence || d.MaxSilence%1e6 != 0 {
			p.field("max_silence").bad(d.MaxSilence.String(), silenceZh, silenceEn)
		}
		for quantity, r := range d.Ranges {
			q := p.field("ranges").field(quantity)
			if !slices.Contains(quantities, quantity) {
				q.unknownName(quantity, quantities)
			} else if !(r.Min < r.Max) || math.IsInf(r.Min, 0) || math.IsInf(r.Max, 0) {
				q.bad(fmt.Sprintf("%g..%g", r.Min, r.Max), "min 应小于 max", "want min below max")
			}
		}
	}
}

// unknownName reports a name that is none of a closed set.
func (p place) unknownName(value string, known []string) {
	zh, en := "可用："+strings.Join(known, "、"), "want one of "+strings.Join(known, ", ")
	if near := strictyaml.Nearest(value, known); near != "" {
		zh, en = fmt.Sprintf("是否应为 %s？%s", near, zh), fmt.Sprintf("did you mean %s? %s", near, en)
	}
	p.bad(value, zh, en)
}

func (p place) oneOf(value string, known ...string) {
	if value == "" {
		p.bad("", "必填，可用："+strings.Join(known, "、"), "required, one of "+strings.Join(known, ", "))
	} else if !slices.Contains(known, value) {
		p.unknownName(value, known)
	}
}

func (p place) id(value string) {
	if value == "" {
		p.bad("", "必填", "required")
	} else if !idPattern.MatchString(value) {
		p.bad(value, "应为 1 至 64 个字母、数字或 . _ -，以字母或数字开头", "want 1 to 64 letters, digits or . _ -, starting with a letter or digit")
	}
}

// token checks a text that comes from a device, which may hold nearly anything.
func (p place) token(value string, required bool) {
	if value == "" && required {
		p.bad("", "必填", "required")
	} else if len(value) > telemetry.MaxName || !utf8.ValidString(value) || strings.ContainsFunc(value, notPrintable) {
		p.bad(value, fmt.Sprintf("应为至多 %d 字节的可见字符", telemetry.MaxName), fmt.Sprintf("want at most %d bytes of visible characters", telemetry.MaxName))
	}
}

const maxNameBytes = 200

func (p place) name(value string, required bool) {
	if value == "" && required {
		p.bad("", "必填", "required")
	} else if len(value) > maxNameBytes || !utf8.ValidString(value) || strings.ContainsFunc(value, notPrintable) || strings.TrimSpace(value) != value {
		p.bad(value, fmt.Sprintf("应为至多 %d 字节的可见字符，首尾无空格", maxNameBytes), fmt.Sprintf("want at most %d bytes of visible characters, without spaces around", maxNameBytes))
	}
}

func notPrintable(r rune) bool { return !unicode.IsPrint(r) }

func (p place) times(t Times) {
	for i, o := range t {
		if o.Start < 0 || o.End > 24*60 || o.End <= o.Start || (i > 0 && o.Start < t[i-1].End) {
			p.bad(t.String(), "时段应在一天之内，按先后、不重叠", "want times within one day, in order and without overlap")
		}
	}
}

// valid checks a validity and returns it, empty when it is wrong.
func (p place) valid(s span.Span) span.Span {
	if s.StartMs < BeginMs || s.EndMs > ForeverMs || s.Empty() {
		p.field("to").bad(formatInstant(s.EndMs), "to 应晚于 from（有效期不含 to）", "want to after from (to itself is outside)")
		return span.Span{}
	}
	return s
}

// days is valid for a validity of whole days.
func (p place) days(s span.Span) span.Span {
	if (s.StartMs+shanghaiMs)%dayMs != 0 || (s.EndMs+shanghaiMs)%dayMs != 0 {
		p.bad(formatInstant(s.StartMs)+" .. "+formatInstant(s.EndMs), "应为整天的日期", "want whole days")
		return span.Span{}
	}
	return p.valid(s)
}

// placed is a validity and where it stands.
type placed struct {
	at   place
	span span.Span
}

// disjoint reports each validity that overlaps an earlier one.
func disjoint(list []placed, zh, en string) {
	for i, later := range list {
		for _, earlier := range list[:i] {
			if both := earlier.span.Intersect(later.span); !both.Empty() {
				between := formatInstant(both.StartMs) + " .. " + formatInstant(both.EndMs)
				later.at.bad(between, fmt.Sprintf("%s的有效期与 %s 重叠", zh, earlier.at), fmt.Sprintf("validity of %s overlaps %s", en, earlier.at))
				break
			}
		}
	}
}
