"""Writes Sparkplug B payloads with an encoder that is not this project's, and what they must decode to.

The encoder is pysparkplug 0.6.1 (Apache-2.0) on Google's protobuf runtime:

    python3 -m venv venv && venv/bin/pip install pysparkplug==0.6.1
    venv/bin/python make.py > payloads.json          the committed file, the same each time
    venv/bin/python make.py 7 > random.json          a random story for the seed 7

The output is a JSON list of messages, one story for one decoder: topic, received (ms), payload (hex), and the records
that must come out, computed here from the inputs of the encoder and never from the decoder under test.
"""

import datetime
import json
import random
import struct
import sys

import pysparkplug as psp
from pysparkplug import _protobuf as pb

T0 = 1_750_000_000_000
GROUP, NODE, DEVICE = "Base 1", "Gateway", "Lathe 3"
story = []


def publish(verb, payload, expect=(), device=None, received=T0, error=None):
    raw = payload if isinstance(payload, bytes) else payload.encode()
    topic = f"spBv1.0/{GROUP}/{verb}/{NODE}" + (f"/{device}" if device else "")
    story.append({"topic": topic, "received": received, "payload": raw.hex(), "expect": list(expect), "error": error})


def link(event, at, device=None):
    name = f"{GROUP}/{NODE}" + (f"/{device}" if device else "")
    return {"device": name, "channel": "", "at": at, "link": event}


def sample(channel, at, device=None, number=None, state="", quantity="value", retained=False):
    name = f"{GROUP}/{NODE}" + (f"/{device}" if device else "")
    record = {"device": name, "channel": channel, "at": at, "state": state, "retained": retained}
    if number is not None:
        record["values"] = {quantity: number}
    return record


def metric(name, datatype, value, at, **more):
    return psp.Metric(timestamp=at, name=name, datatype=datatype, value=value, **more)


D = psp.DataType
FLOAT = struct.unpack("<f", struct.pack("<f", 12.1))[0]  # what 12.1 is as a Float
SCALARS = [
    # name, type, value in the birth, value in the data
    ("Int8", D.INT8, -2, -128),
    ("Int16", D.INT16, -300, -32768),
    ("Int32", D.INT32, -70_000, -(2**31)),
    ("Int64", D.INT64, -5_000_000_000, -(10**18)),
    ("UInt8", D.UINT8, 200, 255),
    ("UInt16", D.UINT16, 60_000, 65535),
    ("UInt32", D.UINT32, 4_000_000_000, 2**32 - 1),
    ("UInt64", D.UINT64, 5_000_000_000, 10**18),
    ("Float", D.FLOAT, FLOAT, -0.5),
    ("Double", D.DOUBLE, 230.15, -1e-9),
]


