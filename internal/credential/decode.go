package credential

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Parse reads the file. With any mistake the error is Problems, all of them, and there is no File. The name is what
// problems call the file.
func Parse(name string, text []byte) (*File, error) {
	r, root := newReader(name, text)
	f := &File{}
	if root != nil {
		f.Defaults = decodeDefaults(root)
		f.Devices = decodeDevices(root)
		root.done()
	}
	if len(r.problems) > 0 {
		return nil, r.sorted()
	}
	return f, nil
}

func decodeDefaults(root *mapping) Allowance {
	m := root.part("defaults")
	if m == nil {
		return Allowance{}
	}
	defer m.done()
	return decodeAllowance(m)
}

func decodeAllowance(m *mapping) Allowance {
	return Allowance{
		MessagesPerSecond: m.rate("messages_per_second"),
		Burst:             m.whole("burst", 1, 1_000_000),
		MaxPayloadBytes:   m.size("max_payload", 1, 64<<20),
		MaxConnections:    m.whole("max_connections", 1, 10_000),
	}
}

// seen tells what the entries must not share.
type seen struct {
	names      map[string]int // → line
	identities map[Identity]string
	hashes     map[string]string
}

func decodeDevices(root *mapping) []Device {
	items := root.mappings("devices")
	if len(items) > maxDevices {
		root.bad("devices", "", fmt.Sprintf("最多 %d 项", maxDevices), fmt.Sprintf("at most %d entries", maxDevices))
		return nil
	}
	s := seen{names: map[string]int{}, identities: map[Identity]string{}, hashes: map[string]string{}}
	var out []Device
	for _, m := range items {
		d := decodeDevice(m)
		m.done()
		s.check(m, d)
		out = append(out, d)
	}
	return out
}

func decodeDevice(m *mapping) Device {
	d := Device{
		Name: m.text("name"), Note: m.text("note"), Role: Role(m.text("role")), Dialect: m.text("dialect"),
		Disabled: m.truth("disabled"), ClientIDs: m.texts("client_ids"),
		Publish: m.texts("publish"), Subscribe: m.texts("subscribe"), Line: m.line,
	}
	d.Allowance = decodeAllowance(m)
	for _, p := range m.mappings("passwords") {
		d.Passwords = append(d.Passwords, decodePassword(p))
		p.done()
	}
	for _, c := range m.mappings("certificates") {
		d.Certificates = append(d.Certificates, decodeIdentity(c))
		c.done()
	}
	if d.Role == "" && !m.has("role") {
		d.Role = RoleDevice
	}
	checkName(m, d)
	checkRole(m, d)
	checkTopics(m, "publish", d.Publish)
	checkTopics(m, "subscribe", d.Subscribe)
	checkClientIDs(m, d)
	if len(d.Passwords) > MaxPasswords {
		m.bad("passwords", "", fmt.Sprintf("最多 %d 个密码，请删去过期的", MaxPasswords), fmt.Sprintf("at most %d passwords, remove those that have ended", MaxPasswords))
	}
	if len(d.Passwords)+len(d.Certificates) == 0 && !d.Disabled {
		m.bad("passwords", "", "应有 passwords 或 certificates 之一，否则无法连接；停用请写 disabled: true",
			"want passwords or certificates, it could not connect; write disabled: true to keep it out")
	}
	return d
}

func decodePassword(m *mapping) Password {
	text := m.text("hash")
	hash, err := ParseHash(text)
	if err != nil {
		// The value is not shown: it may be a password that was written here by mistake.
		m.bad("hash", "", "应为 argon2id 散列（PHC 格式，用 jishi device 生成），不是密码本身", "want an argon2id hash as a PHC string, made by jishi device, not the password itself: "+err.Error())
	}
	return Password{Hash: hash, NotAfter: m.instant("not_after")}
}

func decodeIdentity(m *mapping) Identity {
	i := Identity{CommonName: m.text("cn"), SHA256: strings.ToLower(strings.ReplaceAll(m.text("sha256"), ":", ""))}
	if (i.CommonName == "") == (i.SHA256 == "") {
		m.bad("", "", "应有 cn 或 sha256 之一", "want either cn or sha256")
	}
	if i.SHA256 != "" && (len(i.SHA256) != 64 || strings.Trim(i.SHA256, "0123456789abcdef") != "") {
		m.bad("sha256", i.SHA256, "应为证书的 SHA-256 指纹，64 位十六进制", "want the certificate's SHA-256 fingerprint, 64 hexadecimal digits")
	}
	return i
}

