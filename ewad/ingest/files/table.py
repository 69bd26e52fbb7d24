"""What every reader gives: a table in blocks of rows, and what it knows of its columns beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from ewad.ingest.files.number_times import NumberForm
    from ewad.ingest.files.options import Layout

Place = tuple[int | None, str]  # the line of a cell, from 1 (None: lines mean nothing), and its text


class RowTable(NamedTuple):
    """Some rows. table: columns 0, 1, ... of numbers or texts; place(row, column): where a cell stands."""

    table: pd.DataFrame
    place: Callable[[int, int], Place]

    def __len__(self) -> int:
        return len(self.table)


@dataclass(kw_only=True)
class Known:
    """What a format says of its own columns, by index.

    layout: None where it is to be found out. times: columns that are times, and how they are read. units: of
    the values.  comma: whether numbers among the cells were read with a decimal comma. header_line: where the
    names stand. left_out: rows that are no rows of the table, by reason.
    """

    layout: Layout | None = None
    time: int | None = None
    streams: tuple[int, ...] | None = None
    values: tuple[int, ...] | None = None
    times: dict[int, NumberForm] = field(default_factory=dict)
    units: dict[int, str] = field(default_factory=dict)
    comma: bool = False
    headless: bool = False
    header_line: int | None = None


class FileReader(Protocol):
    """A format's reader. It is made with an archive and the options, and raises SourceError."""

    kind: str  # what people call the format
    guesses: list[str]  # what was guessed, with the option that overrides it
    names: list[str]  # of the columns; "" where there is none
    known: Known
    left_out: dict[str, tuple[int, str]]  # "cells": rows that are none, "short": filled; how many, the first

    @property
    def facts(self) -> list[str]:
        """How the file is laid out, for people."""

    def frames(self, texts: frozenset[int], first: bool) -> Iterator[RowTable]:
        """Yield the table from its beginning, as often as it is asked for.

        texts: columns whose cells are wanted as they stand. first: whether rows are counted in left_out.
        """
