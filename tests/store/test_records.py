"""What a state file holds of a session: round trips, and what version 0.1.0 wrote."""

import msgspec
import numpy as np

from ewad.engine import Engine
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.store.records import Change, CommitRecord, Head, decode, encode


def test_deliveries_come_back_from_a_head():
    head = decode(encode(Head.of("s", Deliveries([1 << 48 | 3, 2], [1 << 48 | 5]))), Head)
    assert list(head.deliveries().taken) == [1 << 48 | 3, 2]
    assert head.deliveries().unreleased == {1 << 48 | 5}


def test_acknowledgements_come_back_from_a_record():
    notes = Acknowledgements(pubacks=[1 << 48 | 3], pubrecs=[1 << 48 | 5, 1 << 48 | 6], pubcomps=[7])
    record = decode(encode(CommitRecord.of(Change([], []), 0, 0, notes)), CommitRecord)
    deliveries = Deliveries(unreleased=[1 << 48 | 7])
    record.replay(Engine([]), [], deliveries)
    assert (list(deliveries.taken), deliveries.unreleased) == (
        [1 << 48 | 3, 5, 6],
        {1 << 48 | 5, 1 << 48 | 6},
    )


def test_what_version_0_1_0_wrote_still_loads():
    taken, ids = np.array([7 << 16 | 3, 2], "<u8").tobytes(), np.array([5, 6], "<u2").tobytes()
    deliveries = decode(msgspec.msgpack.encode(["s", taken, ids]), Head).deliveries()
    assert (list(deliveries.taken), deliveries.unreleased) == ([7 << 16 | 3, 2], {5, 6})
    more, released = np.array([9], "<u2").tobytes(), np.array([6], "<u2").tobytes()
    record = decode(
        msgspec.msgpack.encode([[], [], [], 0, 0, taken[:8], more, released, [], False]), CommitRecord
    )
    record.replay(Engine([]), [], deliveries)
    assert (list(deliveries.taken), deliveries.unreleased) == ([7 << 16 | 3, 2, 7 << 16 | 3, 9], {5, 9})
