"""Recorded messages come in order of time, whatever order they stand in."""

from hypothesis import given
from hypothesis import strategies as st

from ewad.ingest.files import FileOptions, messages, read
from ewad.ingest.files.messages import RecordedMessage, messages_in_order


@given(st.lists(st.tuples(st.floats(0, 1e9), st.text(max_size=3), st.binary(max_size=5))), st.integers(1, 5))
def test_any_messages_come_sorted_and_equal_times_as_they_stood(rows, size):
    given = [RecordedMessage(*row) for row in rows]
    pieces = [given[i : i + size] for i in range(0, len(given), size)]
    found = [message for piece in messages_in_order(pieces) for message in piece]
    assert found == sorted(given, key=lambda message: message.time)


def test_pieces_are_bounded(monkeypatch):
    monkeypatch.setattr(messages, "PIECE_MESSAGES", 2)
    given = [RecordedMessage(float(-i), "t", b"1", retain=i == 2) for i in range(5)]
    found = list(messages_in_order([given]))
    assert [len(piece) for piece in found] == [2, 2, 1]
    assert [message.retain for piece in found for message in piece] == [False, False, True, False, False]


MIXED = "time,topic,payload\n1700000300,a/t,3\n1700000100,a/t,1\n1700000200,b/t,2\n"


def test_a_file_of_messages_is_sorted_unless_told_otherwise(tmp_path):
    path = tmp_path / "messages.csv"
    path.write_text(MIXED)

    def payloads(**options):
        with read(path, FileOptions(**options)) as file:
            return [message.payload for piece in file.messages() for message in piece]

    assert payloads() == [b"1", b"2", b"3"]
    assert payloads(sort=False) == [b"3", b"1", b"2"]
