"""What the broker sends again counts once; what only looks like it is never dropped."""

from dataclasses import dataclass

import pytest

from ewad.ingest.mqtt.deliveries import MAX_IN_FLIGHT, Acknowledgements, Deliveries


@dataclass
class Message:
    packet_id: int
    payload: bytes = b"1"
    duplicate: bool = False


def deliver(deliveries, ids, *, duplicate=False, payload=b"%d"):
    """Return the ids of those that count, and what is to be acknowledged."""
    notes = Acknowledgements()
    known = deliveries.take([Message(i, payload.replace(b"%d", b"%d" % i), duplicate) for i in ids], notes)
    assert len(notes.repeated) + len(notes.pubacks) == len(ids)  # all of them
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


def test_an_id_that_is_used_anew_without_dup_voids_the_record():
    deliveries = after([1, 2, 3])
    assert deliver(deliveries, [3]) == [3]
    assert deliver(deliveries, [3], duplicate=True) == [3]


def test_a_duplicate_with_another_payload_is_another_message():
    deliveries = after([1, 2, 3])
    assert deliver(deliveries, [3], duplicate=True, payload=b"other") == [3]


def test_ids_that_have_gone_round_are_told_apart_by_the_order_of_redelivery():
    deliveries = after([*range(1, 65536)])
    assert len(deliveries.taken) == MAX_IN_FLIGHT
    assert deliver(deliveries, [1, 2, 3], duplicate=True) == [1, 2, 3]  # ids after 65535: a new round


def test_redelivery_cut_short_and_begun_again_is_recognised_again():
    deliveries = after([1, 2, 3])
    assert deliver(deliveries, [1, 2], duplicate=True) == []
    deliveries.connected(True, Acknowledgements())
    assert deliver(deliveries, [1, 2, 3, 4], duplicate=True) == [4]


def test_a_qos_2_message_counts_once_until_it_is_released():
    deliveries, notes = Deliveries(), Acknowledgements()
    again = Message(5, duplicate=True)
    assert deliveries.take_once(Message(5), notes)
    assert not deliveries.take_once(again, notes)
    deliveries.release(5, notes)
    assert deliveries.take_once(again, notes)
    recorded = Deliveries()
    recorded.record(notes)
    assert recorded.unreleased == {5}


def test_a_qos_2_id_that_comes_without_dup_is_another_message():
    deliveries, notes = Deliveries(unreleased=[5]), Acknowledgements()
    assert deliveries.take_once(Message(5), notes)
    assert not deliveries.take_once(Message(5, duplicate=True), notes)


def test_the_record_too_forgets_a_session_that_was_lost():
    deliveries, notes = Deliveries([1, 2], [5]), Acknowledgements()
    recorded = deliveries.copy()
    deliveries.connected(False, notes)
    deliveries.take([Message(7)], notes)
    deliveries.take_once(Message(8), notes)
    recorded.record(notes)
    for each in (deliveries, recorded):
        assert [tag & 0xFFFF for tag in each.taken] == [7]
        assert each.unreleased == {8}


@pytest.mark.parametrize("taken", [[], [1]])
def test_a_session_is_lost_only_once_and_only_if_something_was_taken_from_it(taken):
    deliveries, notes = Deliveries(taken), [Acknowledgements(), Acknowledgements()]
    for each in notes:
        deliveries.connected(False, each)
    assert [each.session_lost for each in notes] == [bool(taken), False]
