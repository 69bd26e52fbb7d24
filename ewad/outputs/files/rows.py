"""Results as rows of a table, one per accepted sample, into CSV or Parquet files."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ewad.engine import Batch, Engine, Results
from ewad.engine.settings import GroupSettings
from ewad.errors import ConfigError
from ewad.outputs.files.output import Output
from ewad.outputs.registry import result_columns, result_values

if TYPE_CHECKING:
    import pandas as pd

# column -> (m,); of `stream` the names, as objects. Beside the columns of the results it has `group` and
# `row`, the indexes of each sample's stream: two blocks may have streams of one name.
Table = dict[str, NDArray[Any]]


class Sink(Protocol):
    """Where a replay's results go, table by table, in the order of the samples."""

    def write(self, table: Table) -> None:
        """Take the next rows."""

    def close(self) -> None:
        """Finish the file."""

    def discard(self) -> None:
        """Let go of everything, where there is to be no file; nothing after close."""


def columns(groups: Sequence[GroupSettings]) -> list[str]:
    """Return the columns of the results of these groups; a cell that a group does not have stays empty."""
    return ["time", "stream", *result_columns(groups)]


def table(engine: Engine, observed: Sequence[tuple[Batch, Results]]) -> Table:
    """Return the rows of some batches, in order of time."""
    names = [*columns([group.settings for group in engine.groups]), "group", "row"]
    parts = [_group_table(engine, batch, results) for batch, results in observed]
    lengths = [len(part["time"]) for part in parts]
    joined = {
        name: np.concatenate(
            [part.get(name, np.full(m, np.nan)) for part, m in zip(parts, lengths, strict=True)]
            or [np.zeros(0)]
        )
        for name in names
    }
    if len(parts) > 1:
        order = np.argsort(joined["time"], kind="stable")
        joined = {name: column[order] for name, column in joined.items()}
    return joined


def _group_table(engine: Engine, batch: Batch, results: Results) -> Table:
    accepted = results.accepted
    names = np.array(engine.groups[batch.group].streams.names, dtype=object)
    return {
        "time": batch.time[accepted],
        "stream": names[batch.stream[accepted]],
        "value": batch.value[accepted],
        "group": np.full(len(accepted), batch.group),
        "row": batch.stream[accepted],
        **result_values(engine, batch.group, results),
    }


class CsvSink:
    """A CSV file: numbers in their shortest exact form, an empty cell where there is no value."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._columns = columns
        self._file = path.open("w", newline="", encoding="utf-8")
        csv.writer(self._file, lineterminator="\n").writerow(columns)

    def write(self, table: Table) -> None:
        """Append the rows."""
        _frame(table, self._columns).to_csv(self._file, index=False, header=False)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def discard(self) -> None:
        """Close the file, come what may."""
        with contextlib.suppress(OSError):
            self._file.close()


class ParquetSink:
    """A Parquet file, a row group a table. Needs the extra `parquet`."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._columns = columns
        self._table = pa.Table
        # fixed from the start: what a first table lacks must not decide the type of a column
        self._schema = pa.schema(
            [(name, pa.string() if name == "stream" else pa.float64()) for name in columns]
        )
        self._writer: Any = pq.ParquetWriter(path, self._schema)

    def write(self, table: Table) -> None:
        """Append the rows."""
        frame = _frame(table, self._columns)
        self._writer.write_table(self._table.from_pandas(frame, schema=self._schema, preserve_index=False))

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def discard(self) -> None:
        """Close the file, come what may."""
        with contextlib.suppress(OSError):
            self._writer.close()


SINKS: dict[str, Callable[[Path, Sequence[str]], Sink]] = {".csv": CsvSink, ".parquet": ParquetSink}


class FileSink:
    """A sink whose file appears in its place when it is closed, whole; an OSError becomes a StateError."""

    def __init__(self, path: Path, make: Callable[[Path], Sink]) -> None:
        """Take the file's place, and what makes the sink that writes to a path."""
        self._output = Output(path)
        try:
            with self._output.writing() as unfinished:
                self._sink = make(unfinished)
        except BaseException:
            self._output.discard()
            raise

    def write(self, table: Table) -> None:
        """Hand on the rows, if there are any."""
        if len(table["time"]):
            with self._output.writing():
                self._sink.write(table)

    def close(self) -> None:
        """Finish the file and put it in its place."""
        with self._output.writing():
            self._sink.close()
        self._output.finish()

    def discard(self) -> None:
        """Leave no file behind, unless it is closed already."""
        self._sink.discard()
        self._output.discard()


def sink(path: Path, columns: Sequence[str]) -> FileSink:
    """Return the sink that the file's ending asks for. Raises ConfigError for an unknown one."""
    if path.suffix not in SINKS:
        raise ConfigError(f"{path}: expected a name that ends in {' or '.join(SINKS)}")
    if path.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ConfigError(f"{path}: Parquet needs pyarrow: pip install 'ewad[parquet]'")
    return FileSink(path, lambda unfinished: SINKS[path.suffix](unfinished, columns))


def _frame(table: Table, columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: table[name] for name in columns})
