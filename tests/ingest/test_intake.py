import logging
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.config import parse
from ewad.engine import VALUE_LIMIT, Engine
from ewad.ingest.explain import explain
from ewad.ingest.formats.reasons import REASONS
from ewad.ingest.intake import MAX_COLD_TOPICS, Intake

TEMPERATURE = {"name": "temperature", "topic": "site/{room}/temperature"}
CLIMATE = {
    "name": "climate",
    "topic": "climate/{room}",
    "format": "json",
    "field": {"t": "temp", "h": "hum"},
    "time_field": "ts",
}


@dataclass
class Message:
    topic: str
    payload: bytes
    retain: bool = False


def intake(*blocks, max_streams=1000):
    settings = parse({"stream": list(blocks)}, "test", {})
    engine = Engine(settings.group_settings(), max_streams)
    return engine, Intake(engine, settings.streams, settings.limits.max_payload_bytes)


def explained(take, topic, payload):
    return str(explain(take, topic, payload, 1_700_000_000.0))


def streams(group):
    n = len(group.streams)
    return dict(zip(group.streams.names, group.value[:n].tolist(), strict=True))


def counts(group):
    return dict(zip(group.streams.names, group.count[: len(group.streams)].tolist(), strict=True))


def test_a_message_becomes_a_sample_of_the_stream_named_by_its_topic():
    engine, take = intake(TEMPERATURE)
    take.consume([Message("site/kitchen/temperature", b"21.5")], 100.0)
    assert counts(engine.groups[0]).get("site/kitchen/temperature", 0) == 0
    take.observe()
    group = engine.groups[0]
    assert streams(group) == {"site/kitchen/temperature": 21.5}
    assert group.streams.labels == [(("room", "kitchen"),)]
    assert (group.time[0], group.seen[0]) == (100.0, 100.0)
    assert take.received == 1
    assert take.rejected == dict.fromkeys(REASONS, 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-99, 99)), max_size=30), st.integers(1, 7))
def test_samples_keep_their_order_however_messages_are_split(samples, size):
    engine, take = intake(TEMPERATURE | {"beta": [0.5]})
    whole, at_once = intake(TEMPERATURE | {"beta": [0.5]})
    messages = [Message(f"site/{room}/temperature", str(value).encode()) for room, value in samples]
    for start in range(0, len(messages), size):
        take.consume(messages[start : start + size], 1.0)
        take.observe()
    at_once.consume(messages, 1.0)
    at_once.observe()
    assert streams(engine.groups[0]) == streams(whole.groups[0])
    assert streams(engine.groups[0]) == {f"site/{room}/temperature": value for room, value in samples}
    assert counts(engine.groups[0]) == counts(whole.groups[0])


def test_each_sample_keeps_the_arrival_time_of_its_read():
    engine, take = intake(TEMPERATURE)
    take.consume([Message("site/a/temperature", b"1"), Message("site/b/temperature", b"1")], 10.0)
    take.consume([], 15.0)
    take.consume([Message("site/b/temperature", b"2")], 20.0)
    take.observe()
    assert engine.groups[0].time[:2].tolist() == [10.0, 20.0]
    take.consume([Message("site/a/temperature", b"3")], 30.0)
    take.observe()
    assert engine.groups[0].time[:2].tolist() == [30.0, 20.0]


def test_scale_and_offset_are_applied():
    engine, take = intake(TEMPERATURE | {"scale": 0.5, "offset": -1.0})
    take.consume([Message("site/a/temperature", b"43")], 1.0)
    take.observe()
    assert streams(engine.groups[0]) == {"site/a/temperature": 20.5}
    assert "20.5" in explained(take, "site/a/temperature", b"43")


def test_several_fields_become_streams_with_suffixes_at_their_event_time():
    engine, take = intake(CLIMATE)
    take.consume([Message("climate/attic", b'{"t": 21, "h": "40.5", "ts": 1700000000000}')], 1700000005.0)
    take.consume([Message("climate/attic", b'{"t": 22, "ts": 1700000001000}')], 1700000006.0)
    take.observe()
    group = engine.groups[0]
    assert streams(group) == {"climate/attic/temp": 22.0, "climate/attic/hum": 40.5}
    assert group.time[:2].tolist() == [1700000001.0, 1700000000.0]


def test_a_time_ahead_of_the_clock_is_not_believed_because_it_would_make_all_later_samples_old():
    engine, take = intake(CLIMATE)
    now = 1_700_000_000.0
    for seconds, ahead in enumerate((0, 59, 72_000, 10**8, 59.5)):
        payload = f'{{"t": {20 + seconds}, "ts": {now + seconds + ahead}}}'.encode()
        take.consume([Message("climate/attic", payload)], now + seconds)
    take.observe()
    assert (take.faults.ahead, sum(take.rejected.values())) == (2, 0)
    assert counts(engine.groups[0]) == {"climate/attic/temp": 3}  # the two by their arrival, behind the 59 s
    assert engine.groups[0].time[0] == now + 4 + 59.5


