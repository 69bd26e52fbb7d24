"""Times that go on by the calendar: months, working days, days of a zone whose clock is set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def by_calendar(times: pd.DatetimeIndex, steps: Iterable[int]) -> pd.DatetimeIndex | None:
    """Return the times so many steps after the last one; None where the calendar has no step between all.

    A step of one duration, such as an hour, is none of the calendar. A time that the zone's clock leaves out
    is the next one that it has, and of two of one name it is the first.
    """
    import pandas as pd

    step: Any = pd.DatetimeIndex(times, freq="infer").freq
    if step is None or isinstance(step, pd.offsets.Tick):
        return None
    last = times[-1].tz_localize(None)
    found = pd.DatetimeIndex([last + n * step for n in steps])
    first = np.ones(len(found), dtype=np.bool_)
    return found.tz_localize(times.tz, ambiguous=first, nonexistent="shift_forward")
