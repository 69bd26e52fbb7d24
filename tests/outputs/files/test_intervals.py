"""What a model on a grid saw and said: by hand, in any pieces, and as the report scores it."""

import numpy as np
import pytest

from ewad.engine import Batch, Engine, GroupSettings, ModelSettings
from ewad.outputs.files.intervals import Intervals
from ewad.outputs.files.plot import forecast_of
from ewad.outputs.files.report import ScoreReport
from ewad.outputs.files.rows import table

NAN = np.nan
# intervals of 10 s: two samples, one, none, one, then a gap of eight, one that is not closed
TIME = np.array([1.0, 9.0, 15.0, 31.0, 120.0])
VALUE = np.array([1.0, 3.0, 4.0, 8.0, 9.0])
COLUMNS = {
    "time": TIME,
    "value": VALUE,
    "smoothed_0.9": np.array([1.0, 2.0, 3.0, 5.0, 6.0]),
    "forecast_1": np.array([NAN, NAN, 2.5, 4.5, NAN]),
}
MODEL = ModelSettings("m", every_seconds=10.0, max_gap_seconds=30.0, horizons=(1, 2))


def taken(model, columns, size):
    """Return the rows of all intervals, from pieces of so many samples."""
    intervals, n = Intervals(model), len(columns["time"])
    parts = [
        intervals.take({name: column[a : a + size] for name, column in columns.items()})
        for a in range(0, n, size)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in columns}


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_row_is_what_the_model_saw_and_what_it_said_of_the_next_ones(size):
    rows = taken(MODEL, COLUMNS, size)
    # the empty interval repeats its predecessor; two horizons reach into the gap
    np.testing.assert_array_equal(rows["time"], [5.0, 15.0, 25.0, 35.0])
    np.testing.assert_array_equal(rows["value"], [2.0, 4.0, 4.0, 8.0])
    np.testing.assert_array_equal(rows["smoothed_0.9"], [2.0, 3.0, 3.0, 5.0])
    # one sample closed the second and the empty interval: what stood between was never seen
    np.testing.assert_array_equal(rows["forecast_1"], [2.5, NAN, 4.5, NAN])


@pytest.mark.parametrize("size", [1, 4, 6])
def test_after_a_gap_come_rows_without_a_value(size):
    later = {"time": [130.0], "value": [7.0], "smoothed_0.9": [7.0], "forecast_1": [NAN]}
    rows = taken(MODEL, {name: np.append(COLUMNS[name], later[name]) for name in COLUMNS}, size)
    np.testing.assert_array_equal(rows["time"][4:], [45.0, 55.0, 125.0])
    np.testing.assert_array_equal(rows["value"][4:], [NAN, NAN, 9.0])


def test_a_model_that_sees_samples_has_no_intervals():
    with pytest.raises(ValueError, match="expected one on a grid"):
        Intervals(ModelSettings("m"))


def test_the_skill_of_what_is_drawn_is_that_of_the_report():
    rng = np.random.default_rng(0)
    time, value = np.cumsum(rng.uniform(0.0, 30.0, 1500)), np.cumsum(rng.normal(size=1500))
    model = ModelSettings("m", every_seconds=60.0, lags=3, interval=0.9, horizons=(1, 2))
    engine = Engine([GroupSettings("g", model=model)])
    engine.add_stream(0, "a")
    report, intervals, parts = ScoreReport(engine, 0.0), Intervals(model), []
    for a in range(0, 1500, 100):
        batch = Batch(0, np.zeros(100, np.int32), time[a : a + 100], value[a : a + 100])
        results = engine.observe(batch)
        report.observe(batch, results)
        part = table(engine, [(batch, results)])
        parts.append(intervals.take({name: part[name] for name in part if name != "stream"}))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    scores = [line.split() for line in str(report).splitlines() if line.startswith("a ")][
        :2
    ]  # then intervals
    for row, horizon in zip(scores, (1, 2), strict=True):
        skill, inside = forecast_of(columns, horizon).summary().removesuffix(" % inside").split(",")
        assert float(skill.split()[1]) == pytest.approx(float(row[6]), abs=0.0051)
        assert float(inside) == pytest.approx(100.0 * float(row[8]), abs=0.51)
