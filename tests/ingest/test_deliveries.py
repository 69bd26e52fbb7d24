"""What the broker sends again counts once; what only looks like it is never dropped."""

from dataclasses import dataclass

from ewad.ingest.deliveries import MAX_IN_FLIGHT, Acknowledgements, Deliveries


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
    deliveries.connected(False)
    deliver(deliveries, ids)
    again = deliveries.copy()
    again.connected(present)
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
    deliveries.connected(True)
    assert deliver(deliveries, [1, 2, 3, 4], duplicate=True) == [4]


def test_a_qos_2_message_counts_once_until_it_is_released():
    deliveries, notes = Deliveries(), Acknowledgements()
    assert deliveries.take_once(5, notes)
    assert not deliveries.take_once(5, notes)
    deliveries.release(5, notes)
    assert deliveries.take_once(5, notes)
    recorded = Deliveries()
    recorded.record(notes)
    assert recorded.unreleased == {5}
