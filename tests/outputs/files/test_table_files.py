"""The tables of a replay as a sink: what comes between two flushes is one table, in order of time."""

import numpy as np

from ewad import config
from ewad.engine import Batch, Engine
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


def test_each_file_gets_one_table_of_all_batches_between_two_flushes():
    blocks = [{"name": "a", "topic": "a/+"}, {"name": "b", "topic": "b/+"}]
    engine = Engine(config.parse({"stream": blocks}, "test", {}).group_settings())
    files = [Tables(), Tables()]
    sink = TableFiles(files, engine)
    observed = []
    for index, time in enumerate((20.0, 10.0)):
        row = engine.add_stream(index, f"s{index}")
        batch = Batch(index, np.array([row], dtype=np.int32), np.array([time]), np.array([float(index)]))
        observed.append((batch, engine.observe(batch)))
    replayed([sink], engine, observed)
    sink.flush()
    for each in files:
        (table,) = each.tables
        assert table["time"].tolist() == [10.0, 20.0]
        assert table["value"].tolist() == [1.0, 0.0]
    sink.close()
    sink.discard()
    assert [each.ended for each in files] == [["closed", "discarded"]] * 2
