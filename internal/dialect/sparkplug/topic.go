package sparkplug

import "strings"

// root is the namespace of Sparkplug B; its version 3.0 kept the name.
const root = "spBv1.0/"

// kind is what a topic carries.
type kind uint8

const (
	foreign kind = iota // not of the shape of a Sparkplug topic
	nbirth
	ndeath
	ndata
	ncmd
	dbirth
	ddeath
	ddata
	dcmd
	state
)

// address is what a topic says. The texts are parts of the topic, save device, which is put together.
type address struct {
	kind   kind
	group  string
	edge   string
	node   string // <group>/<edge>: the node's identity
	device string // <group>/<edge>/<device>: the device's identity; "" in topics of the node
	host   string // of state
}

// split reads a topic: a node's topics have four parts, a device's five, a host's three.
func split(topic string) address {
	rest, ok := strings.CutPrefix(topic, root)
	if !ok {
		return address{}
	}
	group, rest, ok := strings.Cut(rest, "/")
	if !ok || group == "" || rest == "" {
		return address{}
	}
	verb, ids, ok := strings.Cut(rest, "/")
	if !ok {
		if group == "STATE" {
			return address{kind: state, host: rest}
		}
		return address{}
	}
	edge, device, deep := strings.Cut(ids, "/")
	k := kindOf(verb)
	if k == foreign || edge == "" || deep != (k >= dbirth) || deep && (device == "" || strings.Contains(device, "/")) {
		return address{}
	}
	at := address{kind: k, group: group, edge: edge, node: group + "/" + edge}
	if deep {
		at.device = at.node + "/" + device
	}
	return at
}

func kindOf(verb string) kind {
	switch verb {
	case "NBIRTH":
		return nbirth
	case "NDEATH":
		return ndeath
	case "NDATA":
		return ndata
	case "NCMD":
		return ncmd
	case "DBIRTH":
		return dbirth
	case "DDEATH":
		return ddeath
	case "DDATA":
		return ddata
	case "DCMD":
		return dcmd
	}
	return foreign
}
