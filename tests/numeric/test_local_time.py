"""Local time against zoneinfo, and what a memory makes of both changes and of holidays."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ewad.engine.settings import auto
from ewad.kernels.calendar import CalendarKernel
from ewad.numeric.local_time import LocalCalendar, changes_of
from tests.numeric.test_slots import squared_error

HOUR, DAY = 3600.0, 86400.0
BERLIN = "Europe/Berlin"


@pytest.mark.parametrize("name", [BERLIN, "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])
def test_local_time_is_that_of_zoneinfo(name):
    kernel, zone = LocalCalendar(name).kernel(), ZoneInfo(name)
    times = np.random.default_rng(1).uniform(7e8, 2.8e9, 300).tolist()
    changes = changes_of(name)[0][1:].tolist()
    for time in [*times, *changes[:20], *(each - 1.0 for each in changes[:20])]:
        offset = datetime.fromtimestamp(time, zone).utcoffset().total_seconds()
        assert kernel.local_time(time) == time + offset


def opened_at(zone, days, holidays=()):
    """Return hourly times and values of what opens from 8 to 18, local time, but on Sundays and holidays."""
    time = datetime(2026, 1, 5, tzinfo=UTC).timestamp() + HOUR * np.arange(24 * days)
    local = [datetime.fromtimestamp(each, ZoneInfo(zone)) for each in time.tolist()]
    opened = [
        each.weekday() < 6 and 8 <= each.hour < 18 and each.date().isoformat() not in holidays
        for each in local
    ]
    return time, 10.0 * np.array(opened) + np.random.default_rng(2).normal(0.0, 0.3, len(time))


def test_forecasts_follow_the_clocks_on_the_wall_when_they_change():
    time, value = opened_at(BERLIN, 100)  # on the 29th of March clocks go forward, after 83 days
    after = slice(0, 24 * 86)  # the last third begins before, and ends three days after it
    known, unknown = (
        squared_error(time[after], value[after], auto("m", lags=24, calendar=calendar))[0]
        for calendar in (LocalCalendar(BERLIN), None)
    )
    assert known < 0.8 * unknown


def test_a_holiday_is_forecast_as_a_sunday():
    days = "2026-04-03", "2026-04-06", "2026-05-01", "2026-05-14"  # Good Friday to Ascension Day
    time, value = opened_at("UTC", 133, days)
    since = [np.datetime64(day).astype("datetime64[D]").astype(float) for day in days]
    model = auto("m", lags=24, calendar=LocalCalendar("UTC"))
    without = squared_error(time, value, model)[0]

    class WithDays:
        """The calendar, of these days."""

        def kernel(self):
            return CalendarKernel(*changes_of("UTC"), np.array([*since, np.inf]))

    known = squared_error(time, value, auto("m", lags=24, calendar=WithDays()))[0]
    assert known < 0.8 * without


def test_the_holidays_of_a_country_are_those_of_the_package():
    kernel = LocalCalendar(BERLIN, "DE-BY").kernel()
    shown = {
        day: bool(kernel.holiday_at(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() + 12 * HOUR))
        for day in ("2026-12-25", "2026-12-28", "2026-01-06", "2026-01-01", "2025-12-31")
    }
    assert shown == {
        "2026-12-25": True, "2026-12-28": False, "2026-01-06": True, "2026-01-01": True, "2025-12-31": False,
    }  # fmt: skip


def test_an_unknown_country_is_named():
    with pytest.raises(ValueError, match="expected a country such as DE"):
        LocalCalendar(BERLIN, "XQ").kernel()
