"""What the broker sends again counts once; what only looks like it is never dropped."""

from dataclasses import dataclass

import pytest

from ewad.ingest.mqtt.deliveries import MAX_IN_FLIGHT, Acknowledgements, Deliveries, tag_without_topic, tags


@dataclass
class Message:
    packet_id: int
    payload: bytes = b"1"
    duplicate: bool = False
    topic: str = "t"


def tag(message):
    (found,) = tags([message])
    return found


def deliver(deliveries, ids, *, duplicate=False, payload=b"%d"):
    """Return the ids of those that count, and what is to be acknowledged."""
    pending = Acknowledgements()
    known = deliveries.take([Message(i, payload.replace(b"%d", b"%d" % i), duplicate) for i in ids], pending)
    assert len(pending.repeated) + len(pending.pubacks) == len(ids)  # all of them
    return [packet_id for place, packet_id in enumerate(ids) if place not in known]


def after(ids, present=True):
    deliveries = Deliveries()
    deliver(deliveries, ids)
    again = deliveries.copy()
    again.connected(present, Acknowledgements())
    return again


def test_what_is_sent_again_after_a_crash_does_not_count_and_what_follows_does():
    deliveries = after([1, 2, 3, 4, 5])
    assert deliver(deliveries, [4, 5, 6, 7], duplicate=True) == [6, 7]
    assert deliveries.repeated == 2


def test_without_the_brokers_session_every_message_is_new():
    deliveries = after([1, 2, 3], present=False)
    assert deliver(deliveries, [2, 3], duplicate=True) == [2, 3]


def test_a_duplicate_within_a_new_session_counts():
    deliveries = after([1, 2], present=False)
    assert deliver(deliveries, [3]) == [3]
    assert deliver(deliveries, [3], duplicate=True) == [3]


@pytest.mark.parametrize("duplicate", [True, False])
def test_a_repetition_needs_no_dup(duplicate):
    deliveries = after([1, 2, 3, 4])
    assert deliver(deliveries, [3, 4, 5], duplicate=duplicate) == [5]
    assert deliver(deliveries, [3, 4], duplicate=duplicate) == [
        3,
        4,
    ]  # nothing is repeated after a new message


@pytest.mark.parametrize(("topic", "known"), [("a", 1), ("b", 0)])
def test_the_same_identifier_and_payload_under_another_topic_is_another_message(topic, known):
    deliveries = Deliveries(map(tag, [Message(1, topic="a"), Message(2, topic="b")]))
    deliveries.connected(True, Acknowledgements())
    assert len(deliveries.take([Message(1, duplicate=True, topic=topic)], Acknowledgements())) == known


def test_topic_and_payload_are_told_apart_wherever_one_ends():
    assert tag(Message(1, b"23", topic="site/1")) != tag(Message(1, b"3", topic="site/12"))


def test_an_identifier_given_again_bounds_what_may_be_repeated():
    # of a broker that gives the lowest free identifier: only the last 1 and the 2 can still be in flight
    taken = [Message(1, topic=topic) for topic in "abc"] + [Message(2, topic="d")]
    for topic, known in (("a", 0), ("b", 0), ("c", 1)):
        deliveries = Deliveries(map(tag, taken))
        deliveries.connected(True, Acknowledgements())
        again = [Message(1, duplicate=True, topic=topic)]
        assert len(deliveries.take(again, Acknowledgements())) == known


def test_an_identifier_that_a_qos_2_message_had_meanwhile_bounds_what_may_be_repeated():
    deliveries, pending = Deliveries(), Acknowledgements()
    deliver(deliveries, [1, 2, 3])
    for duplicate in (False, True):  # sent twice, it is one use of the identifier
        deliveries.take_once(Message(2, duplicate=duplicate), pending)
    deliveries.release(2, pending)
    recorded = Deliveries(list(deliveries.taken)[:3])
    recorded.record(pending)
    for each in (deliveries, recorded):
        each.connected(True, Acknowledgements())
        assert deliver(each, [2]) == [2]
        each.connected(True, Acknowledgements())
        assert deliver(each, [2]) == []


def test_qos_2_messages_with_one_identifier_after_another_bound_nothing():
    deliveries, pending = Deliveries(), Acknowledgements()
    deliver(deliveries, [1, 2])
    for payload in (b"x", b"y"):
        deliveries.take_once(Message(5, payload), pending)
        deliveries.release(5, pending)
    deliveries.connected(True, Acknowledgements())
    assert deliver(deliveries, [1, 2, 3]) == [3]


def test_a_message_that_expired_at_the_broker_hides_none_of_those_after_it():
    deliveries = after([1, 2, 3, 4, 5])
    assert deliver(deliveries, [2, 4, 5, 6]) == [6]


def test_new_messages_among_the_repetitions_count_and_hide_none():
    deliveries = after([1, 2, 3, 4])
    assert deliver(deliveries, [2, 9, 4, 8]) == [9, 8]
    assert deliver(deliveries, [3, 3]) == [3]


def test_nothing_is_repeated_after_a_first_message_that_is_new():
    deliveries = after([1, 2, 3, 4])
    assert deliver(deliveries, [9, 3, 4]) == [9, 3, 4]


def test_repetitions_out_of_their_order_count():
    deliveries = after([1, 2, 3])
    assert deliver(deliveries, [3, 2]) == [2]


