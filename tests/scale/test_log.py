"""The log on a disk: what a kill cuts short, what a damage is, what readers see, and what is kept."""

import os
import shutil

import pytest

from ewad.errors import StateError
from ewad.scale import LogReader, LogWriter, Record
from ewad.scale.segments import SYNCED, first_of, segments
from tests.scale.records import random_records

RECORDS = random_records(5, n=12)


def written(directory, records=RECORDS, **options):
    """Write a commit of each record, and leave the log as a kill would."""
    writer = LogWriter(directory, **options)
    for number, each in enumerate(records):
        writer.append([each], b"note %d" % number, arrival=float(number))
    writer.sync()
    return writer


def encoded(records):
    return [each.encode() for each in records]


def test_what_was_written_is_read_in_order(tmp_path):
    written(tmp_path).close()
    assert encoded(LogReader(tmp_path)) == encoded(RECORDS)
    assert encoded(LogReader(tmp_path, after=7)) == encoded(RECORDS[7:])
    assert [each[:2] for each in LogReader(tmp_path).entries(3, 5)] == [(4, 0), (5, 0)]


def test_records_are_seen_once_they_are_on_the_disk(tmp_path):
    writer = LogWriter(tmp_path)
    writer.append(RECORDS[:2])
    assert list(LogReader(tmp_path)) == []
    writer.sync()
    assert encoded(LogReader(tmp_path)) == encoded(RECORDS[:2])
    writer.close()


def test_what_a_kill_cut_short_is_cut_off(tmp_path):
    written(tmp_path).close()
    (segment,) = segments(tmp_path)
    size = segment.stat().st_size
    for missing in (1, 9, 200):
        with segment.open("r+b") as file:
            file.truncate(size - missing)
        writer = LogWriter(tmp_path)
        assert writer.last == len(RECORDS) - 1
        assert writer.append([RECORDS[-1]], b"note 11", arrival=11.0) == len(RECORDS)
        writer.close()
        assert encoded(LogReader(tmp_path)) == encoded(RECORDS)


def test_a_last_commit_that_came_to_the_disk_as_zeros_is_cut_off(tmp_path):
    written(tmp_path).close()
    (segment,) = segments(tmp_path)
    with segment.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(bytes(100))
    writer = LogWriter(tmp_path)
    assert writer.last == len(RECORDS) - 1
    writer.close()


def test_damage_before_the_end_is_told(tmp_path):
    written(tmp_path).close()
    (segment,) = segments(tmp_path)
    with segment.open("r+b") as file:
        file.seek(segment.stat().st_size // 2)
        file.write(b"\xff" * 50)
    with pytest.raises(StateError, match="damaged: move the log away"):
        LogWriter(tmp_path)
    with pytest.raises(StateError, match="damaged"):
        list(LogReader(tmp_path))


def test_a_log_goes_on_over_segments_and_each_begins_with_what_is_known(tmp_path):
    writer = written(tmp_path, segment_bytes=1500, head=lambda: b"head")
    assert len(segments(tmp_path)) > 2
    assert encoded(LogReader(tmp_path)) == encoded(RECORDS)
    assert encoded(LogReader(tmp_path, after=6)) == encoded(RECORDS[6:])
    writer.close()
    again = LogWriter(tmp_path)
    head, notes = again.recovered()
    kept = [*notes]
    assert (head, kept) == (b"head", [b"note %d" % n for n in range(12 - len(kept), 12)])
    assert again.arrival == 11.0
    again.close()


def test_a_new_log_knows_of_nothing(tmp_path):
    writer = LogWriter(tmp_path / "new")
    head, notes = writer.recovered()
    assert (head, [*notes], writer.last) == (b"", [], 0)
    writer.close()


def test_old_segments_go_and_a_reader_that_needs_them_is_told(tmp_path):
    written(tmp_path, segment_bytes=1500, keep_bytes=4000).close()
    reader = LogReader(tmp_path)
    assert reader.first > 1
    assert encoded(reader) == encoded(RECORDS[reader.first - 1 :])
    with pytest.raises(StateError, match=f"expected commit 1, got {reader.first} as the oldest"):
        list(LogReader(tmp_path, after=0))


def test_segments_go_by_age_which_times_of_arrival_tell(tmp_path):
    """Not the system clock, which may be ahead by years for a second: these commits are of 1970."""
    writer = written(tmp_path, segment_bytes=1500, keep_seconds=60.0)
    first, second, *others = segments(tmp_path)
    assert len(others) > 1
    newest_of_first = float(first_of(second)) - 2.0  # commits are numbered from 1, arrivals from 0
    for arrival, oldest in ((newest_of_first + 60.0, first), (newest_of_first + 60.5, second)):
        writer.append([RECORDS[0]], arrival=arrival)
        writer.roll()
        assert segments(tmp_path)[0] == oldest
    writer.append([RECORDS[0]], arrival=1000.0)
    writer.roll()  # lets go of several at once
    assert len(segments(tmp_path)) == 2
    writer.close()


def test_two_writers_are_one_too_many(tmp_path):
    writer = LogWriter(tmp_path)
    with pytest.raises(StateError, match="give each gateway a directory of its own"):
        LogWriter(tmp_path)
    writer.close()


def test_a_copy_without_its_mark_is_read_whole(tmp_path):
    written(tmp_path / "log").close()
    shutil.copytree(tmp_path / "log", tmp_path / "copy", ignore=shutil.ignore_patterns(SYNCED))
    assert encoded(LogReader(tmp_path / "copy")) == encoded(RECORDS)


def test_a_directory_that_is_none_is_told(tmp_path):
    with pytest.raises(StateError, match="expected the directory of a log"):
        LogReader(tmp_path / "none")


def test_several_records_of_one_commit_stay_together(tmp_path):
    writer = LogWriter(tmp_path)
    writer.append([Record(0, 2, tick=1.0), Record(1, 2, tick=1.0)])
    writer.close()
    found = [(each.sequence, each.place) for each in LogReader(tmp_path).entries()]
    assert found == [(1, 0), (1, 1)]
