package sparkplug_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/sparkplug"
)

const stateTopic = "spBv1.0/STATE/base 1"

func host() *sparkplug.Dialect { return must(sparkplug.Options{HostID: "base 1"}) }

// certificate holds a request to the form of a STATE message, and to what it says.
func certificate(t *testing.T, requests []dialect.Request, online bool, ms int64) {
	t.Helper()
	if len(requests) != 1 {
		t.Fatalf("%d requests", len(requests))
	}
	q := requests[0]
	if q.Topic != stateTopic || q.QoS != 1 || !q.Retain {
		t.Errorf("%s, QoS %d, retain %v", q.Topic, q.QoS, q.Retain)
	}
	var said map[string]any
	if err := json.Unmarshal(q.Payload, &said); err != nil || len(said) != 2 || said["online"] != online || said["timestamp"] != float64(ms) {
		t.Errorf("%s (%v), want online %v at %d", q.Payload, err, online, ms)
	}
}

// own delivers a STATE message of the host's own name and returns what is published then.
func own(t *testing.T, d *sparkplug.Dialect, payload string) ([]dialect.Request, error) {
	t.Helper()
	m := dialect.Message{Topic: stateTopic, Payload: []byte(payload), Retained: true, ReceivedMs: start}
	res, err := d.Decode(m)
	if problem := check(m, res, err); problem != "" || len(res.Records) != 0 {
		t.Errorf("%s, %v", problem, res.Records)
	}
	return res.Requests, err
}

// The birth certificate is all that is published when the bridge begins to listen, and again after each connection.
func TestBirthCertificateIsPublishedFirst(t *testing.T) {
	t.Parallel()
	d := host()
	certificate(t, d.Announce(start), true, start)
	d.Farewell(start + 5000)
	certificate(t, d.Announce(start+6000), true, start+5000)
}

// The will of a connection and the birth certificate that follows it have one timestamp, that of the connection.
func TestWillAndBirthHaveOneTimestamp(t *testing.T) {
	t.Parallel()
	d := host()
	for i := range int64(3) {
		connectMs := start + i*60_000
		certificate(t, d.Farewell(connectMs), false, connectMs)
		certificate(t, d.Announce(connectMs+150), true, connectMs)
	}
}

// The death certificate of an intended end has the time of the end, and nothing takes it back.
func TestDeathCertificateOfAnIntendedEnd(t *testing.T) {
	t.Parallel()
	d := host()
	d.Farewell(start)
	d.Announce(start)
	certificate(t, d.Farewell(start+9000), false, start+9000)
	if again, err := own(t, d, `{"online":false,"timestamp":1}`); err != nil || len(again) != 0 {
		t.Errorf("%v, %v", again, err)
	}
}

// Somebody says that this host is offline while it is not: it says at once that it is online, with the will's timestamp.
func TestOfflineOfThisHostIsTakenBackAtOnce(t *testing.T) {
	t.Parallel()
	d := host()
	offline := fmt.Sprintf(`{"online":false,"timestamp":%d}`, start-1)
	if again, err := own(t, d, offline); err != nil || len(again) != 0 {
		t.Errorf("before its own birth: %v, %v", again, err)
	}
	d.Farewell(start)
	d.Announce(start + 10)
	for range 2 {
		again, err := own(t, d, offline)
		if err != nil {
			t.Error(err)
		}
		certificate(t, again, true, start)
	}
	if again, err := own(t, d, fmt.Sprintf(`{"timestamp":%d,"online":true}`, start)); err != nil || len(again) != 0 {
		t.Errorf("its own birth: %v, %v", again, err)
	}
	again, err := own(t, d, "")
	if err != nil {
		t.Error(err)
	}
	certificate(t, again, true, start)
	for _, bad := range []string{"OFFLINE", "{}", "[]", "3", `{"online":"false"}`, `{"online":null}`} {
		again, err := own(t, d, bad)
		if err == nil {
			t.Errorf("%s is read without an error", bad)
		}
		certificate(t, again, true, start)
	}
}

// Other hosts are none of this one's business, and a bridge without a HostID is no host.
func TestOtherHostsAndNoHost(t *testing.T) {
	t.Parallel()
	d := host()
	d.Announce(start)
	for _, topic := range []string{"spBv1.0/STATE/other", "spBv1.0/STATE/Base 1"} {
		if res, err := d.Decode(dialect.Message{Topic: topic, Payload: []byte("OFFLINE"), ReceivedMs: start}); err != nil || len(res.Records)+len(res.Requests) != 0 {
			t.Errorf("%s: %v, %v", topic, res, err)
		}
	}
	none := must(sparkplug.Options{})
	if got := append(none.Announce(start), none.Farewell(start)...); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// After a lost connection every node may have said or become anything: each is asked, and those that are known to be dead
// are not.
func TestAnnounceAsksTheNodesAgain(t *testing.T) {
	t.Parallel()
	s := born(t, sparkplug.Options{HostID: "base 1"})
	s.send("NBIRTH", "m", payload(start, 0, bdSeq(1)))
	s.send("NDEATH", "m", payload(start, -1, bdSeq(1)))
	s.d.Announce(start + 1000)
	s.at(1000).poll("n").at(1001).poll()
}
