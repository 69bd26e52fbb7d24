"""Line protocol as the kernel reads it: as a naive reader by regular expressions, whatever came before."""

import math
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ewad.config import parse
from ewad.config.settings import StreamSettings
from ewad.engine import Engine
from ewad.errors import DecodeError
from ewad.ingest.files.messages import RecordedMessage
from ewad.ingest.formats import lines as table
from ewad.ingest.formats.influx import _label_name, open_points
from ewad.ingest.formats.times import unix_divisor
from ewad.ingest.intake import Intake

NOW = 1.8e9
BEFORE = re.compile(rb"(?:\s+|#[^\n]*)*")
HEAD = re.compile(rb"((?:[^\s\\]|\\.)+) +", re.DOTALL)
FIELD = re.compile(rb'((?:[^\s,=\\]|\\.)+)=("(?:[^"\\]|\\.)*"(?=[\s,]|\Z)|[^\s,"][^\s,]*)', re.DOTALL)
END = re.compile(rb"(?: +(-?\d{1,19})(?=\s|\Z))?[^\S\n]*(?:\n|\Z)")
PARTS = re.compile(rb"(?:^|,)((?:[^,\\]|\\.)*)", re.DOTALL)
TAG = re.compile(rb"((?:[^=\\]|\\.)+)=(.*)", re.DOTALL)
NUMBER = re.compile(rb"[+-]?(?:(\d+)[iu]|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
TRUE, FALSE = (b"t", b"T", b"true", b"True", b"TRUE"), (b"f", b"F", b"false", b"False", b"FALSE")


def must(found):
    if not found:
        raise ValueError
    return found


def plain(raw, escaped=" ,=\\\\"):
    return re.sub(rf"\\([{escaped}])", r"\1", raw.decode(errors="replace"))


def naive_value(raw):
    if raw[:1] == b'"':
        return plain(raw[1:-1], '"\\\\')
    if raw in TRUE + FALSE:
        return raw in TRUE
    if re.fullmatch(rb"[+-]?(nan|inf|infinity)", raw, re.IGNORECASE):
        return float(raw)
    must(NUMBER.fullmatch(raw))
    return float(raw.rstrip(b"iu"))


def naive_labels(head):
    measurement, *tags = PARTS.findall(head)
    must(measurement)
    pairs = [must(TAG.fullmatch(tag)).groups() for tag in sorted(tags)]
    return (
        ("measurement", plain(measurement)),
        *((_label_name(plain(key)), plain(value)) for key, value in pairs),
    )


def naive(payload):
    """Return (fields, labels, time) of each line. Raises ValueError."""
    text = payload.decode("utf-8", "surrogateescape").strip(" \t\r\n\v\f\0\ufeff")
    text = text.encode("utf-8", "surrogateescape")
    found, place = [], 0
    while (place := BEFORE.match(text, place).end()) < len(text):
        head = must(HEAD.match(text, place))
        fields, place = {}, head.end()
        while True:
            field = must(FIELD.match(text, place))
            fields[plain(field[1])], place = naive_value(field[2]), field.end()
            if text[place : place + 1] != b",":
                break
            place += 1
        end = must(END.match(text, place))
        place, time = end.end(), None
        if end[1]:
            digits = float(abs(int(end[1])))
            time = math.copysign(digits / (unix_divisor(digits) or 1e9), -1 if b"-" in end[1] else 1)
        found.append((fields, naive_labels(head[1]), time))
    return must(found)


def read(reader, payload):
    """Return the same, or None if the payload is refused."""
    try:
        return repr([tuple(point)[:3] for point in reader("t", payload)])
    except DecodeError as error:
        assert error.reason in ("invalid_payload", "empty")
        return None


def expected(payload):
    try:
        return repr(naive(payload))
    except ValueError:
        return None


names = st.text('ab\\ ,=é"#\u2003', min_size=1, max_size=4)


def escaped(name):
    return re.sub(r"([ ,=\\])", r"\\\1", name)


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.integers(0, 10**6).map(lambda n: f"{n}i"),
    st.decimals(-1000, 1000, places=3).map(str),
)
values = st.one_of(
    numbers,
    st.sampled_from(
        ["t", "F", "true", "FALSE", "nan", "-inf", "10u", ".5", "5.", "+1", '"x, y=1 \\" z"', '""']
    ),
)
fields = st.lists(st.tuples(names.map(escaped), values), min_size=1, max_size=4).map(
    lambda pairs: ",".join(f"{key}={value}" for key, value in pairs)
)
tags = st.lists(st.tuples(names, names), max_size=2).map(
    lambda pairs: "".join(f",{escaped(key)}={escaped(value)}" for key, value in pairs)
)
times = st.one_of(st.just(""), st.integers(-(10**19) + 1, 10**19 - 1).map(lambda time: f" {time}"))
line = st.tuples(names.map(escaped).map(lambda n: n.replace("#", "m")), tags, fields, times).map(
    lambda parts: f"{parts[0]}{parts[1]} {parts[2]}{parts[3]}"
)
valid = st.lists(line, min_size=1, max_size=4).map(lambda each: "\n".join(each).encode())
pieces = [
    b"m", b",", b" ", b"=", b"\\", b'"', b"1", b".", b"-", b"e", b"i", b"t", b"true", b"nan", b"#", b"\n",
    b"\r", b"\t", b"\0", "é".encode(), b"\xff", b"1772359200000000000", b"k=1", b'k="x y"', b"m,t=a ",
    b"\xef\xbb\xbf",
]  # fmt: skip
hostile = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from(pieces), max_size=16).map(b"".join),
    st.tuples(valid, st.integers(0, 200), st.sampled_from(pieces)).map(
        lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] :]
    ),
)


