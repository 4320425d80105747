package sim

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// DataItem is one thing an MTConnect device reports, as its Devices.xml declares it.
type DataItem struct {
	ID, Name, Type, SubType, Category string
}

// DeviceModel is one MTConnect device with its data items by name and by id.
type DeviceModel struct {
	Name, UUID string
	items      map[string]*DataItem
}

// Item returns the data item that an adapter means by a key: its name, else its id; nil when there is none.
func (d *DeviceModel) Item(key string) *DataItem {
	if d == nil {
		return nil
	}
	return d.items[key]
}

// ReadDevices reads an MTConnectDevices document of any version and returns the devices by name.
func ReadDevices(r io.Reader) (map[string]*DeviceModel, error) {
	devices := map[string]*DeviceModel{}
	var device *DeviceModel
	dec := xml.NewDecoder(r)
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read devices document: %w", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			switch e.Name.Local {
			case "Device", "Agent":
				device = &DeviceModel{Name: attr(e, "name"), UUID: attr(e, "uuid"), items: map[string]*DataItem{}}
				if err := checkDevice(device, devices); err != nil {
					return nil, err
				}
				devices[device.Name] = device
			case "DataItem":
				if device != nil {
					device.add(e)
				}
			}
		case xml.EndElement:
			if e.Name.Local == "Device" || e.Name.Local == "Agent" {
				device = nil
			}
		}
	}
	if len(devices) == 0 {
		return nil, errors.New("read devices document: it declares no device")
	}
	return devices, nil
}

// checkDevice refuses what would make topics ambiguous or invalid.
func checkDevice(d *DeviceModel, known map[string]*DeviceModel) error {
	switch {
	case d.Name == "" || d.UUID == "":
		return fmt.Errorf("read devices document: device %q uuid %q: both must be given", d.Name, d.UUID)
	case strings.ContainsAny(d.UUID, "/+#"):
		return fmt.Errorf("read devices document: device %q: uuid %q cannot be part of a topic", d.Name, d.UUID)
	case known[d.Name] != nil:
		return fmt.Errorf("read devices document: device %q is declared twice", d.Name)
	}
	return nil
}

// add declares a data item. A name never hides an id that was declared before it.
func (d *DeviceModel) add(e xml.StartElement) {
	item := &DataItem{
		ID: attr(e, "id"), Name: attr(e, "name"), Type: attr(e, "type"), SubType: attr(e, "subType"),
		Category: attr(e, "category"),
	}
	for _, key := range [...]string{item.Name, item.ID} {
		if _, taken := d.items[key]; key != "" && !taken {
			d.items[key] = item
		}
	}
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func readDevicesFile(path string) (map[string]*DeviceModel, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	devices, err := ReadDevices(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return devices, nil
}
