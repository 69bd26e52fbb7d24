"""Adapters to other libraries, held to the checks of those libraries where they are installed."""

import numpy as np
import pandas as pd
import pytest

from ewad import Forecaster
from ewad.estimators.nixtla import forecast

N = 200
ELSEWHERE = "make adapters installs it, and runs this"
# what other libraries warn of is theirs
quietly = pytest.mark.filterwarnings("ignore")


def walk(n=N, seed=0):
    rng = np.random.default_rng(seed)
    return 20.0 + np.sin(np.arange(n) / 5.0) + rng.normal(size=n).cumsum()


def climb():
    """Return a series whose forecasts are others at each step ahead."""
    return np.arange(N) + np.random.default_rng(0).normal(0.0, 0.1, N)


# -- river --


@quietly
def test_river_finds_nothing_wrong():
    checks = pytest.importorskip("river.checks", reason=ELSEWHERE)
    from ewad.estimators.river import RiverForecaster

    for check in checks.yield_checks(RiverForecaster(lags=6)):
        check(RiverForecaster(lags=6))


@quietly
def test_river_gets_the_engines_own_forecasts():
    pytest.importorskip("river", reason=ELSEWHERE)
    from ewad.estimators.river import RiverForecaster

    mine, theirs = Forecaster(range(1, 4), lags=6).fit(walk()), RiverForecaster(horizon=3, lags=6)
    assert theirs.forecast(2) == [0.0, 0.0]
    theirs.learn_one(5.0)
    assert theirs.forecast(2) == [5.0, 5.0]  # the lags are not full yet
    theirs = RiverForecaster(horizon=3, lags=6)
    for value in walk():
        theirs.learn_one(value)
    assert theirs.forecast(3) == mine.forecast().value.tolist()
    with pytest.raises(ValueError, match="expected 1 to 3, as the forecaster was made, got 4"):
        theirs.forecast(4)


@quietly
def test_river_passes_over_the_steps_that_nan_was_of():
    pytest.importorskip("river", reason=ELSEWHERE)
    from ewad.estimators.river import RiverForecaster

    mine, theirs = Forecaster(range(1, 4), lags=6).fit(climb()), RiverForecaster(horizon=3, lags=6)
    theirs.learn_one(5.0)
    theirs.learn_one(np.nan)
    assert theirs.forecast(2) == [5.0, 5.0]
    theirs = RiverForecaster(horizon=3, lags=6)
    for value in [*climb(), np.nan]:
        theirs.learn_one(value)
    near, far = mine.forecast().value[1:].tolist()
    assert near < far
    assert theirs.forecast(3) == [near, far, far]
    theirs.learn_one(20.0)
    assert theirs.forecast(3) == mine.learn_one(20.0).forecast().value.tolist()


# -- sktime --


@quietly
@pytest.mark.slow
def test_sktime_finds_nothing_wrong():
    checks = pytest.importorskip("sktime.utils.estimator_checks", reason=ELSEWHERE)
    from ewad.estimators.sktime import SktimeForecaster

    found = checks.check_estimator(SktimeForecaster, raise_exceptions=False, verbose=False)
    assert {name: told for name, told in found.items() if told != "PASSED"} == {}
    assert len(found) > 300


@quietly
def test_sktime_gets_the_engines_own_forecasts():
    pytest.importorskip("sktime", reason=ELSEWHERE)
    from ewad.estimators.sktime import SktimeForecaster

    y = pd.Series(walk(), index=pd.date_range("2026-01-01", periods=N, freq="1h"))
    theirs = SktimeForecaster(lags=6).fit(y.iloc[:150], fh=[1, 3])
    theirs.update(y.iloc[140:])  # what it has already does not count twice
    mine = Forecaster([1, 3], lags=6).fit(y)
    assert np.array_equal(theirs.predict(), mine.predict()["forecast"])
    assert list(theirs.predict().index) == [y.index[-1] + h * pd.Timedelta("1h") for h in (1, 3)]
    ends = theirs.predict_interval(coverage=[0.9, 0.5])
    assert np.array_equal(ends[0, 0.9, "lower"], mine.predict()["lower"])
    half = Forecaster([1, 3], lags=6, interval=0.5).fit(y).predict()
    assert np.array_equal(ends[0, 0.5, "upper"], half["upper"])