// ValidName says why a text cannot be an entry's name; nil when it can. A name stands in topics, so it is one level.
func ValidName(name string) error {
	if zh, en := wrongName(name); zh != "" {
		return fmt.Errorf("%s / %s", zh, en)
	}
	return nil
}

func wrongName(name string) (zh, en string) {
	switch {
	case name == "" || len(name) > MaxName:
		return "应为 1 至 128 字节的用户名", "want a username of 1 to 128 bytes"
	case strings.ContainsAny(name, "/+#{}") || hasControl(name) || strings.TrimSpace(name) != name:
		return "用户名是主题的一级：不能有 / + # { }、控制字符或首尾空格", "a username is one level of a topic: no / + # { }, control characters or spaces around it"
	case strings.HasPrefix(name, "$") || strings.HasPrefix(name, linkPrefix):
		return "不能以 $ 或 jishi- 开头", "must not begin with $ or jishi-"
	}
	return "", ""
}

func checkName(m *mapping, d Device) {
	if zh, en := wrongName(d.Name); zh != "" {
		m.bad("name", d.Name, zh, en)
		return
	}
	for _, level := range shared() {
		if strings.EqualFold(d.Name, level) && d.Publish == nil && d.Role == RoleDevice && d.Dialect != "zigbee2mqtt" {
			m.bad("name", d.Name, "此名是多台设备共用的主题开头，请换名，或写明 publish", "the name is where the topics of many devices begin: choose another, or write publish")
		}
	}
}

func checkRole(m *mapping, d Device) {
	switch d.Role {
	case RoleDevice:
	case RoleReader:
		if d.Publish != nil {
			m.bad("publish", "", "reader 只能订阅", "a reader only subscribes")
		}
		if d.Dialect != "" {
			m.bad("dialect", d.Dialect, "reader 没有 dialect", "a reader has no dialect")
		}
	default:
		m.bad("role", string(d.Role), "应为 device 或 reader", "want device or reader")
	}
	if _, ok := ownTopics()[d.Dialect]; !ok {
		known := strings.Join(Dialects(), ", ")
		m.bad("dialect", d.Dialect, "未知的 dialect，可用："+known, "unknown dialect, known are "+known)
	}
}

func checkTopics(m *mapping, key string, filters []string) {
	if len(filters) > maxFilters {
		m.bad(key, "", fmt.Sprintf("最多 %d 个", maxFilters), fmt.Sprintf("at most %d", maxFilters))
	}
	for i, f := range filters {
		if zh, en := validFilter(f); zh != "" {
			m.badItem(key, i, f, zh, en)
		}
	}
}

func checkClientIDs(m *mapping, d Device) {
	for i, id := range d.ClientIDs {
		if id == "" || len(id) > 1024 || hasControl(id) {
			m.badItem("client_ids", i, id, "应为 MQTT 客户端标识", "want an MQTT client id")
		}
	}
}

func (s *seen) check(m *mapping, d Device) {
	if line, ok := s.names[d.Name]; ok && d.Name != "" {
		m.bad("name", d.Name, fmt.Sprintf("重复，已用于第 %d 行", line), fmt.Sprintf("is used twice, first on line %d", line))
	} else {
		s.names[d.Name] = d.Line
	}
	for _, c := range d.Certificates {
		if first, ok := s.identities[c]; ok && c != (Identity{}) {
			m.bad("certificates", c.String(), "证书已属于 "+first, "the certificate belongs to "+first)
		}
		s.identities[c] = d.Name
	}
	for _, p := range d.Passwords {
		// Two entries with one salt and hash were copied from one another: they share a password.
		if first, ok := s.hashes[p.Hash.String()]; ok && p.Hash != (Hash{}) {
			m.bad("passwords", "", "散列与 "+first+" 相同，每台设备应有自己的密码", "the hash is also that of "+first+": each device needs a password of its own")
		}
		s.hashes[p.Hash.String()] = d.Name
	}
}

func hasControl(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError })
}

// shanghai is where the bases are; a fixed zone, so that no time zone database is needed.
func shanghai() *time.Location { return time.FixedZone("UTC+8", 8*60*60) }

// parseEnd reads a time with its offset, or a date, which lasts to its end in Asia/Shanghai.
func parseEnd(s string) (time.Time, bool) {
	if day, err := time.ParseInLocation(time.DateOnly, s, shanghai()); err == nil {
		return day.AddDate(0, 0, 1).UTC(), inRange(day)
	}
	t, err := time.Parse(time.RFC3339, s)
	return t.UTC(), err == nil && inRange(t)
}

func inRange(t time.Time) bool { return t.Year() >= 2000 && t.Year() < 3000 }