def test_how_far_a_time_may_be_ahead_can_be_set():
    engine, take = intake(CLIMATE | {"max_ahead": "1d"})
    take.consume([Message("climate/attic", b'{"t": 21, "ts": 1700080000}')], 1.7e9)
    take.observe()
    assert take.faults.ahead == 0
    assert engine.groups[0].time[0] == 1_700_080_000.0


def test_a_refused_field_is_counted_once_and_its_neighbour_is_taken():
    engine, take = intake(CLIMATE)
    take.consume([Message("climate/attic", b'{"t": "off", "h": 40, "ts": 1}')], 1.0)
    take.observe()
    assert streams(engine.groups[0]) == {"climate/attic/hum": 40.0}
    assert take.rejected["not_a_number"] == sum(take.rejected.values()) == 1


def test_one_rejection_of_each_reason_is_remembered_without_its_payload():
    _, take = intake(CLIMATE)
    take.consume([Message(f"climate/{room}", b'{"t": "secret", "h": 40, "ts": 1}') for room in "ab"], 1.0)
    take.consume([Message("x" * 1000, b"1")], 1.0)
    field = take.last_rejected["not_a_number"].field
    assert take.last_rejected == {
        "not_a_number": ("climate/b", "climate", field),
        "unknown_topic": ("x" * 200, "", ""),
    }
    assert field
    assert "secret" not in field


def test_a_topic_of_several_blocks_feeds_each_of_them():
    engine, take = intake(TEMPERATURE, {"name": "all", "topic": "site/#", "beta": 0.5})
    for value in (b"20", b"21"):
        take.consume([Message("site/a/temperature", value)], 1.0)
        take.observe()
    assert [streams(group) for group in engine.groups] == [{"site/a/temperature": 21.0}] * 2


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"x" * 2**20, b"[" * 100_000, b"nan", "é".encode()])
@pytest.mark.parametrize("block", [TEMPERATURE, TEMPERATURE | {"format": "json", "field": "v"}])
def test_a_bad_payload_is_counted_and_makes_no_stream(payload, block):
    engine, take = intake(block)
    for _ in range(3):
        take.consume([Message("site/a/temperature", payload)], 1.0)
        take.observe()
    assert len(engine.groups[0].streams) == 0
    assert sum(take.rejected.values()) + take.absent == take.received == 3


def test_a_bad_payload_does_not_disturb_its_neighbours():
    engine, take = intake(TEMPERATURE)
    payloads = [b"1", b"junk", b"2", b"", b"3"]
    take.consume([Message("site/a/temperature", payload) for payload in payloads], 1.0)
    take.observe()
    assert counts(engine.groups[0]) == {"site/a/temperature": 3}
    assert take.rejected["not_a_number"] == take.rejected["empty"] == 1


def test_an_unmatched_topic_is_counted():
    _, take = intake(TEMPERATURE)
    take.consume([Message("other", b"1")] * 2, 1.0)
    assert take.rejected["unknown_topic"] == 2


def test_retained_message_is_taken_unless_it_is_the_last_value_sent_again():
    engine, take = intake(TEMPERATURE | {"scale": 0.1})
    topic = "site/a/temperature"
    take.consume([Message(topic, b"215", retain=True)], 1.0)  # a new stream's first value
    take.observe()
    take.consume([Message(topic, b"215", retain=True)], 2.0)  # sent again after a reconnection
    take.observe()
    take.consume([Message(topic, b"215")], 3.0)  # live: a sample whatever its value
    take.consume([Message(topic, b"216", retain=True)], 4.0)  # changed while away
    take.consume([Message(topic, b"216", retain=True)], 5.0)  # a copy of one that still waits
    take.observe()
    assert counts(engine.groups[0]) == {topic: 3}
    assert take.rejected["retained"] == 2


def test_retained_message_with_a_newer_event_time_is_a_sample():
    engine, take = intake(CLIMATE)
    for ts in (10, 10, 20):
        take.consume([Message("climate/a", b'{"t": 1, "ts": %d}' % ts, retain=True)], 1.0)
    take.observe()
    assert counts(engine.groups[0]) == {"climate/a/temp": 2}


def test_retained_message_whose_time_is_not_believed_is_one_sample():
    engine, take = intake(CLIMATE)
    for now in (10, 20, 30, 40, 50):
        take.consume([Message("climate/a", b'{"t": 1, "ts": 7200}', retain=True)], now)
        take.observe()
    assert counts(engine.groups[0]) == {"climate/a/temp": 1}
    assert (take.rejected["retained"], take.faults.ahead) == (4, 1)