def scripted():
    meta = psp.Metadata(description="a number", content_type="text/plain")
    metrics = [metric("bdSeq", D.INT64, 3, T0), metric("Node Control/Rebirth", D.BOOLEAN, False, T0)]
    expect = [link("online", T0)]
    for i, (name, kind, value, _) in enumerate(SCALARS):
        metrics.append(metric(f"Numbers/{name}", kind, value, T0, alias=i + 1, metadata=meta if i == 0 else None))
        expect.append(sample(f"Numbers/{name}", T0, number=value))
    when = datetime.datetime(2025, 6, 15, 15, 6, 40, tzinfo=datetime.timezone.utc)
    metrics += [
        metric("Moment", D.DATETIME, when, T0, alias=20),
        metric("Execution", D.STRING, "ACTIVE", T0, alias=21),
        metric("Note", D.TEXT, "第三车床", T0, alias=22),
        metric("Program", D.UUID, "5c9ae3c5-1c5d-4a8e-8f5a-0a4f6f7f9f11", T0, alias=23),
        metric("Door", D.BOOLEAN, True, T0, alias=24),
        metric("Main/Relay", D.BOOLEAN, False, T0, alias=25),
        metric("Nothing", D.DOUBLE, None, T0, alias=26, is_null=True),
        metric("Spindle_rpm", D.UINT16, 1200, T0, alias=27),
        metric("Main/Power (kW)", D.DOUBLE, 1.5, T0, alias=28),
        # Understood, and without records:
        metric("Bytes", D.BYTES, b"\x00\xff", T0, alias=30),
        metric("File", D.FILE, b"M30", T0, alias=31),
        metric("Floats", D.FLOAT_ARRAY, (1.0, 2.0), T0, alias=32),
        metric("Booleans", D.BOOLEAN_ARRAY, (True, False, True), T0, alias=33),
        metric("Strings", D.STRING_ARRAY, ("a", "b"), T0, alias=34),
        metric("Int64s", D.INT64_ARRAY, (-1, 1), T0, alias=35),
        metric("Hidden", D.DOUBLE, 1.0, T0, alias=36, is_transient=True),
    ]
    expect += [
        sample("Moment", T0, number=1_750_000_000_000),
        sample("Execution", T0, state="ACTIVE"),
        sample("Note", T0, state="第三车床"),
        sample("Program", T0, state="5c9ae3c5-1c5d-4a8e-8f5a-0a4f6f7f9f11"),
        sample("Door", T0, state="TRUE", number=1),
        sample("Main/Relay", T0, state="OFF", number=0, quantity="relay_on"),
        sample("Nothing", T0, state="UNAVAILABLE"),
        sample("Spindle_rpm", T0, number=1200, quantity="speed_rpm"),
        sample("Main/Power (kW)", T0, number=1500, quantity="power_w"),
    ]
    publish("NBIRTH", psp.NBirth(timestamp=T0, seq=0, metrics=tuple(metrics)), expect)

    # A device's birth with what pysparkplug's classes leave out, from the same schema: properties, a template, a data set.
    publish("DBIRTH", device_birth(), [
        link("online", T0 + 10, DEVICE),
        sample("Power", T0 + 10, DEVICE, number=750, quantity="power_w"),
        sample("Energy", T0 + 10, DEVICE, number=12_500, quantity="energy_wh"),
        sample("Bad", T0 + 10, DEVICE, state="UNAVAILABLE"),
        sample("Old", T0 + 10, DEVICE, state="STALE"),
        sample("Fine", T0 + 10, DEVICE, number=1),
    ], DEVICE, T0 + 10)

    # Data carries aliases alone: neither names nor types.
    at = T0 + 1000
    publish("NDATA", psp.NData(timestamp=at, seq=2, metrics=tuple(
        metric(None, kind, value, at, alias=i + 1) for i, (_, kind, _, value) in enumerate(SCALARS)
    )), [sample(f"Numbers/{name}", at, number=value) for name, _, _, value in SCALARS], received=at)
    publish("NDATA", psp.NData(timestamp=at + 1, seq=3, metrics=(
        metric(None, D.STRING, "READY", at + 1, alias=21),
        metric(None, D.BOOLEAN, False, at + 1, alias=24),
        metric(None, D.BOOLEAN, True, at + 1, alias=25),
        metric(None, D.DOUBLE, None, at + 1, alias=28, is_null=True),
        metric(None, D.DOUBLE, 2.5, T0 + 500, alias=28, is_historical=True),
    )), [
        sample("Execution", at + 1, state="READY"),
        sample("Door", at + 1, state="FALSE", number=0),
        sample("Main/Relay", at + 1, state="ON", number=1, quantity="relay_on"),
        sample("Main/Power (kW)", at + 1, state="UNAVAILABLE"),
        sample("Main/Power (kW)", T0 + 500, number=2500, quantity="power_w", retained=True),
    ], received=at + 1)
    publish("DDATA", psp.DData(timestamp=at + 2, seq=4, metrics=(metric("Power", D.FLOAT, 0.25, at + 2),)).encode(include_dtypes=True), [
        sample("Power", at + 2, DEVICE, number=250, quantity="power_w"),
    ], DEVICE, at + 2)
    publish("NDATA", psp.NData(timestamp=at + 3, seq=5, metrics=(metric(None, D.UINT64, 2**64 - 1, at + 3, alias=8),)), [
        sample("Numbers/UInt64", at + 3, state="UNAVAILABLE"),
    ], received=at + 3, error="out_of_range")
    publish("NDATA", psp.NData(timestamp=at + 4, seq=6, metrics=(metric(None, D.DOUBLE, float("nan"), at + 4, alias=10),)), [
        sample("Numbers/Double", at + 4, state="UNAVAILABLE"),
    ], received=at + 4, error="not_finite")
    publish("DDEATH", psp.DDeath(timestamp=at + 5, seq=7), [link("offline", at + 5, DEVICE)], DEVICE, at + 9)
    publish("NDEATH", psp.NDeath(timestamp=T0, bd_seq_metric=metric("bdSeq", D.INT64, 2, T0)).encode(include_dtypes=True), [], received=at + 10)
    publish("NDEATH", psp.NDeath(timestamp=T0, bd_seq_metric=metric("bdSeq", D.INT64, 3, T0)).encode(include_dtypes=True),
            [link("will", at + 11)], received=at + 11)