def test_what_remains_is_a_new_message_with_identifier_topic_and_payload_of_the_tail():
    deliveries = after([1])
    assert deliver(deliveries, [1]) == []


def numbered(first, payloads):
    return [Message(first + i, payload) for i, payload in enumerate(payloads)]


def test_what_comes_again_under_other_identifiers_counts_and_is_told(caplog):
    deliveries = Deliveries(map(tag, numbered(79, [b"a", b"b", b"c", b"d"])))
    deliveries.connected(True, Acknowledgements())
    assert deliveries.take(numbered(1, [b"c", b"d", b"e"]), Acknowledgements()) == set()
    assert "messages=2 come again under other identifiers" in caplog.text


@pytest.mark.parametrize("payloads", [[b"c", b"e"], [b"d", b"c"], [b"e"]])
def test_new_messages_numbered_from_one_are_told_of_only_if_they_are_the_end_of_what_was_taken(
    payloads, caplog
):
    deliveries = Deliveries(map(tag, numbered(79, [b"a", b"b", b"c", b"d"])))
    deliveries.connected(True, Acknowledgements())
    deliveries.take(numbered(1, payloads), Acknowledgements())
    told = payloads[0] == b"d"  # the last one alone may come again as well
    assert ("come again" in caplog.text) == told


def test_tags_of_version_0_1_0_know_identifier_and_payload():
    old = [tag_without_topic(Message(i, b"%d" % i)) for i in (1, 2, 3)]
    deliveries = Deliveries(old)
    deliveries.connected(True, Acknowledgements())
    assert deliver(deliveries, [2, 3, 4], duplicate=True) == [4]
    assert list(deliveries.taken)[-1] == tag(Message(4, b"4"))


def test_a_duplicate_with_another_payload_is_another_message():
    deliveries = after([1, 2, 3])
    assert deliver(deliveries, [3], duplicate=True, payload=b"other") == [3]


def test_ids_that_have_gone_round_are_told_apart_by_the_order_of_redelivery():
    deliveries = after([*range(1, 65536)])
    assert len(deliveries.taken) == MAX_IN_FLIGHT
    assert deliver(deliveries, [1, 2, 3], duplicate=True) == [1, 2, 3]  # ids after 65535: a new round


def test_what_can_not_come_again_is_let_go():
    deliveries, end = Deliveries(), 5 * MAX_IN_FLIGHT
    for first in range(0, end, 4096):
        deliveries.take_new(range(first, min(first + 4096, end)), Acknowledgements())
        assert len(deliveries._taken) <= 2 * MAX_IN_FLIGHT
    assert [*deliveries.taken] == [*range(end - MAX_IN_FLIGHT, end)]


def test_redelivery_cut_short_and_begun_again_is_recognised_again():
    deliveries = after([1, 2, 3])
    assert deliver(deliveries, [1, 2], duplicate=True) == []
    deliveries.connected(True, Acknowledgements())
    assert deliver(deliveries, [1, 2, 3, 4], duplicate=True) == [4]


def test_a_qos_2_message_counts_once_until_it_is_released():
    deliveries, pending = Deliveries(), Acknowledgements()
    again = Message(5, duplicate=True)
    assert deliveries.take_once(Message(5), pending)
    assert not deliveries.take_once(again, pending)
    deliveries.release(5, pending)
    assert deliveries.take_once(again, pending)
    recorded = Deliveries()
    recorded.record(pending)
    assert recorded.unreleased == {tag(again)}


@pytest.mark.parametrize("duplicate", [True, False])
def test_a_qos_2_id_is_the_same_message_if_topic_and_payload_are_the_same(duplicate):
    deliveries, pending = Deliveries(), Acknowledgements()
    assert deliveries.take_once(Message(5, b"1"), pending)
    assert not deliveries.take_once(Message(5, b"1", duplicate), pending)
    assert deliveries.take_once(Message(5, b"2", duplicate), pending)
    assert deliveries.take_once(Message(5, b"2", duplicate, "u"), pending)


@pytest.mark.parametrize("duplicate", [True, False])
def test_qos_2_ids_of_version_0_1_0_are_known_by_dup(duplicate):
    deliveries, pending = Deliveries(unreleased=[5]), Acknowledgements()
    assert deliveries.take_once(Message(5, duplicate=duplicate), pending) != duplicate
    assert not deliveries.take_once(Message(5, duplicate=duplicate), pending)


def test_the_record_too_forgets_a_session_that_was_lost():
    deliveries, pending = Deliveries([1, 2], [5]), Acknowledgements()
    recorded = deliveries.copy()
    deliveries.connected(False, pending)
    deliveries.take([Message(7)], pending)
    deliveries.take_once(Message(8), pending)
    recorded.record(pending)
    for each in (deliveries, recorded):
        assert list(each.taken) == [tag(Message(7)), 8]
        assert each.unreleased == {tag(Message(8))}


@pytest.mark.parametrize("taken", [[], [1]])
def test_a_session_is_lost_only_once_and_only_if_something_was_taken_from_it(taken):
    deliveries, pending = Deliveries(taken), [Acknowledgements(), Acknowledgements()]
    for each in pending:
        deliveries.connected(False, each)
    assert [each.session_lost for each in pending] == [bool(taken), False]