def test_retained_ignore_skips_and_counts():
    engine, take = intake(TEMPERATURE | {"retained": "ignore"})
    take.consume([Message("site/a/temperature", b"1", retain=True), Message("site/a/temperature", b"2")], 1.0)
    take.observe()
    assert streams(engine.groups[0]) == {"site/a/temperature": 2.0}
    assert take.rejected["retained"] == 1


@pytest.mark.parametrize(
    "topics", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow, id="a_million_topics")]
)
def test_many_topics_stay_within_max_streams_and_bounded_memory(caplog, topics):
    engine, take = intake(TEMPERATURE, max_streams=100)
    caplog.set_level(logging.WARNING)
    for start in range(0, topics, 10_000):
        take.consume([Message(f"site/{i}/temperature", b"1") for i in range(start, start + 10_000)], 1.0)
        take.observe()
    assert len(engine.groups[0].streams) == 100
    assert engine.refused == take.rejected["stream_limit"] == topics - 100
    assert len(take._cold) <= MAX_COLD_TOPICS
    assert len(take._targets) == len(take._routes) == 100
    assert [record.message for record in caplog.records if "max_streams" in record.message] == [
        'stream refused topic="site/100/temperature" limits.max_streams=100 (further ones are counted)'
    ]
    take.consume([Message("site/5/temperature", b"7")], 2.0)
    take.observe()
    assert streams(engine.groups[0])["site/5/temperature"] == 7.0


def test_junk_topics_are_not_remembered_beyond_a_bound():
    _, take = intake(TEMPERATURE)
    for i in range(3 * MAX_COLD_TOPICS):
        take.consume([Message(f"site/{i}/temperature", b"junk"), Message(f"junk/{i}", b"1")], 1.0)
    assert len(take._cold) <= MAX_COLD_TOPICS


def test_first_rejection_of_a_reason_is_a_warning_without_the_payload(caplog):
    caplog.set_level(logging.INFO)
    _, take = intake(TEMPERATURE)
    take.consume([Message("site/a\n/temperature", b"secret")] * 3 + [Message("site/b/temperature", b"")], 1.0)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    where = 'topic="site/a\\n/temperature" block="temperature" field="" reason=not_a_number'
    assert where in caplog.records[0].message
    assert "secret" not in caplog.text


def test_explain_tells_block_labels_and_value():
    _, take = intake(TEMPERATURE)
    assert explained(take, "site/kitchen/temperature", b" 21.5\n").splitlines() == [
        "block: temperature (number)",
        'labels: room="kitchen"',
        'stream: "site/kitchen/temperature" value: 21.5',
    ]


def test_explain_tells_fields_and_time():
    _, take = intake(CLIMATE)
    text = explained(take, "climate/a", b'{"t": 1, "h": "x", "ts": 1700000000}')
    assert 'stream: "climate/a/temp" (field="temp") value: 1.0' in text
    assert '(field="hum") rejected: not_a_number: field "h": expected a number, got "x"' in text
    assert "2023-11-14T22:13:20Z" in text


def test_explain_tells_of_fields_that_are_not_there():
    _, take = intake(CLIMATE)
    for payload, got in ((b'{"t": 1, "ts": 0}', "no such field"), (b'{"t": 1, "h": null, "ts": 0}', "null")):
        told = explained(take, "climate/a", payload)
        assert f'left alone: field "h": expected a number, got {got}' in told


def test_explain_tells_in_one_line_that_a_block_reads_nothing_of_a_message():
    _, take = intake(CLIMATE)
    line = explained(take, "climate/a", b'{"ts": 0}').splitlines()[2]
    assert line == "left alone: none of the 2 fields that this block reads holds a number"


def test_explain_calls_a_text_that_the_block_skips_no_rejection():
    _, take = intake(TEMPERATURE | {"texts": "skip"})
    told = explained(take, "site/a/temperature", b"unavailable")
    assert 'left alone: expected a number, got "unavailable", which `texts` skips' in told
    assert "rejected" not in told


def test_explain_tells_why_a_payload_is_rejected():
    _, take = intake(TEMPERATURE)
    assert 'rejected: not_a_number: expected a number, got "on"' in explained(
        take, "site/a/temperature", b"on"
    )


def test_explain_names_the_level_where_the_nearest_template_differs():
    _, take = intake(TEMPERATURE, {"name": "other", "topic": ["x/+", "y"]})
    text = explained(take, "site/kitchen/temp", b"1")
    assert "no [[stream]] block takes this topic" in text
    assert 'nearest: site/{room}/temperature: level 3: expected "temperature", got "temp"' in text
    assert all(template in text for template in ("x/+", "y"))


def test_explain_leaves_engine_and_counters_alone():
    engine, take = intake(TEMPERATURE)
    explained(take, "site/a/temperature", b"1")
    explained(take, "junk", b"1")
    assert len(engine.groups[0].streams) == 0
    assert take.received == sum(take.rejected.values()) == 0