def device_birth():
    p = pb.Payload(timestamp=T0 + 10, seq=1)

    def add(name, datatype, **value):
        m = p.metrics.add(name=name, timestamp=T0 + 10, datatype=datatype, **value)
        return m

    def prop(m, key, kind, **value):
        m.properties.keys.append(key)
        m.properties.values.add(type=kind, **value)

    m = add("Power", D.FLOAT, float_value=0.75)
    prop(m, "engUnit", D.STRING, string_value="kW")
    prop(m, "Quality", D.INT32, int_value=192)
    prop(add("Energy", D.DOUBLE, double_value=12.5), "Engineering Units", D.STRING, string_value="kWh")
    prop(add("Bad", D.DOUBLE, double_value=1), "Quality", D.INT32, int_value=0)
    prop(add("Old", D.DOUBLE, double_value=1), "Quality", D.INT32, int_value=500)
    m = add("Fine", D.DOUBLE, double_value=1)
    nested = m.properties
    nested.keys.append("Nested")
    inner = nested.values.add(type=D.PROPERTYSET).propertyset_value
    inner.keys.append("Quality")
    inner.values.add(type=D.INT32, int_value=0)
    m = add("Table", D.DATASET)
    table = m.dataset_value
    table.num_of_columns = 2
    table.columns.extend(["a", "b"])
    table.types.extend([D.INT8, D.STRING])
    row = table.rows.add()
    row.elements.add(int_value=1)
    row.elements.add(string_value="x")
    m = add("Motor", D.TEMPLATE)
    m.template_value.template_ref = "Motor"
    m.template_value.is_definition = False
    m.template_value.metrics.add(name="Speed", datatype=D.INT32, int_value=1)
    m.template_value.parameters.add(name="Maker", type=D.STRING, string_value="x")
    p.uuid = "a uuid"
    p.body = b"a body"
    return p.SerializeToString()


def chosen(seed):
    """A random story: many data messages of random scalars, by name or alias, with and without types."""
    rnd = random.Random(seed)
    bounds = {
        D.INT8: (-(2**7), 2**7 - 1), D.INT16: (-(2**15), 2**15 - 1), D.INT32: (-(2**31), 2**31 - 1), D.INT64: (-(10**18), 10**18),
        D.UINT8: (0, 2**8 - 1), D.UINT16: (0, 2**16 - 1), D.UINT32: (0, 2**32 - 1), D.UINT64: (0, 10**18),
    }

    def value(kind):
        if kind in bounds:
            low, high = bounds[kind]
            return rnd.choice([low, high, 0, min(1, high), rnd.randint(low, high)])
        number = rnd.uniform(-1e6, 1e6)
        return struct.unpack("<f", struct.pack("<f", number))[0] if kind == D.FLOAT else number

    first = [metric("bdSeq", D.INT64, 0, T0)]
    expect = [link("online", T0)]
    for i, (name, kind, _, _) in enumerate(SCALARS):
        v = value(kind)
        first.append(metric(name, kind, v, T0, alias=i))
        expect.append(sample(name, T0, number=v))
    publish("NBIRTH", psp.NBirth(timestamp=T0, seq=0, metrics=tuple(first)), expect)
    for n in range(1, 600):
        at = T0 + n
        metrics, expect = [], []
        for i in rnd.sample(range(len(SCALARS)), rnd.randint(1, len(SCALARS))):
            name, kind = SCALARS[i][:2]
            v = value(kind)
            by = {"name": name} if rnd.random() < 0.5 else {"name": None, "alias": i}
            metrics.append(psp.Metric(timestamp=at, datatype=kind, value=v, **by))
            expect.append(sample(name, at, number=v))
        data = psp.NData(timestamp=at, seq=n % 256, metrics=tuple(metrics))
        publish("NDATA", data.encode(include_dtypes=rnd.random() < 0.5), expect, received=at)


if len(sys.argv) > 1:
    chosen(int(sys.argv[1]))
else:
    scripted()
command = psp.NCmd(timestamp=T0, metrics=(metric("Node Control/Rebirth", D.BOOLEAN, True, T0),)).encode(include_dtypes=True)
json.dump({"rebirth": command.hex(), "story": story}, sys.stdout, ensure_ascii=False, indent=1)
print()
