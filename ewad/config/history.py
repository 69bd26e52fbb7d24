"""[files]: how `replay` and `train` read files, where what they decide is wrong; their options win."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ewad.config.kinds import boolean, choice, integer, list_of, text
from ewad.config.options import Option, table_of


class FilesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is not to be decided from the file; None is."""

    layout: Annotated[
        Literal["wide", "long", "messages"] | None,
        Option(
            choice("wide", "long", "messages"), "A stream a column, a row a sample, or recorded messages."
        ),
    ] = None
    delimiter: Annotated[
        str | None, Option(choice(",", ";", "|", ":", "tab", "space"), "What stands between cells.")
    ] = None
    encoding: Annotated[str | None, Option(text, "The encoding.", example="latin-1")] = None
    skip_rows: Annotated[
        int | None, Option(integer(0, 1_000_000), "How many lines at the top are left out.")
    ] = None
    comment: Annotated[str | None, Option(text, "What lines begin with that are left out.", example="#")] = (
        None
    )
    header: Annotated[bool | None, Option(boolean, "Whether the first row holds the columns' names.")] = None
    names: Annotated[
        tuple[str, ...] | None, Option(list_of(text), "The columns' names, instead of the header's.")
    ] = None
    time_column: Annotated[
        str | None, Option(text, "The column of the time, or several.", example="Date,Time")
    ] = None
    time_format: Annotated[
        str | None, Option(text, "How times are written, as strptime has it; or s, ms, us, ns.")
    ] = None
    timezone: Annotated[
        str | None, Option(text, "The zone of times without one.", example="Europe/Berlin")
    ] = None
    day_first: Annotated[bool | None, Option(boolean, "Whether 01/02/2026 is the first of February.")] = None
    stream_column: Annotated[
        str | None, Option(text, "The column, or several, of which each value is a stream.")
    ] = None
    value_column: Annotated[str | None, Option(text, "The column, or several, of the values then.")] = None
    stream_name: Annotated[
        str | None, Option(text, "What streams are called.", example="site/{stream}/temperature")
    ] = None
    columns: Annotated[tuple[str, ...] | None, Option(list_of(text), "The only columns to take.")] = None
    decimal: Annotated[Literal[".", ","] | None, Option(choice(".", ","), "The sign in 21.5 or 21,5.")] = None
    missing: Annotated[
        tuple[str, ...] | None, Option(list_of(text), "Cells that are no readings.", example=["-200"])
    ] = None
    sort: Annotated[bool | None, Option(boolean, "Whether rows are put in order of time.")] = None
    accept: Annotated[
        bool, Option(boolean, "Whether a file is taken that could as well be read otherwise.")
    ] = False


FILES = table_of("[files]", "How `replay` and `train` read files: see [Files](files.md).", FilesSettings)
