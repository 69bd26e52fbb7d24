"""Rows -> Unix seconds, as was decided for the whole file; times without a zone by the rules of theirs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ewad.ingest.files import number_times, times
from ewad.ingest.files.case import Clockwork
from ewad.ingest.files.number_times import NumberForm
from ewad.ingest.files.times import Floats, TextForm, Times
from ewad.ingest.formats.times import LAST_UNIX_SECONDS

if TYPE_CHECKING:
    import pandas as pd

# Times fall back by an hour where clocks are put back; less is jitter in the order of rows.
FALL_SECONDS = 1200.0
HOUR = 3600.0


class Clock:
    """Reads the times of blocks that follow each other. newest_first: the file runs back in time.

    Where the clocks are put back an hour comes twice: rows in it belong to its second pass from where the
    times fall back on (in a file that runs back: until they jump ahead). shifted: times that the clocks skip,
    read an hour later. repeated: times in an hour that comes twice. beyond: whether any lay past 2262.
    """

    def __init__(self, work: Clockwork, *, newest_first: bool = False) -> None:
        self._work = work
        self._newest_first = newest_first
        self._last = np.nan  # the last local time, and whether it was in the second pass
        self._second = newest_first
        self.shifted = 0
        self.repeated = 0
        self.beyond = False

    def seconds(self, table: pd.DataFrame) -> Floats:
        """Return (n,) Unix seconds, NaN where a time can't be read."""
        found = self._read(table)
        local = ~found.zoned & ~np.isnan(found.seconds)
        seconds = found.seconds.copy()
        zone = self._work.zone
        if isinstance(zone, float):
            seconds[local] -= HOUR * zone
        elif zone is not None:
            seconds[local] = self._localised(seconds[local], zone)
        beyond = np.abs(seconds) >= LAST_UNIX_SECONDS
        self.beyond = self.beyond or bool(beyond.any())
        return np.where(beyond, np.nan, seconds)

    def _read(self, table: pd.DataFrame) -> Times:
        work = self._work
        if work.kind == "single":
            return read_column(work.forms[0], table[work.columns[0]])
        if work.kind == "joined":
            texts = table[list(work.columns)].astype(str).agg(" ".join, axis=1)
            return read_column(work.forms[0], texts)
        if work.kind == "day and clock":
            day = read_column(work.forms[0], table[work.columns[0]])
            clock = _of_uniques(table[work.columns[1]], partial(times.seconds_of_day, unit=work.clock_unit))
            return Times(day.seconds + clock, day.zoned)
        return self._of_parts(table)

    def _of_parts(self, table: pd.DataFrame) -> Times:
        import pandas as pd

        n = len(table)
        parts = {"month": np.ones(n), "day": np.ones(n), "hour": np.zeros(n), "minute": np.zeros(n)}
        parts |= {"second": np.zeros(n), "clock": np.zeros(n)}
        for part, column in zip(self._work.parts, self._work.columns, strict=True):
            if part == "clock":
                parts[part] = _of_uniques(table[column], times.seconds_of_day)
            else:
                parts[part] = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
        clock = parts.pop("clock")
        names = ("year", "month", "day", "hour", "minute", "second")
        seconds = number_times.seconds_of(*(parts[name] for name in names)) + clock
        return Times(seconds, np.zeros(n, np.bool_))

    def _localised(self, local: Floats, zone: str) -> Floats:
        import pandas as pd

        stamps = pd.DatetimeIndex((local * 1e6).round().astype("int64").astype("datetime64[us]"))
        hour = pd.Timedelta(hours=1)
        once = stamps.tz_localize(zone, ambiguous="NaT", nonexistent=hour)
        skipped = stamps.tz_localize(zone, ambiguous=np.zeros(len(stamps), np.bool_), nonexistent="NaT")
        self.shifted += int(np.sum(skipped.isna()))
        twice = np.asarray(once.isna(), dtype=np.bool_)
        if twice.any():
            self.repeated += int(twice.sum())
            first_pass = ~self._second_pass(local, twice)
            once = stamps.tz_localize(zone, ambiguous=first_pass, nonexistent=hour)
        elif len(local):
            self._last, self._second = local[-1], self._newest_first
        utc = once.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")
        return np.asarray(utc.astype(np.int64) / 1e6, dtype=np.float64)

    def _second_pass(self, local: Floats, twice: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which rows belong to the second pass through the hour that comes twice."""
        second = np.zeros(len(local), np.bool_)
        start = self._newest_first
        state, last = self._second, self._last
        for i in np.flatnonzero(twice).tolist():
            before = local[i - 1] if i else last
            if i and not twice[i - 1]:
                state = start
            step = local[i] - before
            near = abs(step) <= 2 * HOUR  # farther away it is another series, or another year
            if near and (twice[i - 1] if i else True):
                if not start and step <= -FALL_SECONDS:
                    state = True
                elif start and step >= FALL_SECONDS:
                    state = False
            elif not near:
                state = start
            second[i] = state
        self._last, self._second = local[-1], state if twice[-1] else start
        return second


def read_column(form: TextForm | NumberForm | None, cells: pd.Series[Any]) -> Times:
    """Return the times of a column; texts that stand in it several times are read once."""
    import pandas as pd

    assert form is not None  # noqa: S101 (parts have none, and are read elsewhere)
    if cells.dtype.kind in "iuf":
        if isinstance(form, NumberForm):
            return form.read(cells.to_numpy())
        cells = as_texts(cells)
    codes, uniques = pd.factorize(cells)
    found = form.read([str(cell) for cell in uniques])
    return Times(np.append(found.seconds, np.nan)[codes], np.append(found.zoned, False)[codes])


def as_texts(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Return numbers as they stood in the file, if they are whole."""
    whole = cells.dtype.kind == "f" and (cells.dropna() % 1 == 0).all()
    texts = (cells.astype("Int64") if whole else cells).astype(str)
    return texts.where(cells.notna())


def _of_uniques(cells: pd.Series[Any], read: Any) -> Floats:
    import pandas as pd

    codes, uniques = pd.factorize(cells)
    return np.asarray(np.append(read(list(uniques)), np.nan)[codes], dtype=np.float64)
