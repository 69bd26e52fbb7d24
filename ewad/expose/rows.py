"""Results as rows of a table, one per accepted sample, into CSV or Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ewad.engine import Batch, Engine, Results
from ewad.engine.settings import GroupSettings
from ewad.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

Table = dict[str, NDArray[Any]]  # column -> (m,); of `stream` the names, as objects


class Sink(Protocol):
    """Where a replay's results go, table by table, in the order of the samples."""

    def write(self, table: Table) -> None:
        """Take the next rows."""

    def close(self) -> None:
        """Finish the file."""


def columns(groups: Sequence[GroupSettings]) -> list[str]:
    """Return the columns of the results of these groups; a cell that a group does not have stays empty."""
    betas = dict.fromkeys(label for group in groups for label in group.beta_labels)
    models = [group.model for group in groups if group.model is not None]
    horizons = sorted({horizon for model in models for horizon in model.horizons})
    return [
        *("time", "stream", "value"),
        *(f"smoothed_{label}" for label in betas),
        *(f"stddev_{label}" for label in betas),
        *(f"forecast_{horizon}" for horizon in horizons),
        *(("loss", "learning_rate") if models else ()),
    ]


def table(engine: Engine, observed: Sequence[tuple[Batch, Results]]) -> Table:
    """Return the rows of some batches, in order of time."""
    names = columns([group.settings for group in engine.groups])
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
    group = engine.groups[batch.group]
    names = np.array(group.streams.names, dtype=object)
    part: Table = {
        "time": batch.time[results.accepted],
        "stream": names[batch.stream[results.accepted]],
        "value": batch.value[results.accepted],
    }
    for i, label in enumerate(group.settings.beta_labels):
        part[f"smoothed_{label}"] = results.mean[:, i]
        part[f"stddev_{label}"] = results.stddev[:, i]
    forecast, loss, rate = results.forecast, results.loss, results.learning_rate
    if group.settings.model is not None and forecast is not None and loss is not None and rate is not None:
        for i, horizon in enumerate(group.settings.model.horizons):
            part[f"forecast_{horizon}"] = forecast[:, i]
        part["loss"], part["learning_rate"] = loss, rate
    return part


class CsvSink:
    """A CSV file: numbers in their shortest exact form, an empty cell where there is no value."""

    def __init__(self, path: Path) -> None:
        self._file = writable(path).open("w", newline="", encoding="utf-8")
        self._header = True

    def write(self, table: Table) -> None:
        """Append the rows."""
        _frame(table).to_csv(self._file, index=False, header=self._header)
        self._header = False

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ParquetSink:
    """A Parquet file, a row group a table. Needs the extra `parquet`."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise ConfigError(f"{path}: Parquet needs pyarrow: pip install 'ewad[parquet]'") from error
        self._pa, self._pq, self._path = pa, pq, writable(path)
        self._writer: Any = None

    def write(self, table: Table) -> None:
        """Append the rows."""
        rows = self._pa.Table.from_pandas(_frame(table), preserve_index=False)
        if self._writer is None:
            self._writer = self._pq.ParquetWriter(self._path, rows.schema)
        self._writer.write_table(rows)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


SINKS: dict[str, Callable[[Path], Sink]] = {".csv": CsvSink, ".parquet": ParquetSink}


def sink(path: Path) -> Sink:
    """Return the sink that the file's ending asks for. Raises ConfigError for an unknown one."""
    if path.suffix not in SINKS:
        raise ConfigError(f"{path}: expected a name that ends in {' or '.join(SINKS)}")
    return SINKS[path.suffix](path)


def _frame(table: Table) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(table)


def writable(path: Path) -> Path:
    """Return the path if a file can be written there. Raises ConfigError."""
    try:
        path.open("wb").close()
    except OSError as error:
        raise ConfigError(f"{path}: can't write there: {error.strerror}") from error
    return path
