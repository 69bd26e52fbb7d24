"""The tables of a replay as a sink: tables of many rows, each in the order in which its rows came."""

import numpy as np
import pytest

from ewad import config
from ewad.engine import Batch, Engine
from ewad.outputs.files import rows
from ewad.outputs.files.rows import TableFiles
from ewad.outputs.sinks import replayed


class Tables:
    """A file that keeps its tables, and how it ended."""

    def __init__(self):
        self.tables, self.ended = [], []

    def write(self, table):
        self.tables.append(table)

    def close(self):
        self.ended.append("closed")

    def discard(self):
        self.ended.append("discarded")


def observed_by(engine, index, time):
    """One sample of a stream of this block."""
    row = engine.add_stream(index, f"s{index}")
    batch = Batch(index, np.array([row], dtype=np.int32), np.array([time]), np.array([float(index)]))
    return batch, engine.observe(batch)


@pytest.fixture
def engine():
    blocks = [{"name": "a", "topic": "a/+"}, {"name": "b", "topic": "b/+"}]
    return Engine(config.parse({"stream": blocks}, "test", {}).group_settings())


def test_each_file_gets_the_rows_of_all_batches_between_two_flushes_in_order_of_time(engine):
    files = [Tables(), Tables()]
    sink = TableFiles(files, engine)
    replayed([sink], engine, [observed_by(engine, 0, 20.0), observed_by(engine, 1, 10.0)])
    sink.flush()
    sink.close()
    sink.discard()
    for each in files:
        (table,) = each.tables
        assert table["time"].tolist() == [10.0, 20.0]
        assert table["value"].tolist() == [1.0, 0.0]
    assert [each.ended for each in files] == [["closed", "discarded"]] * 2


@pytest.mark.parametrize(("least", "sizes"), [(1, [1] * 5), (3, [3, 2]), (5, [5]), (100, [5])])
def test_rows_that_come_one_by_one_are_written_many_at_a_time(engine, monkeypatch, least, sizes):
    monkeypatch.setattr(rows, "LEAST_ROWS", least)
    file = Tables()
    sink = TableFiles([file], engine, ["anomaly"])
    for i in range(5):
        replayed([sink], engine, [observed_by(engine, 0, float(i))])
        sink.flush()
    sink.close()
    assert [len(table["time"]) for table in file.tables] == sizes
    assert np.concatenate([table["time"] for table in file.tables]).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_what_waits_is_gone_where_the_files_are_discarded(engine):
    file = Tables()
    sink = TableFiles([file], engine)
    replayed([sink], engine, [observed_by(engine, 0, 1.0)])
    sink.flush()
    sink.discard()
    assert file.tables == []
    assert file.ended == ["discarded"]
