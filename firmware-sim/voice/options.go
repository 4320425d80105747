package voice

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// optionReader takes a device's options one by one, and finds those that no dialect knows.
type optionReader struct {
	left  map[string]string
	known []string
	wrong []error
}

// options begins to read the options of the device or reader.
func (s *Spec) options() *optionReader {
	if s.Reader != nil {
		return &optionReader{left: maps.Clone(s.Reader.Options)}
	}
	return &optionReader{left: maps.Clone(s.Device.Options)}
}

// text takes an option that is any text.
func (o *optionReader) text(name, fallback string) string {
	o.known = append(o.known, name)
	value, ok := o.left[name]
	if !ok {
		return fallback
	}
	delete(o.left, name)
	return value
}

// word takes an option that is one of some words, the first of them by default.
func (o *optionReader) word(name string, allowed ...string) string {
	value := o.text(name, allowed[0])
	if !slices.Contains(allowed, value) {
		o.wrong = append(o.wrong, fmt.Errorf("option %s is %q; %s is right", name, value, strings.Join(allowed, " or ")))
		return allowed[0]
	}
	return value
}

// whole takes an option that is a whole number.
func (o *optionReader) whole(name string, fallback, least, most int64) int64 {
	value := o.text(name, strconv.FormatInt(fallback, 10))
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < least || n > most {
		o.wrong = append(o.wrong, fmt.Errorf("option %s is %q; a whole number from %d to %d is right", name, value, least, most))
		return fallback
	}
	return n
}

// err joins what is wrong with the options, in a fixed order.
func (o *optionReader) err() error {
	for _, name := range slices.Sorted(maps.Keys(o.left)) {
		right := "this dialect has no options"
		if len(o.known) > 0 {
			right = strings.Join(o.known, ", ") + " are known"
		}
		o.wrong = append(o.wrong, fmt.Errorf("option %q is unknown; %s", name, right))
	}
	return errors.Join(o.wrong...)
}

// everyMs is how often a device reports, or the dialect's usual.
func (s *Spec) everyMs(usual time.Duration) int64 {
	if s.Device != nil && s.Device.Every > 0 {
		return max(1, s.Device.Every.Milliseconds())
	}
	return usual.Milliseconds()
}

// life begins the life of a device with the options that all dialects know: will says whether the broker notices the loss
// of the link by the keep-alive or at once, keepalive_s how often the device pings it.
func (o *optionReader) life(id string, everyMs int64) life {
	l := newLife(id, everyMs, 1000*o.whole("keepalive_s", 60, 1, 3600))
	l.willAtOnce = o.word("will", "late", "at_once") == "at_once"
	return l
}
