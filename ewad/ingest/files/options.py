"""What overrides the decisions about a file; None decides from the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Layout = Literal["wide", "long", "messages"]


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How files are to be read. Names of columns are headers, or positions from 1 where there is no header.

    time_column, stream_column, value_column: one name, or several between commas. time_format: as strptime's,
    or s, ms, us, ns. timezone: a name of the zone database or an offset such as "+02:00", for times without
    one of their own. stream_name: what streams are called: {stream} is the name they have, {value} that of
    their column of values, {NAME} the cell of a column that tells series apart. columns: the only columns to
    take as streams. missing: cells that are no readings. skip_rows: lines above the header. comment: what a
    line begins with that is to be left out. names: the columns' names, instead of the header's. sort: False
    takes the rows as they stand. accept: take what is doubtful, too.
    """

    layout: Layout | None = None
    delimiter: str | None = None
    encoding: str | None = None
    skip_rows: int | None = None
    comment: str | None = None
    header: bool | None = None
    names: tuple[str, ...] | None = None
    time_column: str | None = None
    time_format: str | None = None
    timezone: str | None = None
    day_first: bool | None = None
    stream_column: str | None = None
    value_column: str | None = None
    stream_name: str | None = None
    columns: tuple[str, ...] | None = None
    decimal: str | None = None
    missing: tuple[str, ...] = ()
    sort: bool | None = None
    accept: bool = False
