"""Data of Sparkplug by the quick way: samples and faults of the general one, whatever came before."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ewad.config import parse
from ewad.engine import Engine
from ewad.ingest.files.messages import RecordedMessage
from ewad.ingest.formats import sparkplug_nodes
from ewad.ingest.intake import Intake
from ewad.kernels.sparkplug import decimal
from tests.ingest.formats.test_sparkplug import BLOCK, NODE, field, life, metric, payload, varint

NOW = 1.8e9
BEFORE = 1_790_000_000_000  # ms
DATA = NODE.format("NDATA")


def intake(*, quick=True, **keys):
    settings = parse({"stream": [BLOCK | keys]}, "t", {})
    made = Intake(Engine(settings.group_settings()), settings.streams)
    if not quick:
        made.blocks[0].reader.topic_way = None
    return made


def taken(one, topic, content):
    """What one message gives: stream, value and time of each sample, and what else is counted by then."""
    one.consume([RecordedMessage(NOW, topic, content)], NOW)
    streams, found = one.engine.groups[0].streams.names, []
    while (batch := one.take_batch()) is not None:
        columns = batch.stream.tolist(), batch.value.tolist(), batch.time.tolist()
        found += [(streams[row], value, time) for row, value, time in zip(*columns, strict=True)]
    return found, {reason: n for reason, n in one.rejected.items() if n}, one.absent, one.take_ended()


whole = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]))
values = st.one_of(
    st.tuples(st.sampled_from([10, 11]), whole),
    st.tuples(st.just(12), st.floats(width=32).map(lambda x: ("<f", x))),
    st.tuples(st.just(13), st.floats().map(lambda x: ("<d", x))),
    st.tuples(st.just(14), st.integers(0, 2)),
    st.tuples(st.just(15), st.sampled_from([b"", b"nan", b"-inf", b"on", b"true", b"a text", b"\xff"])),
    st.tuples(st.sampled_from([9, 16, 17, 18]), st.sampled_from([b"", b"x", field(5, 1)])),
)
kinds = st.one_of(st.none(), st.integers(0, 20), whole)
names = st.sampled_from(["", "a", "b", "Motor/Speed", "Node Control/Rebirth", "bdSeq", "é"])
aliases = st.one_of(st.none(), st.integers(0, 4), whole)
times = st.one_of(
    st.none(), st.sampled_from([0, BEFORE, int(NOW * 1000), int(NOW * 1000) + 61_000, 2**64 - 1])
)
metrics = st.builds(
    metric,
    name=names,
    alias=aliases,
    time=times,
    kind=kinds,
    null=st.sampled_from([False, False, False, True]),
    value=st.one_of(values, values, st.just(())),
)
plain = st.builds(
    metric,
    name=st.sampled_from(["", "", "a", "b"]),
    alias=st.integers(0, 1),
    time=st.sampled_from([None, BEFORE]),
    kind=st.sampled_from([None, None, 1, 10]),
    value=st.one_of(
        st.tuples(st.sampled_from([10, 11]), st.integers(0, 255)),
        st.tuples(st.just(13), st.sampled_from([("<d", 1.5), ("<d", -0.25)])),
        st.tuples(st.just(12), st.sampled_from([("<f", 21.4)])),
    ),
)
likely = st.builds(
    payload, st.lists(plain, min_size=1, max_size=3).map(b"".join), sequence=st.sampled_from([1, 1, 2])
)
whole_payloads = st.builds(
    lambda some, time, sequence, more: b"".join(
        [
            *([field(1, time)] if time is not None else []),
            *some,
            *([field(3, sequence)] if sequence is not None else []),
            more,
        ]
    ),
    st.lists(st.one_of(plain, plain, metrics), max_size=4),
    st.one_of(st.none(), st.just(BEFORE), whole),
    st.one_of(st.none(), st.integers(0, 4), whole),
    st.sampled_from([b"", b"", field(4, b"uuid"), field(5, b"body"), b"\x2a\xff", b"\x0b"]),
)
damaged = st.tuples(st.one_of(likely, whole_payloads), st.integers(0, 80), st.binary(max_size=3)).map(
    lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] + len(cut[2]) :]
)
BIRTHS = [
    payload(
        *(
            metric(name=name, alias=alias, kind=kind, value=(10, 1))
            for alias, (name, kind) in enumerate(told)
        ),
        life(number),
        sequence=0,
    )
    for number, told in enumerate(
        [[("a", 2), ("b", 0)], [("b", 10), ("a", 4), ("Node Control/Rebirth", 11)], []]
    )
]
data = st.tuples(
    st.sampled_from([DATA, DATA, DATA, NODE.format("DDATA") + "/x"]),
    st.one_of(likely, whole_payloads, damaged),
)
births = st.tuples(
    st.sampled_from([NODE.format("NBIRTH"), NODE.format("DBIRTH") + "/x"]), st.sampled_from(BIRTHS)
)
deaths = st.tuples(
    st.sampled_from([NODE.format("NDEATH"), NODE.format("DDEATH") + "/x"]),
    st.sampled_from([b"", payload(life(0)), payload(life(1), sequence=1)]),
)
messages = st.one_of(data, data, data, data, births, deaths)
blocks = st.sampled_from(
    [
        {},
        {},
        {"field": "a"},
        {"field": ["b", "a"]},
        {"field": ["*", "a"]},
        {"field": "*", "exclude": ["a"]},
        {"states": {"true": -1, "false": 1, "a text": 5}},
        {"scale": 1e95},
        {"exclude_topic": "x"},
    ]
)


@given(blocks, st.lists(messages, min_size=1, max_size=6))
@example(
    {},
    [
        (NODE.format("NBIRTH"), BIRTHS[0]),
        *[(DATA, payload(metric(alias=0, value=(10, n)), sequence=n)) for n in (1, 2, 3, 9)],
    ],
)
@example(
    {},
    [
        (NODE.format("NBIRTH"), BIRTHS[0]),
        *[(DATA, payload(metric(alias=0, value=(10, 5)), time=t)) for t in (BEFORE, 0, 2**64 - 1)],
    ],
)
def test_the_quick_way_gives_what_the_general_one_does(block, sent):
    one, other = intake(**block), intake(quick=False, **block)
    start = [
        (NODE.format("NBIRTH"), BIRTHS[0]),
        *[
            (
                DATA,
                payload(
                    metric(alias=0, value=(10, 1)),
                    metric(alias=1, value=(10, 2)),
                    metric(name="a", value=(10, 3)),
                    metric(name="b", value=(10, 4)),
                    sequence=1,
                ),
            )
        ]
        * 2,
    ]
    for topic, content in [*start, *sent * 3]:
        assert taken(one, topic, content) == taken(other, topic, content)


def known(*, keys=None, names=("a", "b"), alias=True):
    """Return an intake that has seen a birth and data of these metrics, and the quick way of its data."""
    one = intake(**(keys or {}))
    told = [
        metric(name=name, alias=n if alias else None, kind=10, value=(13, ("<d", 1.5)))
        for n, name in enumerate(names)
    ]
    taken(one, NODE.format("NBIRTH"), payload(*told))
    data = [
        metric(name="" if alias else name, alias=n if alias else None, value=(13, ("<d", 2.5)))
        for n, name in enumerate(names)
    ]
    taken(one, DATA, payload(*data, sequence=1))
    taken(one, DATA, payload(*data, sequence=1))
    return one, one._laid_out[DATA]


@pytest.mark.parametrize("alias", [True, False])
def test_known_metrics_go_the_quick_way(alias):
    one, way = known(alias=alias)
    sent = payload(
        metric(name="" if alias else "b", alias=1 if alias else None, time=BEFORE, value=(12, ("<f", 21.4))),
        metric(name="" if alias else "a", alias=0 if alias else None, value=(14, 1)),
        time=BEFORE + 1000,
        sequence=2,
    )
    assert way.take(sent, NOW) == 2
    waiting, streams = one.blocks[0], one.engine.groups[0].streams.names
    found = zip((streams[row] for row in waiting.rows), waiting.values, waiting.times, strict=True)
    assert list(found) == [(f"{DATA}/b", 21.4, 1.79e9), (f"{DATA}/a", 1.0, 1.790000001e9)]


ODD = {
    "an unknown alias": payload(metric(alias=7, value=(10, 1)), sequence=2),
    "no name": payload(metric(value=(10, 1)), sequence=2),
    "a number that is none": payload(metric(alias=0, value=(13, ("<d", math.nan))), sequence=2),
    "a number that is too large": payload(metric(alias=0, value=(13, ("<d", 1e200))), sequence=2),
    "a short text, which may be nan": payload(metric(alias=0, value=(15, b"nan")), sequence=2),
    "a template": payload(metric(alias=0, value=(18, b"")), sequence=2),
    "its type": payload(metric(alias=0, kind=19, value=(10, 1)), sequence=2),
    "a time of tomorrow": payload(
        metric(alias=0, time=int(NOW * 1000) + 86_400_000, value=(10, 1)), sequence=2
    ),
    "a message lost before": payload(metric(alias=0, value=(10, 1)), sequence=3),
    "nothing": payload(sequence=2),
    "a null alone": payload(metric(alias=0, null=True), sequence=2),
    "no end": payload(metric(alias=0, value=(10, 1)), sequence=2)[:-1] + b"\x80",
    "gzip": b"\x1f\x8b\x08" + payload(metric(alias=0, value=(10, 1)), sequence=2),
}


@pytest.mark.parametrize("what", ODD)
def test_the_quick_way_leaves_the_rest_and_changes_nothing(what):
    one, way = known()
    kept = way.way._node.kept.tolist()
    assert way.take(ODD[what], NOW) == 0
    assert (way.way._node.kept.tolist(), len(one.blocks[0].rows)) == (kept, 0)
    assert way.take(payload(metric(alias=0, value=(10, 1)), sequence=2), NOW) == 1
    assert way.way._node.kept[0] == 2


def test_texts_that_are_no_numbers_go_with_the_numbers_beside_them():
    one, way = known(names=("a", "b", "text"))
    told = payload(metric(alias=2, value=(15, b"a state")), metric(alias=0, value=(10, 3)), sequence=2)
    taken(one, DATA, told)
    assert way.take(told, NOW) == 1


@pytest.mark.parametrize(
    ("topic", "content"),
    [
        (NODE.format("NBIRTH"), BIRTHS[1]),
        (NODE.format("DBIRTH") + "/x", BIRTHS[1]),
        (NODE.format("NDEATH"), payload()),
        (NODE.format("DDEATH") + "/x", payload(sequence=2)),
    ],
)
def test_births_and_deaths_end_what_is_known(topic, content):
    one, way = known()
    taken(one, topic, content)
    assert way.take(payload(metric(alias=0, value=(10, 1)), sequence=3), NOW) == 0


def test_more_nodes_than_are_remembered_are_forgotten_and_named_again(monkeypatch):
    monkeypatch.setattr(sparkplug_nodes, "MOST_BYTES", 9_000)
    one, way = known()
    for n in range(8):
        taken(one, f"spBv1.0/plant/NBIRTH/n{n}", BIRTHS[0])
    assert way.take(payload(metric(alias=0, value=(10, 1)), sequence=2), NOW) == 0
    taken(one, NODE.format("NBIRTH"), BIRTHS[0])
    for n in (1, 2):
        taken(one, DATA, payload(metric(alias=0, value=(10, n)), sequence=n))
    assert way.take(payload(metric(alias=0, value=(10, 3)), sequence=3), NOW) == 1


def test_a_thousand_metrics_are_known_again_by_alias_and_by_name():
    for alias in (True, False):
        one, way = known(names=[f"area {n}/metric" for n in range(1000)], alias=alias)
        data = [
            metric(name="" if alias else f"area {n}/metric", alias=n if alias else None, value=(10, n))
            for n in range(999, -1, -1)
        ]
        assert way.take(payload(*data, sequence=2), NOW) == 1000
        assert one.blocks[0].values.tolist() == [float(n) for n in range(999, -1, -1)]


def test_a_reload_takes_the_quick_way_with_the_births_of_before():
    before, _ = known()
    after = intake(beta=0.5)
    after.go_on_from(before)
    for number in (2, 3):
        taken(after, DATA, payload(metric(alias=0, value=(10, number)), sequence=number))
    assert after._laid_out[DATA].take(payload(metric(alias=0, value=(10, 4)), sequence=4), NOW) == 1
    assert taken(after, DATA, payload(metric(alias=0, value=(10, 4)), sequence=7))[1] == {"sequence_gap": 1}


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_of_four_bytes_is_the_decimal_that_numpy_prints(value):
    """Where it has a point; numpy prints nine digits at most of those that are whole."""
    found = decimal(value)
    assert np.float32(found) == np.float32(value)
    if 1e-4 < abs(value) < 2**24:
        assert found == float(str(np.float32(value)))


def test_the_kernel_reads_bytes_alone():
    _, way = known()
    with pytest.raises(TypeError):
        way.take(np.zeros(4, dtype=np.uint8), NOW)


def test_numbers_of_ten_bytes_are_read_and_longer_ones_refused():
    one, other = intake(), intake(quick=False)
    start = [(NODE.format("NBIRTH"), BIRTHS[1])] + [
        (DATA, payload(metric(alias=0, value=(10, 1)), sequence=n)) for n in (1, 2)
    ]
    for number in (varint(2**64 - 1), b"\x80" * 9 + b"\x7f", b"\x80" * 10 + b"\x01", b"\x80" * 9):
        content = field(2, field(2, 1) + b"\x58" + number)
        for message in [*start, (DATA, content)]:
            assert taken(one, *message) == taken(other, *message)
