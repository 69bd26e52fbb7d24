"""A calendar of a place looks at the clock of each sample alone, over both changes of the year too."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ewad.engine import Batch, Engine, GroupSettings
from ewad.engine.settings import auto
from ewad.numeric.local_time import LocalCalendar

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600.0
BEFORE = 12 * 24  # hours
AFTER = 3 * 24
# The hour from which on Berlin has another offset, in spring and in autumn.
CHANGES = {
    "spring": datetime(2024, 3, 31, 1, tzinfo=UTC).timestamp(),
    "autumn": datetime(2024, 10, 27, 1, tzinfo=UTC).timestamp(),
}


def hours_around(change):
    """Return times of hourly samples, the change at place BEFORE, and values that follow office hours."""
    time = change + HOUR * np.arange(-BEFORE, AFTER)
    local = [datetime.fromtimestamp(each, BERLIN) for each in time]
    busy = np.array([8 <= each.hour < 17 and each.weekday() < 5 for each in local], dtype=float)
    return time, 10.0 * busy + 0.3 * np.random.default_rng(1).normal(size=len(time))


def said(time, value, cuts=(), holidays="DE"):
    """Return the forecasts made after each sample, and the state."""
    calendar = LocalCalendar("Europe/Berlin", holidays)
    engine = Engine([GroupSettings("office", model=auto("m", horizons=(1, 24), calendar=calendar, lags=24))])
    row = np.full(len(time), engine.add_stream(0, "power"), np.int32)
    found = [
        engine.observe(Batch(0, row[a:z], time[a:z], value[a:z])).forecast
        for a, z in pairwise([0, *cuts, len(time)])
    ]
    return np.concatenate(found), engine.dump()


@pytest.mark.parametrize("season", CHANGES)
@pytest.mark.parametrize("at", [-25, -1, 0, 1, 2, 24])
def test_what_comes_later_changes_nothing_that_was_said_before(season, at):
    time, value = hours_around(CHANGES[season])
    cut = BEFORE + at
    other, elsewhen = value.copy(), time.copy()
    other[cut:] = 77.0
    elsewhen[cut:] += 0.5 * HOUR
    whole, _ = said(time, value)
    instead = [said(*each)[0] for each in ((time, other), (elsewhen, value), (time[:cut], value[:cut]))]
    for forecast in instead:
        assert forecast[:cut].tobytes() == whole[:cut].tobytes()
    assert instead[0][cut:].tobytes() != whole[cut:].tobytes()


@pytest.mark.parametrize("season", CHANGES)
def test_any_split_gives_the_same_bytes(season):
    time, value = hours_around(CHANGES[season])
    whole, dump = said(time, value)
    for cuts in ([BEFORE], [BEFORE - 1, BEFORE + 1], range(1, len(time))):
        forecast, state = said(time, value, cuts)
        assert forecast.tobytes() == whole.tobytes()
        assert state == dump
