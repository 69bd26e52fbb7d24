"""What a column holds, gathered over the whole file, block by block, in bounded memory."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ewad.engine import VALUE_LIMIT
from ewad.ingest.files import number_times, times
from ewad.ingest.files.number_times import NumberForm
from ewad.ingest.files.numbers import MISSING, PLAIN, SENTINELS, kind_of
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.table import Place, RowTable
from ewad.ingest.files.times import TextForm, Times
from ewad.ingest.files.words import is_time_name
from ewad.ingest.formats.times import LAST_UNIX_SECONDS

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

MANY_DIFFERENT = 10_000  # texts of a column that are counted one by one: more are no names of streams
SAMPLED = 60  # different cells that say whether a column may hold times
STEPS_KEPT = 20_000  # steps from a time to the next that say what the typical one is
FIRST_STEPS = 20
HOUR = 3600.0
MOST = 1e30  # far beyond every time, and sums of it are finite
UNIT_ENDS = LAST_UNIX_SECONDS * np.array([1.0, 1e3, 1e6])  # beyond each, Unix times are in a finer unit


class Track:
    """How the times of a column run on, read in one form."""

    def __init__(self, form: TextForm | NumberForm) -> None:
        self.form = form
        self.good = 0
        self.bad = 0
        self.first_bad: Place | None = None
        self.low, self.high = np.inf, -np.inf
        self.rises = self.falls = 0
        self.travel = 0.0  # seconds from each time to the next, in all
        self.first_days_only = True  # whether each is the first of its month
        self.days_only = True  # whether each is a midnight
        self.zoned = 0
        self.steps: list[Floats] = []
        self.longest_step = 0.0
        self.first_rises: list[float] = []  # the steps of the first ones, and of the first falls
        self.first_falls: list[float] = []
        self._last = np.nan

    def observe(self, found: Times, frame: RowTable, column: int) -> None:
        """Take in the times of a block, row by row."""
        known = ~np.isnan(found.seconds)
        if self.first_bad is None and not known.all():
            self.first_bad = frame.place(int(np.argmin(known)), column)
        self.bad += int((~known).sum())
        seconds = np.clip(found.seconds[known], -MOST, MOST)
        self.good += len(seconds)
        if not len(seconds):
            return
        self.zoned += int(found.zoned[known].sum())
        self.low, self.high = min(self.low, seconds.min()), max(self.high, seconds.max())
        steps = np.diff(seconds, prepend=self._last)
        self._last = seconds[-1]
        self._take_steps(steps[~np.isnan(steps)])
        if self.form is not RAW:
            self._take_days(seconds)

    def _take_steps(self, steps: Floats) -> None:
        """Take in how far it is from each time to the next."""
        rises, falls = steps > 0.0, steps < 0.0
        self.rises += int(rises.sum())
        self.falls += int(falls.sum())
        for kept, found_steps in ((self.first_rises, rises), (self.first_falls, falls)):
            if len(kept) < FIRST_STEPS:
                kept += steps[found_steps][: FIRST_STEPS - len(kept)].tolist()
        sizes = np.abs(steps)
        self.travel += float(sizes.sum())
        self.longest_step = max(self.longest_step, float(sizes.max(initial=0.0)))
        if sum(map(len, self.steps)) < STEPS_KEPT:
            self.steps.append(steps[steps != 0.0][:STEPS_KEPT])

    def _take_days(self, seconds: Floats) -> None:
        """Take in whether the times are midnights, and those of first days of months."""
        self.days_only = self.days_only and not (seconds % times.DAY).any()
        if self.first_days_only:
            days = np.floor(np.clip(seconds / times.DAY, -1e8, 1e8)).astype("datetime64[D]")
            self.first_days_only = bool((days == days.astype("datetime64[M]")).all())

    @property
    def share(self) -> float:
        """The share of cells that are times."""
        return self.good / max(self.good + self.bad, 1)

    @property
    def clocks_put_back(self) -> int:
        """How often the times turn by an hour less a step, where that is all their disorder; 0 if it is not.

        So they do in a file of local times that lasts over the night in which clocks are put back.
        """
        turns, n = self.first_falls, self.falls
        if self.falls > self.rises:
            turns, n = self.first_rises, self.rises
        typical = self.typical_step or 0.0
        hour = [abs(abs(turn) + typical - HOUR) <= typical / 10.0 for turn in turns]
        return n if 0.0 < typical < HOUR and 0 < n <= FIRST_STEPS and all(hour) else 0

    @property
    def typical_step(self) -> float | None:
        """The median step to another time, in seconds."""
        steps = np.abs(np.concatenate([*self.steps, np.zeros(0)]))
        return float(np.median(steps)) if len(steps) else None


class Column:
    """A column of the file: what its cells are, and in which forms they are times."""

    def __init__(
        self, index: int, name: str, options: FileOptions, *, comma: bool, format: str | None
    ) -> None:
        self.index = index
        self.name = name
        self._day_first = options.day_first
        self.format = format
        self._comma = comma
        self._words = frozenset(options.missing) | _WORDS
        self.rows = self.missing = self.numbers = self.states = self.texts = 0
        self.points = self.commas = self.groups = 0
        self.units: Counter[str] = Counter()
        self.first_text: Place | None = None
        self.first_extreme: Place | None = None
        self.other_unit: Place | None = None  # the first number that is a Unix time in another unit
        self.low, self.high = np.inf, -np.inf
        self.whole = True
        self.counts_up = True  # whether each number is one more than the one before
        self.sentinels: Counter[float] = Counter()
        self.inner_low, self.inner_high = np.inf, -np.inf  # of the numbers that are no sentinels
        self.different: Counter[str] | None = Counter()  # texts and whole numbers; None: too many
        self.tracks: list[Track] = []
        self.is_clock = False  # whether the cells are times of day alone
        self._kind_known = False
        self._unit: int | None = None
        self._last = np.nan
        self._cache: dict[str, Any] = {}

    def observe(self, frame: RowTable) -> None:
        """Take in a block."""
        cells = frame.table[self.index]
        self.rows += len(cells)
        if cells.dtype.kind in "iuf":
            self._observe_numbers(cells.to_numpy(dtype=np.float64), frame)
        else:
            self._observe_texts(cells, frame)

    def known_times(self, form: NumberForm) -> None:
        """Take the column for times of this form: its format says so."""
        self.tracks = [Track(form)]
        self._kind_known = True

    # -- numbers --

    def _observe_numbers(self, values: Floats, frame: RowTable) -> None:
        known = values[np.isfinite(values)]
        self.missing += len(values) - len(known)
        self._observe_times(values, frame)
        if len(known):
            self.numbers += len(known)
            self._gather(known)
            if self.tracks and self.other_unit is None:
                self._compare_units(values, frame)
            if np.abs(known).max() >= VALUE_LIMIT and self.first_extreme is None:
                wrong = np.isfinite(values) & (np.abs(values) >= VALUE_LIMIT)
                self.first_extreme = frame.place(int(np.argmax(wrong)), self.index)

    def _compare_units(self, values: Floats, frame: RowTable) -> None:
        """Find the first number that would be a Unix time in another unit than the first one."""
        known = np.flatnonzero(np.isfinite(values))
        units = np.searchsorted(UNIT_ENDS, np.abs(values[known]), side="right")
        self._unit = int(units[0]) if self._unit is None else self._unit
        others = known[units != self._unit]
        if len(others):
            self.other_unit = frame.place(int(others[0]), self.index)

    def _gather(self, known: Floats) -> None:
        low, high = float(known.min()), float(known.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        whole = known == np.floor(known)
        fractions = int((~whole).sum())
        self.whole = self.whole and fractions == 0
        if self._comma:
            self.commas += fractions
        else:
            self.points += fractions
        if self.counts_up:
            steps = np.diff(known, prepend=self._last)
            self.counts_up = bool((steps[~np.isnan(steps)] == 1.0).all())
            self._last = known[-1]
        self._gather_sentinels(known, low, high)
        if self.different is not None:
            if not self.whole or max(-low, high) > 1e15:
                self.different = None
            else:
                found, counts = np.unique(known, return_counts=True)
                self._count(
                    {str(int(v)): n for v, n in zip(found[: MANY_DIFFERENT + 1], counts, strict=False)}
                )

    def _gather_sentinels(self, known: Floats, low: float, high: float) -> None:
        if low > -9.0 and high < 9999.0:
            self.inner_low, self.inner_high = min(self.inner_low, low), max(self.inner_high, high)
            return
        special = np.isin(known, SENTINELS)
        if special.any():
            found, counts = np.unique(known[special], return_counts=True)
            self.sentinels.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
        rest = known[~special]
        if len(rest):
            self.inner_low = min(self.inner_low, float(rest.min()))
            self.inner_high = max(self.inner_high, float(rest.max()))

    def _count(self, found: dict[str, int]) -> None:
        if self.different is not None:
            self.different.update(found)
            if len(self.different) > MANY_DIFFERENT:
                self.different = None

    # -- texts --

    def _observe_texts(self, cells: pd.Series[Any], frame: RowTable) -> None:
        import pandas as pd

        codes, uniques = pd.factorize(cells)
        texts = np.array([str(cell).strip() for cell in uniques], dtype=object)
        counts = np.bincount(codes[codes >= 0], minlength=len(texts))
        self.missing += int((codes < 0).sum())
        self._observe_times(texts, frame, codes)
        if self.different is not None:
            self._count(
                {text: int(n) for text, n in zip(texts, counts, strict=True) if text not in self._words}
            )
        if (self.texts > MANY_DIFFERENT and not self.numbers) or (
            self.tracks and self.tracks[0].form is not RAW and self.tracks[0].share > 0.5
        ):
            self.texts += int(counts.sum())
            return
        spelled = pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(dtype=np.float64)
        values = np.full(len(texts), np.nan)
        for i, (text, n) in enumerate(zip(texts.tolist(), counts.tolist(), strict=True)):
            values[i] = self._classify(text, n, spelled[i], codes, i, frame)
        known = values[codes[codes >= 0]]
        known = known[~np.isnan(known)]
        if len(known):
            self._gather_spelled(known)

    def _classify(
        self, text: str, n: int, spelled: float, codes: NDArray[np.int64], i: int, frame: RowTable
    ) -> float:
        """Count a text that stands in n cells; return its number, NaN if it is none or not yet known."""
        plain = PLAIN.fullmatch(text) is not None
        kind, unit = ("point", "") if plain else kind_of(text, self._words)
        if plain and np.isinf(spelled):
            plain, kind = False, "missing"
        if plain and not abs(spelled) < VALUE_LIMIT:  # NaN: too long to be read
            self.numbers += n
            self.first_extreme = self.first_extreme or frame.place(int(np.argmax(codes == i)), self.index)
        elif kind in ("point", "comma", "groups"):
            self.numbers += n
            self.units[unit] += n
            self.points += n * (kind == "point" and ("." in text or "," in text))
            self.commas += n * (kind == "comma")
            self.groups += n * (kind == "groups")
        elif kind == "state":
            self.states += n
        elif kind == "missing":
            self.missing += n
        else:
            self.texts += n
            if self.first_text is None:
                self.first_text = frame.place(int(np.argmax(codes == i)), self.index)
        return spelled if plain else np.nan

    def _gather_spelled(self, known: Floats) -> None:
        self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))
        self.whole = self.whole and not (known != np.floor(known)).any()
        self.counts_up = False
        self._gather_sentinels(known, float(known.min()), float(known.max()))

    # -- times --

    def _observe_times(self, cells: Any, frame: RowTable, codes: NDArray[np.int64] | None = None) -> None:
        if not self._kind_known and len(cells):
            self._kind_known = True
            self.tracks = [Track(form) for form in self._forms(cells, spelled=codes is not None)]
        for track in self.tracks:
            found = track.form.read(cells)
            if codes is not None:
                known = np.append(found.seconds, np.nan)
                found = Times(known[codes], np.append(found.zoned, False)[codes])
            track.observe(found, frame, self.index)
        if len(self.tracks) > 1:
            least = min(track.bad for track in self.tracks)
            self.tracks = [track for track in self.tracks if track.bad <= 10 * (least + 1)]

    def _forms(self, cells: Any, *, spelled: bool) -> list[TextForm | NumberForm]:
        if self.format is not None:
            return [number_times.UNITS.get(self.format) or TextForm("ymd", self.format)]
        if not spelled:  # numbers: what they mean is decided by their range, at the end
            steps = np.diff(cells[np.isfinite(cells)])
            maybe = (
                self.index == 0 or is_time_name(self.name) or not ((steps < 0).any() and (steps > 0).any())
            )
            return [RAW] if maybe else []
        some = [str(cell) for cell in cells if cell and cell not in self._words][:SAMPLED]
        if not some:
            self._kind_known = False
            return []
        clocks = sum(times.CLOCK_ALONE.fullmatch(cell) is not None for cell in some)
        # 10.11.12 is a day, 10.00.12 is none
        dates = all("." in cell and times.read_text(cell, "dmy") is not None for cell in some)
        if clocks > 0.9 * len(some) and not dates:
            self.is_clock = True
            return []
        if 2 * sum(times.looks_like_a_time(cell) for cell in some) < len(some):
            return []
        return [
            TextForm(order, ambiguous=len(orders) > 1, shown=some[0])
            for orders in [self._orders(some)]
            for order in orders
        ]

    def _orders(self, cells: list[str]) -> list[str]:
        found = [match for cell in cells if (match := times.NUMERIC_DATE.fullmatch(cell)) is not None]
        if not found:
            return ["ymd"]
        short = any(len(match["c"]) == 2 for match in found)
        if self._day_first is not None:
            return ["dmy" if self._day_first else "mdy"]
        if any(match["sep"] == "." for match in found):  # where dots are written, the day comes first
            return ["dmy"]
        return ["mdy", "dmy", *(["ymd"] if short else [])]


_WORDS = frozenset(MISSING)
RAW = NumberForm("number", lambda values: values, lambda values: np.isfinite(values))


def forms_of_numbers(column: Column) -> list[NumberForm]:
    """Return the forms in which a column's numbers are times, dates first, by the least and the largest."""
    ends = np.array([column.low, column.high])
    fitting = [
        form
        for form in number_times.NOTATIONS
        if form.valid(ends).all()
        and (column.whole or form in (number_times.DECIMAL_YEAR, number_times.EXCEL, number_times.MATLAB))
    ]
    return [*fitting, number_times.unix_form(float(np.abs(ends).max()))]
