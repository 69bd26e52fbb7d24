"""A record as bytes: whole, or told to be damaged."""

import numpy as np
import pytest

from ewad.errors import StateError
from ewad.scale import Record
from tests.scale.records import random_records, record


@pytest.mark.parametrize("each", random_records(3, n=8))
def test_a_record_comes_back_as_it_was(each):
    found = Record.decode(each.encode())
    assert found.encode() == each.encode()
    assert (found.names, found.labels_of()) == (each.names, each.labels_of())
    assert (found.tick, found.moved, found.arrival) == (each.tick, each.moved, each.arrival)
    np.testing.assert_array_equal(found.time, each.time)


def test_a_damaged_record_is_told():
    data = bytearray(record("plant", [1], [1.0], [2.0]).encode())
    data[-3] ^= 1
    with pytest.raises(StateError, match=r"expected the checksum [0-9a-f]{8}, got [0-9a-f]{8}: damaged"):
        Record.decode(bytes(data))


def test_other_bytes_are_told():
    with pytest.raises(StateError, match="expected one of ewad's, got 5 other bytes"):
        Record.decode(b"hello")


def test_a_record_of_a_newer_version_is_told():
    data = bytearray(record("plant", [1], [1.0], [2.0]).encode())
    data[3] = 9
    with pytest.raises(StateError, match="version 1 at most, got 9"):
        Record.decode(bytes(data))


def test_the_last_piece_alone_has_the_tick():
    pieces = [record("plant", [1, 2], [1.0, 2.0], [2.0, 3.0], tick=5.0).cut(a, a + 1) for a in (0, 1)]
    assert [piece.tick for piece in pieces] == [None, 5.0]
