package mqtt

import (
	"maps"
	"strings"
	"sync"
)

// interest knows which filters clients have subscribed to, so that a message nobody waits for costs a look-up here instead
// of a walk through mochi. It may know filters that are gone, and never lacks one that is there. It is safe for concurrent
// use.
type interest struct {
	mu   sync.RWMutex // guards what follows
	root interestNode
	of   map[string]map[string]bool // client id → its filters, without "$share/group/" where they had it
}

type interestNode struct {
	filters int // that end here
	next    map[string]*interestNode
}

// add notes a client's subscription, "$share/group/" and all.
func (i *interest) add(clientID, filter string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.of == nil {
		i.of = make(map[string]map[string]bool)
	}
	if i.of[clientID] == nil {
		i.of[clientID] = make(map[string]bool)
	}
	if i.of[clientID][filter] {
		return
	}
	filter = strings.Clone(filter) // it may be a view of a packet
	i.of[clientID][filter] = true
	node := &i.root
	for level := range strings.SplitSeq(withoutShare(filter), "/") {
		if node.next == nil {
			node.next = make(map[string]*interestNode)
		}
		child := node.next[level]
		if child == nil {
			child = &interestNode{}
			node.next[level] = child
		}
		node = child
	}
	node.filters++
}

// remove forgets one subscription of a client.
func (i *interest) remove(clientID, filter string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.removeLocked(clientID, filter)
}

// forget forgets all subscriptions of a client.
func (i *interest) forget(clientID string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for filter := range maps.Clone(i.of[clientID]) {
		i.removeLocked(clientID, filter)
	}
}

func (i *interest) removeLocked(clientID, filter string) {
	if !i.of[clientID][filter] {
		return
	}
	delete(i.of[clientID], filter)
	if len(i.of[clientID]) == 0 {
		delete(i.of, clientID)
	}
	i.root.remove(withoutShare(filter), true)
}

// remove takes one filter out below the node and reports whether nothing is left of the node.
func (n *interestNode) remove(rest string, more bool) (empty bool) {
	if !more {
		n.filters--
	} else {
		level, after, found := strings.Cut(rest, "/")
		if child := n.next[level]; child != nil && child.remove(after, found) {
			delete(n.next, level)
		}
	}
	return n.filters == 0 && len(n.next) == 0
}

// in reports whether anyone may have subscribed to the topic.
func (i *interest) in(topic string) bool {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.root.matches(topic, true)
}

func (n *interestNode) matches(rest string, more bool) bool {
	if n.next["#"] != nil { // also of the parent
		return true
	}
	if !more {
		return n.filters > 0
	}
	level, after, found := strings.Cut(rest, "/")
	if child := n.next[level]; child != nil && child.matches(after, found) {
		return true
	}
	child := n.next["+"]
	return child != nil && child.matches(after, found)
}
