"""Parquet: a table with types of its own; timestamps keep their zone. Needs the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ewad.errors import SourceError, needs
from ewad.ingest.files.archive import Archive
from ewad.ingest.files.number_times import NumberForm
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.table import Known, Place, RowTable

if TYPE_CHECKING:
    import pandas as pd

BLOCK_ROWS = 20_000


def is_parquet(head: bytes) -> bool:
    """Return whether a file is of this format."""
    return head.startswith(b"PAR1")


def _form(zoned: bool) -> NumberForm:
    return NumberForm("", lambda values: values, lambda values: np.isfinite(values), zoned=zoned)


class ParquetReader:
    """The columns of a Parquet file, row group by row group."""

    def __init__(self, archive: Archive, options: FileOptions) -> None:
        self.kind = "Parquet"
        self._archive = archive
        self.guesses: list[str] = []
        self.left_out: dict[str, tuple[int, str]] = {}
        needs("pyarrow", "parquet", f"{archive.path}: Parquet")
        schema = self._opened().schema_arrow
        self.names = ["" if name.startswith("__index_level_") else name for name in schema.names]
        import pyarrow as pa

        times = {}
        for index, kind in enumerate(schema.types):
            if pa.types.is_timestamp(kind):
                times[index] = _form(kind.tz is not None)
            elif pa.types.is_date(kind):
                times[index] = _form(False)
        self.known = Known(times=times)

    @property
    def facts(self) -> list[str]:
        """How the file is laid out, for people."""
        return []

    def frames(self, texts: frozenset[int], first: bool) -> Iterator[RowTable]:
        """Yield the table in blocks."""
        for batch in self._opened().iter_batches(BLOCK_ROWS):
            yield RowTable(self._table(batch, texts), _place(batch))

    def _opened(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.ParquetFile(self._archive.open())
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{self._archive.path}: can't read the file: {error}") from error

    def _table(self, batch: Any, texts: frozenset[int]) -> pd.DataFrame:
        import pandas as pd
        import pyarrow as pa

        columns = {}
        for index, column in enumerate(batch.columns):
            if index in self.known.times:
                stamps = column.cast(pa.timestamp("us", tz=getattr(column.type, "tz", None)), safe=False)
                moments = stamps.to_pandas().dt.tz_convert(None) if stamps.type.tz else stamps.to_pandas()
                micros = moments.to_numpy().astype("datetime64[us]")
                columns[index] = pd.Series(np.where(np.isnat(micros), np.nan, micros.astype(np.int64) / 1e6))
            elif pa.types.is_decimal(column.type):
                columns[index] = column.cast(pa.float64()).to_pandas()
            else:
                cells = column.to_pandas()
                as_object = isinstance(cells.dtype, pd.CategoricalDtype) or cells.dtype.kind == "O"
                columns[index] = cells.astype(object) if as_object else cells
            if index in texts:
                columns[index] = columns[index].astype(object).map(str, na_action="ignore")
        return pd.DataFrame(columns)


def _place(batch: Any) -> Any:
    def place(row: int, column: int) -> Place:
        cell = batch.columns[column][row].as_py()
        return None, "" if cell is None else str(cell)

    return place
