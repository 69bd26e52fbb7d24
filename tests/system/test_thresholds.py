"""Time to a threshold on saw-teeth, beside what Prometheus extrapolates from the same numbers."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from ewad.engine import Batch, Engine, GroupSettings
from ewad.engine.settings import auto
from ewad.numeric.crossing import Threshold
from tests import components
from tests.system.prometheus import scraping

STEP = 600.0  # seconds between samples
DAY = 144
DAYS = 12
LEARNT = 6 * DAY
AHEAD = 48  # steps: eight hours
START = 1_772_323_200.0  # a midnight in UTC


def tank(random):
    """Return the level of a tank that falls from 100 to 20 in a day and is filled again then."""
    at = np.arange(DAYS * DAY) % DAY
    return 100.0 - 80.0 * at / DAY + random.normal(size=len(at)) * 0.3


def disk(random):
    """Return how full a disk is that fills up from 10 % to 90 % in twelve hours and is cleaned then."""
    at = np.arange(DAYS * DAY) % (DAY // 2)
    return 10.0 + 80.0 * at / (DAY // 2) + random.normal(size=len(at)) * 0.3


SAWS = {
    "a tank that is refilled": (tank, Threshold("low", False, 10.0)),
    "a disk that is cleaned": (disk, Threshold("full", True, 99.0)),
}


def told(level, threshold):
    """Return after each sample in how many seconds the threshold is expected to be crossed; NaN: not."""
    model = auto("m", horizons=tuple(range(1, AHEAD + 1)))
    engine = Engine([GroupSettings("tank", model=model, thresholds=(threshold,))])
    row, found = np.array([engine.add_stream(0, "tank")], np.int32), []
    for i, value in enumerate(level.tolist()):
        engine.observe(Batch(0, row, np.array([START + i * STEP]), np.array([value])))
        crossing = engine.groups[0].crossings(threshold, np.array([0]))
        found.append([float(each[0]) for each in crossing])
    return np.array(found)


def stored(directory: Path, level):
    """Write the samples as blocks of a Prometheus' data."""
    promtool = components.program("promtool", "Debian's prometheus")
    lines = [f"tank {value} {START + i * STEP:.0f}" for i, value in enumerate(level.tolist())]
    text = directory / "tank.om"
    text.write_text("\n".join(["# TYPE tank gauge", *lines, "# EOF\n"]))
    command = [
        promtool,
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        str(text),
        str(directory / "prometheus" / "data"),
    ]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("saw", SAWS)
def test_what_turns_in_time_is_not_said_to_cross(tmp_path, saw):
    make, threshold = SAWS[saw]
    level, past = make(np.random.default_rng(5)), f"{'>' if threshold.above else '<'} bool {threshold.value}"
    expected = told(level, threshold)[LEARNT:, 0]
    assert np.isfinite(expected).mean() == 0.0  # it never comes there
    stored(tmp_path, level)
    window, end = f"{(DAYS * DAY - LEARNT) * 10}m:10m", START + (DAYS * DAY - 1) * STEP
    with scraping(tmp_path / "prometheus", "127.0.0.1:9") as prometheus:
        alarms, smooth = (
            sum(prometheus.query(f"avg_over_time(({rule} {past})[{window}] @ {end:.0f})").values())
            for rule in ("predict_linear(tank[6h], 28800)", "holt_winters(tank[6h], 0.3, 0.3)")
        )
    assert alarms > 0.1  # each afternoon
    assert smooth == 0.0  # which tells of the present level, so of nothing ahead


def test_what_goes_on_falling_is_said_to_cross_hours_before_and_the_moment_is_within_the_bounds():
    random = np.random.default_rng(6)
    level = 100.0 - np.arange(10 * DAY) * 0.055 + random.normal(size=10 * DAY) * 0.3
    moment = int(np.argmax(level < 25.0))
    found = told(level[:moment], Threshold("low", False, 25.0))[moment - 40 :] / STEP
    expected, earliest, latest = found.T
    ahead = np.arange(40, 0, -1)  # steps to the moment
    assert np.abs(expected - ahead).max() < 3.0
    assert ((earliest <= ahead) & (ahead <= latest)).mean() >= 0.9
