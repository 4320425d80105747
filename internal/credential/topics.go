package credential

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Placeholders of the topic filters.
const (
	placeName     = "{username}"
	placeClientID = "{client_id}"
	placeBase     = "{base}"
)

// topics are the filters of an entry, with placeholders.
type topics struct{ publish, subscribe []string }

// ownTopics are the topics that devices of each dialect use as they come from the factory, where {username} is what the
// dialect calls the device.
func ownTopics() map[string]topics {
	native := "jishi/v1/{base}/dev/{username}/#"
	return map[string]topics{
		"": {publish: []string{"{username}/#", native}, subscribe: []string{"{username}/#", native}},
		"esphome": {
			publish:   []string{"{username}/#", "homeassistant/+/{username}/#", "esphome/discover/{username}"},
			subscribe: []string{"{username}/#"},
		},
		"esprfid": {publish: []string{"{username}/#", "esprfid/{username}/#"}, subscribe: []string{"{username}/#", "esprfid/{username}/#"}},
		"mapping": {publish: []string{"{username}/#"}, subscribe: []string{"{username}/#"}},
		"mtconnect": {
			publish:   []string{"MTConnect/+/{username}/#", "MTConnect/{username}/#"},
			subscribe: []string{"MTConnect/+/{username}/#", "MTConnect/{username}/#"},
		},
		"native": {publish: []string{native}, subscribe: []string{native}},
		"shelly": {
			publish:   []string{"{username}/#", "shellies/{username}/#", "shellies/announce"},
			subscribe: []string{"{username}/#", "shellies/{username}/#", "shellies/command", "shellies/rpc"},
		},
		"sparkplug": {
			publish: []string{
				"spBv1.0/+/NBIRTH/{username}", "spBv1.0/+/NDATA/{username}", "spBv1.0/+/NDEATH/{username}",
				"spBv1.0/+/DBIRTH/{username}/+", "spBv1.0/+/DDATA/{username}/+", "spBv1.0/+/DDEATH/{username}/+",
			},
			subscribe: []string{"spBv1.0/+/NCMD/{username}/#", "spBv1.0/+/DCMD/{username}/#", "spBv1.0/STATE/+", "STATE/+"},
		},
		"tasmota": {
			publish:   []string{"tele/{username}/#", "stat/{username}/#", "{username}/tele/#", "{username}/stat/#"},
			subscribe: []string{"cmnd/{username}/#", "{username}/cmnd/#", "cmnd/tasmotas/#", "cmnd/{client_id}_fb/#"},
		},
		"zigbee2mqtt": {
			publish:   []string{"zigbee2mqtt/#", "homeassistant/#"},
			subscribe: []string{"zigbee2mqtt/#", "homeassistant/status"},
		},
	}
}

// Dialects are the names that an entry's dialect may have, in order; "" for none is not among them.
func Dialects() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(ownTopics())), func(s string) bool { return s == "" })
}

// shared are first levels that many devices use together: a name that is one of them would own all their topics.
func shared() []string {
	return []string{"cmnd", "esphome", "esprfid", "homeassistant", "homie", "jishi", "MTConnect", "shellies", "spBv1.0", "stat", "STATE", "tasmota", "tele", "zigbee2mqtt"}
}

// topicsOf are the filters in force for an entry.
func topicsOf(d Device) topics {
	t := ownTopics()[d.Dialect]
	if d.Role == RoleReader {
		t = topics{subscribe: []string{"#"}}
	}
	if d.Publish != nil {
		t.publish = d.Publish
	}
	if d.Subscribe != nil {
		t.subscribe = d.Subscribe
	}
	return t
}

// Topics returns the filters in force for an entry, as they are before the client id is known: {client_id} is left.
func Topics(d Device, base string) (publish, subscribe []string) {
	t := topicsOf(d)
	fill := func(patterns []string) []string {
		out := make([]string, len(patterns))
		for i, p := range patterns {
			out[i] = strings.NewReplacer(placeName, d.Name, placeBase, cmp.Or(base, "+")).Replace(p)
		}
		return out
	}
	return fill(t.publish), fill(t.subscribe)
}

// filter is a topic filter, taken apart once.
type filter struct {
	levels []string // without a closing "#"
	open   bool     // "#" closes it
}

// compile fills the placeholders in and takes the filters apart. A filter with a client id that would be more than a part
// of one level is left out.
func compile(patterns []string, name, clientID, base string) []filter {
	var out []filter
	for _, p := range patterns {
		if strings.Contains(p, placeClientID) && (clientID == "" || strings.ContainsAny(clientID, "+#/\x00")) {
			continue
		}
		p = strings.NewReplacer(placeName, name, placeClientID, clientID, placeBase, cmp.Or(base, "+")).Replace(p)
		f := filter{levels: strings.Split(p, "/")}
		if last := len(f.levels) - 1; f.levels[last] == "#" {
			f.levels, f.open = f.levels[:last], true
		}
		out = append(out, f)
	}
	return out
}

// covered returns whether one of the filters covers a topic, or all that another filter would match.
func covered(filters []filter) func(topic string) bool {
	return func(topic string) bool {
		for i := range filters {
			if filters[i].covers(topic) {
				return true
			}
		}
		return false
	}
}

// covers allocates nothing: it is asked for every message that a device sends on a topic for the first time, and for every
// message that a reader is sent.
func (f *filter) covers(topic string) bool {
	if strings.HasPrefix(topic, "$") && (len(f.levels) == 0 || f.levels[0] == "+") {
		return false // wildcards do not reach the broker's own topics
	}
	rest, more := topic, true
	for _, want := range f.levels {
		if !more {
			return false
		}
		var level string
		level, rest, more = strings.Cut(rest, "/")
		if level == "#" || want != level && want != "+" {
			return false
		}
	}
	return f.open || !more
}

// validFilter says what is wrong with a filter of the file, "" in both languages when nothing is.
func validFilter(s string) (zh, en string) {
	plain := strings.NewReplacer(placeName, "x", placeClientID, "x", placeBase, "x").Replace(s)
	switch {
	case s == "" || len(s) > maxFilterBytes:
		return "应为主题过滤器，1 至 1024 字节", "want a topic filter of 1 to 1024 bytes"
	case strings.HasPrefix(s, "$"):
		return "不能以 $ 开头", "must not begin with $"
	case strings.ContainsAny(plain, "{}"):
		return "占位符只有 {username}、{client_id}、{base}", "placeholders are {username}, {client_id} and {base} only"
	case hasControl(s):
		return "不能有控制字符", "must not have control characters"
	}
	levels := strings.Split(plain, "/")
	for i, level := range levels {
		if len(level) > 1 && strings.ContainsAny(level, "+#") || level == "#" && i < len(levels)-1 {
			return "+ 须独占一级，# 须独占最后一级", "+ must be a level of its own, # the last level"
		}
	}
	return "", ""
}
