"""Results as rows of a table, one per accepted sample, into CSV or Parquet files."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ewad.engine import Batch, Engine, Results
from ewad.engine.group import Group
from ewad.errors import ConfigError, needs
from ewad.outputs.files.output import Output
from ewad.outputs.registry import QUANTITIES, result_columns, result_values
from ewad.outputs.sinks import Observed, Sink

if TYPE_CHECKING:
    import pandas as pd

# column -> (m,); of `stream` the names, as objects. Beside the columns of the results it has `group` and
# `row`, the indexes of each sample's stream: two blocks may have streams of one name.
Table = dict[str, NDArray[Any]]


class TableSink(Protocol):
    """Where a replay's results go, table by table, in the order of the samples."""

    def write(self, table: Table) -> None:
        """Take the next rows."""

    def close(self) -> None:
        """Finish the file."""

    def discard(self) -> None:
        """Let go of everything, where there is to be no file; nothing after close."""


# What results have on request, as it stands after each sample: word -> quantity, first word of its columns.
FURTHER = {
    "anomaly": ("anomaly_score", "anomaly"),
    "skill": ("forecast_skill_ratio", "skill"),
    "weights": ("expert_weight", "weight"),
}


def columns(engine: Engine, further: Sequence[str] = ()) -> list[str]:
    """Return the columns of the results of an engine; a cell that a group does not have stays empty."""
    asked = [name for group in engine.groups for name, _ in _further(group, further)]
    settings = [group.settings for group in engine.groups]
    return ["time", "stream", *result_columns(settings), *dict.fromkeys(asked)]


def table(engine: Engine, observed: Sequence[tuple[Batch, Results]], further: Sequence[str] = ()) -> Table:
    """Return the rows of some batches, in order of time.

    further: of FURTHER, what now stands; it is of each row where no stream has two.
    """
    names = [*columns(engine, further), "group", "row"]
    parts = [_group_table(engine, batch, results, further) for batch, results in observed]
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


def _further(group: Group, words: Sequence[str]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the further columns that a group has: name, and what stands of each row."""
    quantities = {quantity.name: quantity for quantity in QUANTITIES}
    for word in words:
        name, first = FURTHER[word]
        for labels, values in quantities[name].standing(group):
            yield "_".join([first, *(value for _, value in labels)]), values


def _group_table(engine: Engine, batch: Batch, results: Results, further: Sequence[str]) -> Table:
    accepted = results.accepted
    names = np.array(engine.groups[batch.group].streams.names, dtype=object)
    return {
        "time": batch.time[accepted],
        "stream": names[batch.stream[accepted]],
        "value": batch.value[accepted],
        "group": np.full(len(accepted), batch.group),
        "row": batch.stream[accepted],
        **result_values(engine.groups[batch.group].settings, results),
        **{
            name: values[batch.stream[accepted]]
            for name, values in _further(engine.groups[batch.group], further)
        },
    }


TIME_FORMS = "iso", "unix"  # ISO 8601 in CSV and timestamps in Parquet, UTC; seconds


class CsvSink:
    """A CSV file: numbers in their shortest exact form, an empty cell where there is no value."""

    def __init__(self, path: Path, columns: Sequence[str], time_form: str = "iso") -> None:
        self._columns = columns
        self._iso = time_form == "iso"
        self._file = path.open("w", newline="", encoding="utf-8")
        csv.writer(self._file, lineterminator="\n").writerow(columns)

    def write(self, table: Table) -> None:
        """Append the rows."""
        frame = _frame(table, self._columns)
        if self._iso:
            frame["time"] = np.char.add(np.datetime_as_string(_moments(table["time"])), "Z")
        frame.to_csv(self._file, index=False, header=False)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def discard(self) -> None:
        """Close the file, come what may."""
        with contextlib.suppress(OSError):
            self._file.close()


class ParquetSink:
    """A Parquet file, a row group a table. Needs the extra `parquet`."""

    def __init__(self, path: Path, columns: Sequence[str], time_form: str = "iso") -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._columns = columns
        self._iso = time_form == "iso"
        self._table = pa.Table
        # fixed from the start: what a first table lacks must not decide the type of a column
        kinds = {"stream": pa.string()} | ({"time": pa.timestamp("us", tz="UTC")} if self._iso else {})
        self._schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in columns])
        self._writer: Any = pq.ParquetWriter(path, self._schema)

    def write(self, table: Table) -> None:
        """Append the rows."""
        frame = _frame(table, self._columns)
        if self._iso:
            frame["time"] = _utc(table["time"])
        self._writer.write_table(self._table.from_pandas(frame, schema=self._schema, preserve_index=False))

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def discard(self) -> None:
        """Close the file, come what may."""
        with contextlib.suppress(OSError):
            self._writer.close()


SINKS: dict[str, Callable[[Path, Sequence[str], str], TableSink]] = {
    ".csv": CsvSink,
    ".parquet": ParquetSink,
}


class FileSink:
    """A sink whose file appears in its place when it is closed, whole; an OSError becomes a StateError."""

    def __init__(self, path: Path, make: Callable[[Path], TableSink]) -> None:
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


LEAST_ROWS = 2048  # a table costs a millisecond or two, however few rows it has


class TableFiles(Sink):
    """The files of a replay that take tables: all take the same, of LEAST_ROWS or more but for the last."""

    def __init__(self, files: Sequence[TableSink], engine: Engine, further: Sequence[str] = ()) -> None:
        """further: see `table`."""
        self._files, self._engine, self._further = files, engine, further
        self._observed: list[tuple[Batch, Results]] = []
        self._waiting: list[Table] = []
        self._rows = 0  # of what waits

    def observed(self, observed: Observed) -> None:
        """Take a batch."""
        self._observed.append((observed.batch, observed.results))

    def flush(self) -> None:
        """Write the rows. Raises StateError where that fails."""
        taken, self._observed = self._observed, []
        if taken:
            self._waiting.append(table(self._engine, taken, self._further))
            self._rows += len(self._waiting[-1]["time"])
        if self._rows >= LEAST_ROWS:
            self._write()

    def _write(self) -> None:
        waiting, self._waiting, self._rows = self._waiting, [], 0
        if waiting:
            rows = {name: np.concatenate([each[name] for each in waiting]) for name in waiting[0]}
            for each in self._files:
                each.write(rows)

    def close(self) -> None:
        """Finish the files and put them in their places."""
        self._write()
        for each in self._files:
            each.close()

    def discard(self) -> None:
        """Leave no file behind that is not closed already."""
        for each in self._files:
            each.discard()


def sink(path: Path, columns: Sequence[str], time_form: str = "iso") -> FileSink:
    """Return the sink that the file's ending asks for. Raises ConfigError for an unknown one.

    time_form: of TIME_FORMS.
    """
    if path.suffix not in SINKS:
        raise ConfigError(f"{path}: expected a name that ends in {' or '.join(SINKS)}")
    if path.suffix == ".parquet":
        needs("pyarrow", "parquet", f"{path}: Parquet")
    return FileSink(path, lambda unfinished: SINKS[path.suffix](unfinished, columns, time_form))


def _moments(time: NDArray[Any]) -> NDArray[np.datetime64]:
    return (time * 1e6).round().astype("datetime64[us]")


def _utc(time: NDArray[Any]) -> pd.Series[Any]:
    import pandas as pd

    return pd.Series(pd.DatetimeIndex(_moments(time)).tz_localize("UTC"))


def _frame(table: Table, columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: table[name] for name in columns})
