package voice

// sayProbe publishes the machine's model, as both sinks do when they connect.
func (m *mtconnect) sayProbe(atMs int64, version int) {
	out := append(m.text[:0], `{"MTConnectDevices":{`...)
	out = appendText(appendWhole(out, "jsonVersion", int64(version)), "schemaVersion", mtSchema)
	out = m.appendHeader(append(appendKey(out, "Header"), '{'), atMs)
	out = appendWhole(appendWhole(out, "assetBufferSize", 1024), "assetCount", 0)
	out = appendKey(append(out, '}'), "Devices")
	if version == 1 {
		out = append(out, `[{"Device":{`...)
	} else {
		out = append(out, `{"Device":[{`...)
	}
	out = appendText(appendText(appendText(out, "id", "d"), "name", m.id), "uuid", m.id)
	out = append(appendKey(out, "DataItems"), dataItemsOpen(version)...)
	for i := range m.items {
		if i > 0 {
			out = append(out, ',')
		}
		out = m.items[i].appendModel(out, version)
	}
	if version == 1 {
		out = append(out, `]}}]}}`...)
	} else {
		out = append(out, `]}}]}}}`...)
	}
	m.text = out
	m.say(Message{AtMs: atMs, Topic: "MTConnect/Probe/" + m.id, QoS: 1, Retain: m.retain, Device: m.id, EventMs: atMs})
}

func dataItemsOpen(version int) string {
	if version == 1 {
		return `[`
	}
	return `{"DataItem":[`
}

// appendModel writes a data item's declaration.
func (i *mtItem) appendModel(out []byte, version int) []byte {
	if version == 1 {
		out = append(out, `{"DataItem":`...)
	}
	out = appendText(append(out, '{'), "category", i.category)
	out = appendText(appendText(out, "id", i.id), "name", i.name)
	if i.sub != "" {
		out = appendText(out, "subType", i.sub)
	}
	out = append(appendText(out, "type", i.typ), '}')
	if version == 1 {
		out = append(out, '}')
	}
	return out
}
