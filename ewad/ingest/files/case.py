"""What is to be decided about a file, from what its columns hold; and what a decision is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from ewad.config.checks import nearest
from ewad.config.syntax import quoted
from ewad.ingest.files.columns import Column, Track
from ewad.ingest.files.number_times import NumberForm
from ewad.ingest.files.options import FileOptions, Layout
from ewad.ingest.files.table import Known
from ewad.ingest.files.times import TextForm

YEAR_1900, YEAR_2200 = -2208988800.0, 7258118400.0
YEAR_1971, YEAR_2001 = 31_536_000.0, 978_307_200.0
YEAR_1973, YEAR_2100 = 1e8, 4102444800.0
LEFT_OUT_SHARE = 0.01  # of the rows: more than this is refused unless it is accepted
MOSTLY = 0.5


@dataclass(frozen=True)
class Clockwork:
    """How rows get their times. kind: "single" (one column), "day and clock" (two), "parts" (year, ...)
    or "joined" (texts with blanks between them, in one format).

    columns: by index. forms: of the columns, None where a column is a time of day or a part. zone: of times
    without one of their own: hours east, a name, or None for UTC. clock_unit: what an hour is in times of
    day that are numbers: 1, or 100 (930), or 10,000 (93000).
    """

    kind: str
    columns: tuple[int, ...]
    forms: tuple[TextForm | NumberForm | None, ...]
    parts: tuple[str, ...] = ()
    zone: str | float | None = None
    track: Track | None = None
    clock_unit: int = 1


@dataclass(frozen=True)
class Value:
    """A column of values: how its texts are read. lenient: texts that are no numbers are gaps."""

    column: int
    name: str
    decimal: str = "."
    unit: str = ""
    lenient: bool = False


@dataclass
class Roles:
    """What was decided. notes are facts; guesses name the option that overrides each; doubts need consent."""

    layout: Layout
    clock: Clockwork
    streams: tuple[int, ...] = ()
    values: tuple[Value, ...] = ()
    notes: list[str] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


Fail = Callable[..., NoReturn]


class Case:
    """The columns of a file, and what was noted about them so far."""

    def __init__(
        self, columns: Sequence[Column], known: Known, options: FileOptions, head: object, fail: Fail
    ) -> None:
        self.columns = columns
        self.names = [column.name for column in columns]
        self.known = known
        self.options = options
        self.head = head
        self.fail = fail
        self.notes: list[str] = []
        self.guesses: list[str] = []
        self.doubts: list[str] = []
        self.mixed_series = False  # whether some streams of the file may hold texts, and others numbers

    @property
    def _header_line(self) -> int:
        return self.known.header_line or 1

    def _columns_named(self, text: str) -> tuple[int, ...]:
        """Return the columns of one name, or of several between commas; of positions where there are none."""
        if text in self.names:
            return (self.names.index(text),)
        return tuple(self._column_named(name.strip()) for name in text.split(","))

    def _column_named(self, name: str) -> int:
        if name in self.names:
            return self.names.index(name)
        if name.isdigit() and 1 <= int(name) <= len(self.names):
            return int(name) - 1
        guess = nearest(name, self.names)
        return self.fail(
            f"expected a column named {quoted(name)}, got {', '.join(self.names)}{guess}", self._header_line
        )

    @property
    def _first_line(self) -> int:
        return self._header_line + 1
