"""The samples of one topic out of lines: which streams its fields are, where all is plain."""

from __future__ import annotations

from array import array

from ewad.kernels import memory
from ewad.kernels.lines import LinesKernel
from ewad.kernels.memory import Integers

UNWANTED = -2  # in place of a row
BOOLEAN, TEXT = 1, 2  # kinds of values
SPANS = 6
MINUS, LOWER_I, LOWER_N = 45, 105, 110


class LineRows:
    """The streams of one topic, and where its samples wait.

    generation: of the table that row_of is about; those of another one are unknown.
    """

    def __init__(
        self,
        lines: LinesKernel,
        rows: array[int],
        values: array[float],
        times: array[float],
        low: float,
        high: float,
        skips_texts: int,
    ) -> None:
        """low, high: what numbers lie between.  skips_texts: whether texts are unwanted, but for words."""
        self.lines = lines
        self.rows, self.values, self.times = rows, values, times
        self.low, self.high, self.skips_texts = low, high, skips_texts
        self.n = 0
        self.generation = -1

    def bind(self, row_of: Integers, generation: int) -> None:
        """row_of: of each entry: the row of its stream, UNKNOWN, or UNWANTED; of further ones UNKNOWN."""
        self.row_of, self.n, self.generation = memory.integers(row_of), len(row_of), generation

    def take(self, data: bytes, arrival: float, latest: float) -> int:
        """Append row, value and time of the fields that are asked for, if all is plain; return how many.

        0, and nothing is appended: of a field there is no row, its value is no number that lies between what
        is asked, its time is later than the latest one, or anything else. arrival: the time of a line that
        tells none.
        """
        end = len(data)
        lines = self.lines
        if end > lines.room or lines.generation != self.generation or lines.is_odd(data):
            return 0
        lines.take(data, arrival)
        n = 0 if lines.fault >= 0 or lines.doubled else self.wanted(latest)
        if n > 0:
            memory.add_integers(self.rows, lines.rows, n)
            memory.add_doubles(self.values, lines.values, n)
            memory.add_doubles(self.times, lines.times, n)
        return n

    def wanted(self, latest: float) -> int:
        """Put the fields that are asked for first among the arrays; return how many; 0: see `take`."""
        lines = self.lines
        n = 0
        for k in range(lines.n):
            entry = lines.entries[k]
            if entry < 0 or entry >= self.n:
                return 0
            row = self.row_of[entry]
            if lines.kinds[k] > TEXT:  # perhaps no value, which makes the line none
                return 0
            if row == UNWANTED:
                continue
            if lines.kinds[k] == TEXT and self.skips_texts and not self.may_be_none(SPANS * k + 4):
                continue
            if row < 0 or lines.kinds[k] > BOOLEAN:
                return 0
            if not self.low < lines.values[k] < self.high or lines.times[k] > latest:
                return 0
            lines.rows[n], lines.values[n], lines.times[n] = row, lines.values[k], lines.times[k]
            n += 1
        return n

    def may_be_none(self, span: int) -> int:
        """Return whether a text may be nan, inf or -inf, a number that is none."""
        start = self.lines.spans[span]
        size = self.lines.spans[span + 1] - start
        if size != 3 and size != 4:
            return 0
        byte = self.lines.data[start]
        return byte == MINUS if size == 4 else byte in (LOWER_N, LOWER_I)
