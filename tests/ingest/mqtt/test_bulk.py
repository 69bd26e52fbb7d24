"""Messages taken in bulk and one by one: whatever a broker sends, however it is cut, the same comes of it."""

from collections.abc import Sequence

import mqtt5
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.ingest.mqtt.mqtt5_packets import subscription_id
from ewad.ingest.plain import MOST_MESSAGES, PlainTopics
from tests.ingest.mqtt.bulk import OURS, End

LEVELS = mqtt5.QoS.AT_MOST_ONCE, mqtt5.QoS.AT_LEAST_ONCE, mqtt5.QoS.EXACTLY_ONCE


def packet(
    topic: str, payload: bytes, level: int = 1, packet_id: int = 1, ids: Sequence[int] = (), **more: object
) -> bytes:
    number = packet_id if level else None
    made = mqtt5.PublishPacket(
        topic, payload, qos=LEVELS[level], packet_id=number, subscription_ids=list(ids), **more
    )  # type: ignore[arg-type]
    return made.write()


NUMBERS = st.one_of(
    st.floats(allow_nan=False).map(lambda number: repr(number).encode()),
    st.integers(-(10**20), 10**20).map(lambda number: b"%d" % number),
    st.decimals(-1000, 1000, places=3).map(lambda number: str(number).encode()),
    st.text("0123456789.-+", max_size=30).map(str.encode),
    st.sampled_from(
        [b"", b" 1", b"1\n", b"1_0", b"nan", b"inf", b"1,5", b"on", b"3 W", b"-0", b"+.5", b"5.", b'{"v": 3}']
    ),
)
TOPICS = [f"{block}/{number}" for block in "abjvhwx" for number in range(3)]
PUBLISHED = st.builds(
    packet,
    st.sampled_from(TOPICS),
    NUMBERS,
    st.sampled_from([0, 0, 1, 1, 1, 1, 2]),
    st.integers(1, 9),
    st.lists(st.sampled_from([*OURS, 77]), max_size=2),
    retain=st.sampled_from([False, False, False, True]),
    message_expiry_interval=st.sampled_from([None, None, None, 60]),
)
OTHERS = st.sampled_from([mqtt5.PingRespPacket().write(), mqtt5.PubRelPacket(5).write()])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a packet of which a byte is another. Its topic stays UTF-8: else the codec panics."""
    data = bytearray(packet(draw(st.sampled_from(TOPICS)), b"1.5", draw(st.integers(0, 1))))
    at = draw(st.integers(0, len(data) - 1))
    data[at] = draw(st.integers(0, 255 if at == 0 else 127))
    return bytes(data)


@settings(max_examples=50)
@given(st.data(), st.booleans(), st.lists(st.one_of(PUBLISHED, PUBLISHED, PUBLISHED, OTHERS), max_size=40))
def test_whatever_comes_the_same_comes_of_it_in_bulk(
    data: st.DataObject, session_present: bool, packets: list[bytes]
) -> None:
    belongs = data.draw(st.sampled_from([None, lambda topic: not topic.endswith("1")]))
    last = data.draw(st.one_of(st.just(b""), damaged()))
    known = [packet(topic, b"1", 0) for topic in TOPICS[:18]]
    sent = b"".join([*known, *packets, last])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    bulk, each = (End(bulk=bulk, session_present=session_present, belongs=belongs) for bulk in (True, False))
    bulk.receive(sent, cuts)
    each.receive(sent, sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=3))))
    assert bulk.outcome() == each.outcome()


def test_plain_messages_are_not_looked_at_one_by_one() -> None:
    end = End(bulk=True, session_present=False)
    end.receive(packet("a/1", b"1"))
    end.receive(b"".join(packet("a/1", b"%d.5" % i, i % 2, i, OURS[:1]) for i in range(2, 5000)))
    assert end.taker.looked_at < 10
    assert end.taker.intake.blocks[0].values[1:].tolist() == [i + 0.5 for i in range(2, 5000)]


def test_messages_of_other_shards_are_not_looked_at_one_by_one_whatever_they_say() -> None:
    end = End(bulk=True, session_present=False, belongs=lambda topic: topic != "j/1")
    end.receive(packet("j/1", b'{"v": 1}') + packet("a/1", b"1"))
    sent = [
        packet("j/1", b'{"v": "no number"}', 1, i) + packet("a/1", b"2", 1, i + 1) for i in range(2, 5000, 2)
    ]
    end.receive(b"".join(sent))
    assert end.taker.looked_at < 10
    intake = end.taker.intake
    assert intake.foreign == len(sent) + 1
    assert intake.received == len(intake.blocks[0].values) == len(sent) + 1
    assert len(end.deliveries.taken) == 2 * len(sent) + 2


@pytest.mark.parametrize("filters", [["a/+", "+/1"], ["a/#", "a/+"]])
def test_with_overlapping_filters_each_message_is_looked_at(filters: list[str]) -> None:
    end = End(bulk=True, session_present=False, filters=filters)
    ids = [subscription_id(each) for each in filters]
    end.receive(b"".join(packet("a/1", b"1", 1, i, [number]) for i in range(1, 20) for number in ids))
    assert end.taker.looked_at == 19  # of two copies each
    assert end.taker.intake.blocks[0].values.tolist() == [1.0] * 19


def test_in_a_session_that_goes_on_repetitions_are_found_first() -> None:
    for bulk in (True, False):
        end = End(bulk=bulk, session_present=True)
        end.receive(packet("a/1", b"1", 1, 1) + packet("a/1", b"2", 1, 2))
        end.core.commit(2.0)
        again = End(bulk=bulk, session_present=False)
        again.deliveries.record(end.taker.pending[-1])
        again.deliveries.connected(True, Acknowledgements())
        again.receive(packet("a/1", b"2", 1, 2) + packet("a/1", b"2", 1, 3))
        assert again.taker.intake.blocks[0].values.tolist() == [2.0]
        assert again.deliveries.repeated == 1


# ---- the table of topics


def taken(topics: PlainTopics, data: bytes) -> list[tuple[int, int, float]]:
    found, end = topics.take(np.frombuffer(data, np.uint8), 0, len(data), np.zeros(0, np.int64), 1, 0)
    assert end <= len(data)
    return list(zip(found.group.tolist(), found.row.tolist(), found.value.tolist(), strict=True))


def test_topics_come_and_go_and_stand_for_their_last_stream() -> None:
    topics, random = PlainTopics(), np.random.default_rng(1)
    expected: dict[str, tuple[int, int]] = {}
    for number in random.integers(0, 500, 5000).tolist():
        topic = f"site/{number}/" + "x" * (number % 40)
        if random.random() < 0.4:
            topics.remove(topic)
            expected.pop(topic, None)
        else:
            topics.add(topic, number % 3, number)
            expected[topic] = number % 3, number
    assert len(topics) == len(expected) > 100
    for number in range(500):
        topic = f"site/{number}/" + "x" * (number % 40)
        place = expected.get(topic)
        assert taken(topics, packet(topic, b"1")) == ([(*place, 1.0)] if place else [])


def test_no_more_is_taken_than_there_is_room_for() -> None:
    topics = PlainTopics()
    topics.add("t", 0, 0)
    data = packet("t", b"1", 0) * (MOST_MESSAGES + 1)
    assert len(taken(topics, data)) == MOST_MESSAGES


@pytest.mark.parametrize(
    "number", ["0.1", "9007199254740991", "-0.0000001", "123456789.12345", "4503599627370497.5"]
)
def test_a_number_is_what_float_says_or_left_alone(number: str) -> None:
    topics = PlainTopics()
    topics.add("t", 0, 0)
    assert taken(topics, packet("t", number.encode(), 0)) in ([(0, 0, float(number))], [])
