"""What Spark asks of the log, without a Spark: which commits there are, and their records."""

import gc

import pytest

from ewad.errors import StateError
from ewad.scale import LogWriter, Record
from tests.spark.test_rescale import SHARDS, commit


@pytest.fixture
def reading():
    """Return what reads a log; what it does to the collections of a worker of Spark is undone."""
    pytest.importorskip("pyspark", reason="pyspark isn't installed: make scale")
    from ewad.scale.spark.source import LogStreamReader

    yield lambda path, **options: LogStreamReader({"path": str(path), **options})
    gc.unfreeze()


def written(directory, commits):
    writer = LogWriter(directory)
    for number in commits:
        writer.append(commit(number))
    writer.close()


def test_logs_of_several_gateways_are_read_side_by_side_and_one_may_join(tmp_path, reading):
    written(tmp_path / "north", range(5))
    written(tmp_path / "south", range(5, 8))
    reader = reading(tmp_path, maxCommits="4")
    start = reader.initialOffset()
    end = reader.latestOffset(start, reader.getDefaultReadLimit())
    assert (start, end) == ({"north": 0, "south": 0}, {"north": 4, "south": 3})
    rows = [row for each in reader.partitions(start, end) for row in reader.read(each)]
    places = [("north", sequence, shard) for sequence in range(1, 5) for shard in SHARDS]
    places += [("south", sequence, shard) for sequence in range(1, 4) for shard in SHARDS]
    assert [(row.log, row.sequence, row.shard) for row in rows] == places
    found = Record.decode(rows[-1].record)
    assert found.value.tolist() == commit(7)[-1].value.tolist()
    written(tmp_path / "west", range(8, 9))
    then = reader.latestOffset(end, reader.getDefaultReadLimit())
    assert then == {"north": 5, "south": 3, "west": 1}
    rows = [row for each in reader.partitions(end, then) for row in reader.read(each)]
    assert [(row.log, row.sequence) for row in rows] == [("north", 5)] * 3 + [("west", 1)] * 3


def test_a_run_that_ends_takes_no_more_than_there_was_when_it_began(tmp_path, reading):
    written(tmp_path / "log", range(3))
    reader = reading(tmp_path / "log")
    reader.prepareForTriggerAvailableNow()
    written(tmp_path / "log", range(3, 6))
    assert reader.latestOffset(reader.initialOffset(), reader.getDefaultReadLimit()) == {"": 3}


def test_a_run_that_ends_without_a_log_takes_none_that_comes_meanwhile(tmp_path, reading):
    reader = reading(tmp_path)
    reader.prepareForTriggerAvailableNow()
    written(tmp_path / "north", range(3))
    assert reader.latestOffset(reader.initialOffset(), reader.getDefaultReadLimit()) == {"north": 0}


def test_a_log_that_has_let_go_of_what_is_asked_for_is_told(tmp_path, reading):
    writer = LogWriter(tmp_path / "log", segment_bytes=1, keep_bytes=1)
    for number in range(6):
        writer.append(commit(number))
    writer.close()
    reader = reading(tmp_path / "log")
    first = reader.initialOffset()[""]
    assert first > 0
    with pytest.raises(StateError):
        [*reader.read(reader.partitions({"": 0}, {"": first + 1})[0])]