@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-1e100, 1e100), sign=st.sampled_from([-1, 1]))
def test_no_payload_reaches_the_engine_beyond_its_limit_whatever_scaling_rounds(scale, offset, sign):
    engine, take = intake({"name": "n", "topic": "n", "scale": scale, "offset": offset})
    limit = min(VALUE_LIMIT, (VALUE_LIMIT - abs(offset)) / scale)
    for value in (limit, np.nextafter(limit, 0), limit * (1 - 1e-15), limit * (1 - 2e-12)):
        take.consume([Message("n", repr(float(sign * value)).encode())], 1.0)
    take.observe()  # raises if a value is not below VALUE_LIMIT
    assert engine.groups[0].count.sum() >= 1


def test_long_topics_are_refused_before_anything_of_them_is_remembered():
    engine, take = intake({"name": "all", "topic": "#"})
    take.consume([Message("a" * 1025, b"1"), Message("é" * 513, b"1"), Message("b" * 1024, b"1")], 1.0)
    take.observe()
    assert take.rejected["topic_too_long"] == 2
    assert [len(name) for name in engine.groups[0].streams.names] == [1024]
    assert not any(len(topic) > 1024 for topic in take._cold)


def forget(take, now):
    return [done for each in take.leaving(now) if each is not None for done in take.let_go(each)]


class TestForget:
    def test_topics_of_forgotten_and_of_moved_streams_find_their_rows_anew(self):
        engine, take = intake(TEMPERATURE | {"forget_after": "60s"})
        topics = [f"site/{room}/temperature" for room in "abcd"]
        take.consume([Message(topic, b"1") for topic in topics], 100.0)
        take.observe()
        take.consume([Message(topics[2], b"2"), Message(topics[3], b"3")], 150.0)
        take.observe()
        (forgotten,) = forget(take, 170.0)
        assert forgotten.streams == topics[:2]
        take.consume([Message(topic, b"9") for topic in reversed(topics)], 180.0)
        take.observe()
        assert streams(engine.groups[0]) == dict.fromkeys(topics, 9.0)
        assert counts(engine.groups[0]) == dict(zip(topics, [1, 1, 3, 3], strict=True))

    def test_topics_of_several_values_and_blocks_too(self):
        engine, take = intake(
            CLIMATE | {"forget_after": "60s"}, {"name": "all", "topic": "#", "format": "json", "field": "t"}
        )
        for at, room in ((100.0, "a"), (150.0, "b")):
            payload = b'{"t": 1, "h": 2, "ts": %d}' % at
            take.consume([Message(f"climate/{room}", payload)], at)
            take.observe()
        assert [f.streams for f in forget(take, 170.0)] == [["climate/a/temp", "climate/a/hum"]]
        for room in "ba":
            take.consume([Message(f"climate/{room}", b'{"t": 5, "h": 6, "ts": 190}')], 190.0)
            take.observe()
        assert counts(engine.groups[0]) == {
            "climate/b/temp": 2, "climate/b/hum": 2, "climate/a/temp": 1, "climate/a/hum": 1,
        }  # fmt: skip
        assert counts(engine.groups[1]) == {"climate/a": 2, "climate/b": 2}

    def test_a_refused_topic_gets_in_when_a_stale_stream_has_made_room(self):
        engine, take = intake(TEMPERATURE | {"stale_after": "10s"}, max_streams=1)
        old, new = "site/old/temperature", "site/new/temperature"
        take.consume([Message(old, b"1")], 100.0)
        take.observe()
        take.consume([Message(new, b"2")], 120.0)
        take.observe()
        assert counts(engine.groups[0]) == {old: 1}
        forget(take, 120.0)
        take.consume([Message(new, b"2")], 121.0)
        take.observe()
        assert counts(engine.groups[0]) == {new: 1}

    def test_a_value_refused_beside_one_that_was_not_gets_in_too(self):
        engine, take = intake(CLIMATE, TEMPERATURE | {"stale_after": "10s"}, max_streams=2)
        take.consume([Message("site/a/temperature", b"1")], 100.0)
        take.observe()
        payload = b'{"t": 1, "h": 2, "ts": 120}'
        take.consume([Message("climate/a", payload)], 120.0)
        take.observe()
        assert list(counts(engine.groups[0])) == ["climate/a/temp"]
        forget(take, 120.0)
        take.consume([Message("climate/a", payload)], 121.0)
        take.observe()
        assert list(counts(engine.groups[0])) == ["climate/a/temp", "climate/a/hum"]

    def test_is_refused_while_samples_wait(self):
        _, take = intake(TEMPERATURE | {"forget_after": "60s"})
        take.consume([Message("site/a/temperature", b"1")], 100.0)
        with pytest.raises(ValueError, match="samples that wait"):
            forget(take, 200.0)
