// Package sim plays devices: it publishes recordings of real machines, and the day of an imaginary workshop, to a real
// MQTT broker exactly as the devices would have, in their own dialects; and separately it knows the truth about them.
//
// It is for the simulator command, the demo, and the tests that compare what the service derived with what was true.
// Because it is the independent oracle it refuses to import any decoder of a dialect and any derivation: what it knows
// about a recording it computes from the recording itself.
//
// # Simulated time
//
// A recording is replayed with the time of the recording. The replayer says what time it is by publishing ClockTopic;
// a bridge that was started with its replay clock on takes that as its receive time until the next one. See Replay.
package sim
