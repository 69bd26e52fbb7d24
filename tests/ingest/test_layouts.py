"""Documents of one layout are read by it: the same streams and values as when each is read whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.config import parse
from ewad.engine import Engine
from ewad.ingest.files.messages import RecordedMessage
from ewad.ingest.formats.layouts import Layouts
from ewad.ingest.intake import Intake

TOPIC = "tele/a/SENSOR"


def intake(**block):
    settings = parse(
        {"stream": [{"name": "s", "topic": "tele/{d}/SENSOR", "format": "json", **block}]}, "t", {}
    )
    return Intake(Engine(settings.group_settings()), settings.streams)


def taken(one, payload):
    """What one message gives: stream and value of each sample, and whether it was rejected."""
    before = sum(one.rejected.values()), one.absent
    one.consume([RecordedMessage(1.0, TOPIC, payload)], 1.0)
    batch = one.take_batch()
    names = one.blocks[0], one.engine.groups[0].streams.names
    found = (
        [] if batch is None else [(names[1][r], v) for r, v in zip(batch.stream, batch.value, strict=True)]
    )
    return found, (sum(one.rejected.values()), one.absent) != before


leaves = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.sampled_from(["nan", "ON", "x", ""]),
)
keys = st.sampled_from(["a", "b", "c", "d e", "0"])
inner = st.one_of(leaves, st.dictionaries(keys, leaves, max_size=3), st.lists(leaves, max_size=2))
documents = st.dictionaries(keys, inner, max_size=4)


@given(st.lists(documents, min_size=2, max_size=12), st.sampled_from(["*", ["a", "b.c"], ["a", "b", "c"]]))
def test_layouts_change_no_verdict_and_no_value(sent, field):
    """The second intake is made anew for each message, so that it knows no layout."""
    one, streams = intake(field=field), {}
    for document in sent:
        payload = json.dumps(document).encode()
        again = taken(one, payload)
        fresh = intake(field=field)
        assert sorted(again[0]) == sorted(taken(fresh, payload)[0])
        assert again[1] == taken(fresh, payload)[1]
        streams |= dict(again[0])


def test_a_layout_is_learnt_once_and_used():
    one = intake(field="*")
    first = b'{"Time": "now", "E": {"Power": 1.5, "Total": 7}, "on": true}'
    names = ("E.Power", "E.Total", "on")
    values = (1.5, 7.0, 1.0)
    for _ in range(2):
        found, rejected = taken(one, first)
        assert found == [(f"{TOPIC}/{name}", value) for name, value in zip(names, values, strict=True)]
        assert not rejected
    way, waiting = one._laid_out[TOPIC], one.blocks[0].values
    assert way.take(first.replace(b"7", b"8").replace(b"true", b"false"), 1.0) == 3
    assert waiting.tolist() == [1.5, 8.0, 0.0]
    gone, more = first.replace(b', "Total": 7', b""), first.replace(b"7", b'7, "x": 1')
    others = [gone, more, first.replace(b"1.5", b"1e999"), b"not json"]
    others += [first.replace(b'"now"', text) for text in (b"5", b'"nan"')]  # a number, or it says one
    assert [way.take(payload, 1.0) for payload in others] == [0] * 6


@pytest.mark.parametrize(
    "block",
    [
        {"field": "*", "valid": [0, 50]},
        {"field": ["a", "b"], "time_field": "t"},
        {"field": "*", "labels": {"id": "id"}},
        {"field": ["{x}/a"]},
        {"field": "b.*"},
    ],
)
def test_blocks_that_ask_for_more_read_each_document_whole(block):
    one = intake(**block)
    for _ in range(3):
        taken(one, b'{"a": 1, "b": {"a": 2}, "t": 1, "id": "x"}')
    assert one._laid_out == {}


def test_layouts_are_bounded():
    layouts = Layouts(-1e9, 1e9, (), 65_536)
    for i in range(200):
        layouts.reader(json.dumps({f"k{i}": 1}).encode(), [(f"k{i}",)], True)
    assert len(layouts._known) <= 64
    deep: dict = {}
    for _ in range(30):
        deep = {"a": deep, "n": 1}
    assert layouts.reader(json.dumps(deep).encode(), [("n",)], True) is None


def test_a_topic_that_changes_its_layout_each_time_is_learnt_a_few_times_only():
    one = intake(field="*")
    for i in range(60):
        assert taken(one, json.dumps({f"k{i % 20}": i}).encode())[0][0][1] == float(i)
    assert one._laid_out[TOPIC].way._tries <= 16