@quietly
def test_sktime_gets_forecasts_of_the_times_that_it_labels_them_with():
    pytest.importorskip("sktime", reason=ELSEWHERE)
    from sktime.forecasting.base import ForecastingHorizon

    from ewad.estimators.sktime import SktimeForecaster

    y = pd.Series(climb(), index=pd.date_range("2026-01-01", periods=N, freq="1h"))
    two_on = Forecaster([3, 5], lags=6).fit(y.iloc[:-2]).predict()
    ending = y.mask(np.arange(N) >= N - 2)
    theirs = SktimeForecaster(lags=6).fit(ending, fh=[1, 3])
    assert list(theirs.predict().index) == [y.index[-1] + h * pd.Timedelta("1h") for h in (1, 3)]
    assert np.array_equal(theirs.predict(), two_on["forecast"])
    assert np.array_equal(theirs.predict_interval(coverage=0.9)[0, 0.9, "upper"], two_on["upper"])
    theirs = SktimeForecaster(lags=6).fit(y.iloc[:-2], fh=[1, 3])
    theirs.update(ending.iloc[-2:])
    assert np.array_equal(theirs.predict(), two_on["forecast"])
    fixed = ForecastingHorizon(y.index[[-1]], is_relative=False)  # comes nearer with each update
    theirs = SktimeForecaster(lags=6).fit(y.iloc[:-3], fh=fixed)
    theirs.update(y.iloc[-3:-1])
    assert np.array_equal(theirs.predict(), Forecaster([1], lags=6).fit(y.iloc[:-1]).predict()["forecast"])


# -- Nixtla's frames --


