"""Times in a CSV column -> Unix seconds."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ewad.ingest.formats.decoders import unix_divisor

if TYPE_CHECKING:
    import pandas as pd


ISO = {"format": "ISO8601"}
DOTTED = r"\s*\d{1,2}\.\d{1,2}\.\d{2,4}\b.*"  # 31.12.2024: where dots are written, the day comes first
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}  # as --time-format has them
CLOCK_WORDS = ("now", "today")  # pandas would put in the time of the replay
TIME_OF_DAY = r"\s*\d{1,2}:\d{2}(:\d{2}([.,]\d*)?)?\s*([AaPp]\.?[Mm]\.?)?\s*"  # and its day here


class Clock:
    """Turns a column of times into Unix seconds. What the first block shows holds for the whole file."""

    def __init__(self, time_format: str | None) -> None:
        # arguments of pandas' to_datetime; each is tried on the first block, the first that fits is kept
        self._ways: list[dict[str, Any]] = (
            [{"format": time_format}] if time_format else [ISO, {}, {"dayfirst": True}, {"format": "mixed"}]
        )
        self._divisor = UNITS.get(time_format or "")
        self._formatted = time_format is not None and self._divisor is None

    def seconds(self, times: pd.Series[Any]) -> NDArray[np.float64]:
        """Return (n,) Unix seconds, NaN where a time can't be read. Times without a zone are UTC."""
        numeric = times.dtype.kind in "iuf"
        if self._divisor is None and not self._formatted:
            if numeric and _are_dates(times):
                self._ways, self._formatted = [{"format": "%Y%m%d"}], True
            elif numeric:
                self._divisor = _divisor(times)
        if self._divisor is not None:
            return self._unix(times, self._divisor)
        self._formatted = True  # a later block of numbers is no change of mind
        return self._dates(times.astype(str) if numeric else times)

    def _unix(self, times: pd.Series[Any], divisor: float) -> NDArray[np.float64]:
        import pandas as pd

        numbers: NDArray[np.float64] = pd.to_numeric(times, errors="coerce").to_numpy(dtype=np.float64)
        return numbers / divisor

    def _dates(self, times: pd.Series[Any]) -> NDArray[np.float64]:
        import pandas as pd

        times = times.mask(times.isin(CLOCK_WORDS))
        best: NDArray[np.float64] = np.full(len(times), np.nan)
        if len(self._ways) > 1 and times.astype(str).str.fullmatch(DOTTED).any():
            self._ways = [{"dayfirst": True}]
        for way in self._ways:
            if "format" not in way:
                times = times.mask(times.astype(str).str.fullmatch(TIME_OF_DAY))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pandas' remarks on formats it has to guess
                try:
                    dates = pd.to_datetime(times, utc=True, errors="coerce", **way)
                except ValueError:
                    continue
            moments = dates.dt.tz_convert(None).to_numpy().astype("datetime64[us]")
            seconds = np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1e6)
            # a file that begins as ISO 8601 stays so: no later way may take 1970-13-01 for a day of January
            if not np.isnan(seconds).any() or (way == ISO and len(seconds) and not np.isnan(seconds[0])):
                self._ways = [way]
                return seconds
            if np.isnan(seconds).sum() < np.isnan(best).sum():
                best = seconds
        return best


def _are_dates(times: pd.Series[Any]) -> bool:
    """Return whether all are integers such as 19790101: year, month and day, perhaps a 30 February."""
    if times.dtype.kind not in "iu":
        return False
    month, day = times // 100 % 100, times % 100
    return bool((times.between(18000101, 22001231) & month.between(1, 12) & day.between(1, 31)).all())


def _divisor(times: pd.Series[Any]) -> float:
    """Return how many of the unit make a second, by the size of the largest number; 1 if it tells nothing."""
    largest = float(np.nanmax(np.abs(times.to_numpy(dtype=np.float64)), initial=0.0))
    return unix_divisor(largest) or 1.0
