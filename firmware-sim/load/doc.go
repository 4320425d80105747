// Package load puts many thousand MQTT devices on a broker from one process, to find out what the broker can bear. It is
// for people who size a base's or a city's broker, and for the project's own figures.
//
// The load is open-loop: a schedule made before the first message decides when each device sends, and a server that
// becomes slow changes nothing about it. What could not be sent at its instant is sent late and counted as late, and
// latency is told from the scheduled instant, so that a stall of the server is seen by every message it delayed and not
// only by the one that waited (coordinated omission).
//
// The package speaks MQTT 3.1.1 by itself, and only the part that devices need which publish and never subscribe: a
// general client costs tens of kilobytes and several goroutines a connection. It refuses TLS, subscriptions and QoS 2,
// and it refuses every broker that is not on this machine unless it is told that the broker is the user's own.
package load