def frame(ds):
    parts = [
        pd.DataFrame({"unique_id": name, "ds": ds, "y": walk(seed=seed)})
        for seed, name in enumerate(("hall", "attic"))
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_frame_of_nixtla_comes_back_as_one():
    days = pd.date_range("2026-01-01", periods=N, freq="1D")
    found = forecast(frame(days).sample(frac=1.0, random_state=0), h=3, lags=6)
    assert list(found) == ["unique_id", "ds", "ewad", "ewad-lo-90", "ewad-hi-90"]
    hall = found[found["unique_id"] == "hall"]
    assert list(hall["ds"]) == [days[-1] + pd.Timedelta(f"{i}D") for i in (1, 2, 3)]
    mine = Forecaster(range(1, 4), lags=6).fit(pd.Series(walk(), index=days)).predict()
    assert np.array_equal(hall["ewad"], mine["forecast"])
    assert np.array_equal(hall["ewad-hi-90"], mine["upper"])


def test_whole_numbers_as_ds_go_on():
    found = forecast(frame(np.arange(N)), h=2, level=80, lags=6)
    assert list(found["ds"]) == [N, N + 1, N, N + 1]
    assert "ewad-lo-80" in found


@pytest.mark.parametrize("ds", [pd.date_range("2026-01-01", periods=N, freq="1D"), np.arange(N)])
def test_a_series_that_ends_in_nan_has_forecasts_of_farther_steps(ds):
    whole = frame(ds).assign(y=[*climb(), *walk(seed=1)])
    whole.loc[(whole["unique_id"] == "hall") & (whole["ds"] > ds[-4]), "y"] = np.nan
    found = forecast(whole, h=2, lags=6)
    step = ds[1] - ds[0]
    assert list(found["ds"]) == [ds[-1] + step, ds[-1] + 2 * step] * 2
    assert found["ds"].dtype == whole["ds"].dtype
    mine = Forecaster([4, 5], lags=6, interval=0.9)
    mine.fit(climb()[:-3], ds[:-3] if ds.dtype.kind == "M" else None)
    assert np.array_equal(found["ewad"][:2], mine.forecast().value)
    other = forecast(frame(ds), h=2, lags=6)
    pd.testing.assert_frame_equal(found[2:], other[2:], check_exact=True)


def test_what_a_frame_lacks_is_told():
    whole = frame(np.arange(N))
    with pytest.raises(ValueError, match="expected the columns unique_id, ds, y; y is missing"):
        forecast(whole.drop(columns="y"), h=2)
    with pytest.raises(ValueError, match="series hall: too short for its lags: 5 samples"):
        forecast(whole.iloc[:5], h=2)
    ended = whole.assign(y=whole["y"].where(whole["ds"] < 8))
    with pytest.raises(ValueError, match="series hall: too short for its lags: 8 samples"):
        forecast(ended, h=2)
    with pytest.raises(ValueError, match="series hall: too short for its lags: 0 samples"):
        forecast(whole.assign(y=np.nan), h=2)
    told = "series hall: expected at most 1000 steps .* last sample, got 192 to its last row and h = 900"
    with pytest.raises(ValueError, match=told):
        forecast(ended, h=900)
    with pytest.raises(ValueError, match="h: expected 1 or more steps, got 0"):
        forecast(whole, h=0)


@pytest.mark.parametrize("step", ["MS", "ME", "B", "QE", "W-WED"])
def test_steps_of_the_calendar_go_on(step):
    ds = pd.date_range("2001-01-31", periods=N + 3, freq=step)
    found = forecast(pd.DataFrame({"unique_id": "hall", "ds": ds[:N], "y": climb()}), h=3, lags=6)
    assert list(found["ds"]) == list(ds[N:])
    ending = pd.DataFrame({"unique_id": "hall", "ds": ds[:N], "y": climb()})
    ending.loc[N - 2 :, "y"] = np.nan
    found = forecast(ending, h=3, lags=6)
    assert list(found["ds"]) == list(ds[N:])
    mine = Forecaster([3, 4, 5], lags=6).fit(pd.Series(climb()[:-2], index=ds[: N - 2]))
    assert np.array_equal(found["ewad"], mine.forecast().value)


def test_days_of_a_zone_begin_at_midnight_when_its_clock_is_set():
    ds = pd.date_range("2026-01-01", periods=87, freq="1D", tz="Europe/Berlin")  # up to 28 March
    found = forecast(pd.DataFrame({"unique_id": "hall", "ds": ds, "y": climb()[:87]}), h=2, lags=6)
    assert list(found["ds"]) == list(pd.date_range("2026-03-29", periods=2, freq="1D", tz="Europe/Berlin"))


@pytest.mark.parametrize(
    ("first", "expected"),
    [("2026-01-01 02:30", "2026-03-29 03:00+02:00"), ("2026-07-31 02:30", "2026-10-25 02:30+02:00")],
)
def test_a_time_that_a_zone_s_clock_leaves_out_or_has_twice_is_one(first, expected):
    ds = pd.date_range(first, pd.Timestamp(expected).date(), freq="1D", tz="Europe/Berlin")
    found = forecast(pd.DataFrame({"unique_id": "hall", "ds": ds, "y": climb()[: len(ds)]}), h=2, lags=6)
    day = pd.Timestamp(expected).tz_convert("Europe/Berlin")
    assert list(found["ds"]) == [day, (day.normalize() + pd.DateOffset(days=1)).replace(hour=2, minute=30)]


def test_a_series_with_gaps_all_along_has_steps_of_its_samples():
    days = pd.date_range("2026-01-01", periods=N, freq="1D")
    every_other = pd.Series(climb()).where(np.arange(N) % 2 == 0).to_numpy()
    found = forecast(pd.DataFrame({"unique_id": "hall", "ds": days, "y": every_other}), h=2, lags=6)
    assert list(found["ds"]) == [days[-1] + pd.Timedelta(f"{i}D") for i in (1, 3)]


@pytest.mark.parametrize("as_given", [str, lambda time: time.to_pydatetime()])
def test_times_in_other_words_are_taken(as_given):
    days = pd.date_range("2026-01-01", periods=N, freq="1D")
    given = frame(days)
    given["ds"] = pd.Series([as_given(time) for time in given["ds"]], dtype=object)
    pd.testing.assert_frame_equal(forecast(given, h=2, lags=6), forecast(frame(days), h=2, lags=6))


def test_a_frame_without_rows_gives_none():
    found = forecast(frame(np.arange(N)).iloc[:0], h=2)
    assert found.shape == (0, 5)
    assert list(found) == ["unique_id", "ds", "ewad", "ewad-lo-90", "ewad-hi-90"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ds": "noon"}, "frame: ds: expected times or whole numbers, got"),
        ({"ds": pd.period_range("2026-01", periods=N, freq="M")}, "got period"),
        ({"ds": [*range(N - 1), None]}, f"frame: ds: expected one in each row, got none in row {N - 1}"),
        ({"unique_id": None}, "frame: unique_id: expected one in each row, got none in row 0"),
        ({"y": "1,5"}, "frame: series hall: y: expected numbers, got '1,5' at position 0"),
    ],
)
def test_a_cell_that_is_wrong_is_told(change, told):
    given = pd.DataFrame({"unique_id": "hall", "ds": np.arange(N), "y": climb()})
    with pytest.raises(ValueError, match=told):
        forecast(given.assign(**change), h=2, lags=6)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"h": 1.5}, "h: expected 1 or more steps, got 1.5"),
        ({"h": 2, "level": 100}, "level: expected per cent between 0 and 100, got 100"),
        ({"h": 2, "every": "1d"}, "every: expected none, as h and the rows say which steps to forecast"),
        ({"h": 2, "horizons": [1]}, "horizons: expected none, as h and the rows say"),
    ],
)
def test_an_option_that_is_wrong_is_told(how, told):
    with pytest.raises(ValueError, match=told):
        forecast(frame(np.arange(N)), **how)
