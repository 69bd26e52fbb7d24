"""Slots of hash tables, filled for many entries at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.ingest import plain
from ewad.ingest.plain import PlainTopics
from ewad.ingest.slots import FREE, fill


@given(
    places=st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 9), max_size=80),
    probes=st.integers(1, 8),
    first=st.integers(0, 2),
)
def test_every_entry_is_found_by_looking_on_from_its_place(places, probes, first):
    slots = np.full(64, FREE, dtype=np.int64)
    has = fill(slots, np.array(places, dtype=np.int64), probes, first)
    assert sorted(slots[slots != FREE]) == [first + k for k in range(len(places)) if has[k]]
    for k, place in enumerate(places):
        looked_at = [int(slots[(place + probe) % 64]) for probe in range(probes)]
        if has[k]:
            assert FREE not in looked_at[: looked_at.index(first + k)]
        else:
            assert FREE not in looked_at


def test_topics_are_looked_at_one_by_one_only_when_they_come(monkeypatch):
    seen = []
    monkeypatch.setattr(plain, "crc32", lambda name: seen.append(name) or plain.np.uint32(len(seen)))
    topics = PlainTopics()
    for k in range(2000):  # for which the table grows again and again
        topics.add(f"topic/{k}", 0, k)
    assert len(seen) == 2000


@pytest.mark.parametrize("removed", [0, 3])
def test_a_table_that_has_grown_knows_the_topics_that_it_had(removed):
    topics = PlainTopics()
    for k in range(1000):
        topics.add(f"tëmperature/{k}", k % 3, k)
        if removed and k % removed == 0:
            topics.remove(f"tëmperature/{k}")
    payload, wanted = bytearray(), []
    for k in range(1000):
        name = f"tëmperature/{k}".encode()
        payload += bytes([0x30, len(name) + 4, 0, len(name)]) + name + b"\x007"
        wanted += [] if removed and k % removed == 0 else [(k % 3, k, 7.0)]
    found, data, start = [], np.frombuffer(bytes(payload), dtype=np.uint8), 0
    while start < len(data):
        taken, after = topics.take(data, start, len(data), np.zeros(0, dtype=np.int64), 1, 0)
        found += zip(taken.group.tolist(), taken.row.tolist(), taken.value.tolist(), strict=True)
        start = after if after > start else start + 2 + int(data[start + 1])  # a topic that is not known
    assert found == wanted