@given(st.lists(st.one_of(valid, hostile), min_size=1, max_size=6))
@example([b"m f=1", b"m f=1.5 1772359200", b"m f=1\nm f=2,f=3 5\n"])
@example(
    [
        b'm f="a',
        b"m f=1 1 1",
        b"m f=1,",
        b"m,=1 f=1",
        b", f=1",
        b"m f=9223372036854775808i 9999999999999999999",
    ]
)
def test_lines_are_read_as_by_a_naive_reader(payloads):
    reader = open_points(StreamSettings(name="s", topics=("t",), format="influx"), 65_536)
    for payload in payloads * 2:
        assert read(reader, payload) == expected(payload)


def test_texts_are_told_without_their_backslashes():
    reader = open_points(StreamSettings(name="s", topics=("t",), format="influx"), 65_536)
    (point,) = reader("t", rb'm f="C:\\a \"b\"",g=1')
    assert point.document == {"f": 'C:\\a "b"', "g": 1.0}


def intake(**block):
    settings = parse({"stream": [{"name": "s", "topic": "t", "format": "influx", **block}]}, "t", {})
    return Intake(Engine(settings.group_settings()), settings.streams)


def taken(one, payload):
    """What one message gives: stream, value and time of each sample, and whether something else counted."""
    before = sum(one.rejected.values()), one.absent
    one.consume([RecordedMessage(NOW, "t", payload)], NOW)
    streams, found = one.engine.groups[0].streams.names, []
    while (batch := one.take_batch()) is not None:
        columns = batch.stream.tolist(), batch.value.tolist(), batch.time.tolist()
        found += [(streams[row], value, time) for row, value, time in zip(*columns, strict=True)]
    return found, (sum(one.rejected.values()), one.absent) != before


blocks = st.sampled_from(
    [{}, {"field": "a"}, {"field": ["a", "b"]}, {"field": {"a": "x"}}, {"field": "*", "exclude": ["a*"]}]
)


