// Package mqtt is MQTT as the rest of jishi sees it: a client for one connection at a time and an embedded broker, both
// of which acknowledge a message only when the receiver says that it is durable. It is for the bridge, the collector,
// the simulator and cmd, and it is the only package that knows paho.mqtt.golang and mochi-mqtt.
//
// It refuses to hide a lost connection: a Client ends with its connection, every pending publish ends with an error, and
// what was not acknowledged comes again; Maintain makes the next Client. It keeps nothing on disk and never acknowledges
// on its own.
//
// Both sides write through the same buffered connection (conn.go), whose acknowledgements never block the caller: a
// committer that acknowledges ten thousand messages cannot be held up by one peer that does not read.
package mqtt