@given(blocks, st.lists(st.one_of(valid, hostile), min_size=1, max_size=5))
@example({}, [b"m a=1,b=2", b"m a=1,a=2", b'm a="nan",b=2', b"m a=1e200,b=1", b"m a=1 1900000000000000000"])
@example(
    {}, [b"x f=1\n\xef\xbb\xbfm f=2", b"\xef\xbb\xbfm f=2", b"x f=1\n\x1f\x8b\x08m f=2", b"\x1f\x8b\x08m f=2"]
)
@example({"field": "b"}, [b"m p=1,b=1"] * 3 + [b'm p=1.4",b=2'])
def test_the_quick_way_gives_the_samples_of_the_general_one(block, payloads):
    """The second intake is made anew for each message, so that it knows no name."""
    one = intake(**block)
    for payload in payloads * 3:
        assert taken(one, payload) == taken(intake(**block), payload)


def test_known_names_go_the_quick_way():
    one = intake()
    for value in (1, 2, 3):
        taken(one, b'm,a=b x=%d,on=t,text="none of it" 1790000000000000000\nn y\\ z=2' % value)
    way = one._laid_out["t"]
    assert way.take(b"n y\\ z=7\nm,a=b on=f 1790000001000000000\n", NOW) == 2
    waiting = one.blocks[0]
    names = [one.engine.groups[0].streams.names[row] for row in waiting.rows]
    assert list(zip(names, waiting.values, waiting.times, strict=True)) == [
        ("t/n/y z", 7.0, NOW),
        ("t/m,a=b/on", 0.0, 1.790000001e9),
    ]
    for odd in (b"m,a=c x=1", b"m,a=b z=1", b'm,a=b x="1"', b"m,a=b x=1e200", b"m,a=b x", b"", b" m,a=b x=1"):
        assert way.take(odd, NOW) == 0


def many(n, first=0):
    return b"\n".join(b"m,host=%d cpu=%d,load=%d.5" % (i, i, i) for i in range(first, first + n))


def test_ten_thousand_names_are_known_again():
    one = intake()
    for first in (0, *range(0, 5000, 1000)):
        taken(one, many(1000, first))
    way = one._laid_out["t"]
    assert [way.take(many(1000, first), NOW) for first in range(0, 5000, 1000)] == [2000] * 5
    assert one.blocks[0].values[-2:].tolist() == [4999.0, 4999.5]


@pytest.mark.parametrize(("most", "value"), [("MOST_ENTRIES", 256), ("MOST_BYTES", 1 << 14)])
def test_names_beyond_the_bound_are_forgotten_and_learnt_again(monkeypatch, most, value):
    monkeypatch.setattr(table, most, value)
    one, other = intake(), intake()
    lines = one.blocks[0].reader._points.lines
    for first in range(0, 6000, 500):
        for _ in range(2):
            assert taken(one, many(100, first)) == taken(other, many(100, first))
    assert lines.generation >= 2
    assert len(lines.names) < 256 or most == "MOST_BYTES"
    taken(one, b"fresh x=1")
    taken(one, b"fresh x=1")
    assert one._laid_out["t"].take(b"fresh x=2", NOW) == 1


def test_names_made_to_collide_are_read_all_the_same():
    """b"b0" and b"aQ" have one hash: 33 * 98 + 48 == 33 * 97 + 81."""
    colliding = [b""]
    for _ in range(6):
        colliding = [name + part for name in colliding for part in (b"b0", b"aQ")]
    payload = b"m " + b",".join(name + b"=1" for name in colliding)
    one = intake()
    for _ in range(3):
        found, odd = taken(one, payload)
        assert len(found) == 64
        assert not odd
    assert len(one.blocks[0].reader._points.lines.names) == table.PROBES


def test_a_payload_of_many_fields_has_room():
    payload = b"m " + b",".join(b"%x=1" % i for i in range(5000))
    one = intake()
    for _ in range(2):
        assert len(taken(one, payload)[0]) == 5000


def test_the_kernel_reads_bytes_alone():
    """A zero byte ends bytes, which a number that is spelled out relies on."""
    reader = open_points(StreamSettings(name="s", topics=("t",), format="influx"), 65_536)
    with pytest.raises(TypeError):
        reader.lines.kernel.take(np.frombuffer(b"m f=1", dtype=np.uint8), 0.0)
