"""`ewad.Forecaster`: the numbers of the engine, bit for bit, for whatever form series come in."""

import copy
import csv
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from ewad import Forecaster
from ewad.errors import StateError
from tests.console import ewad

N = 300
HORIZONS = [1, 3]
# small, and each of its parts at work early
OPTIONS = {"experts": ["persistence", "linear", "rls"], "lags": 6, "interval": 0.9, "share": "stream"}


def walk(n=N, seed=0):
    rng = np.random.default_rng(seed)
    return 20.0 + np.sin(np.arange(n) / 5.0) + rng.normal(size=n).cumsum()


@pytest.fixture
def frame():
    index = pd.date_range("2026-03-01", periods=N, freq="1h", name="time")
    table = pd.DataFrame({"hall": walk(), "attic": walk(seed=1)}, index=index)
    table.iloc[40:44, 1] = np.nan
    return table


def replayed(tmp_path, frame, model):
    """Return what `ewad replay -o` writes of a frame under this [model.m], by stream."""
    frame.to_csv(tmp_path / "table.csv")
    head = '[[stream]]\nname = "s"\ntopic = "#"\nmodel = "m"\n[model.m]\n'
    (tmp_path / "ewad.toml").write_text(head + model)
    out = tmp_path / "out.csv"
    done = ewad(
        "replay",
        tmp_path / "table.csv",
        "-c",
        tmp_path / "ewad.toml",
        "-o",
        out,
        "--results-time-format",
        "unix",
    )
    assert done.returncode == 0, done.stderr
    with out.open() as file:
        rows = pd.DataFrame(csv.DictReader(file))
    numbers = [name for name in rows if name != "stream"]
    rows[numbers] = rows[numbers].replace("", "nan").map(float)  # exact, whatever pandas' reader does
    return dict(iter(rows.groupby("stream")))


@pytest.mark.parametrize(
    "model", ["horizons = [1, 24]\n", 'horizons = [1, 3]\nexperts = ["linear"]\nlags = 6\nshare = "group"\n']
)
def test_a_frame_gives_the_numbers_of_replay_bit_for_bit(tmp_path, frame, model):
    theirs = replayed(tmp_path, frame, model)
    options = {"experts": ["linear"], "lags": 6, "share": "group"} if "experts" in model else {}
    horizons = [1, 3] if options else [1, 24]
    mine = Forecaster(horizons, **options).fit_predict(frame)
    for name in frame:
        known = mine[name][frame[name].notna()]
        for column in known:
            if column in theirs[name]:
                assert np.array_equal(known[column], theirs[name][column], equal_nan=True), (name, column)
    assert np.isfinite(mine["hall", "forecast_1"].iloc[-1])


def test_any_pieces_give_the_same_bits(frame):
    series = frame["hall"]
    whole = Forecaster(HORIZONS, **OPTIONS).fit(series)
    parts = Forecaster(HORIZONS, **OPTIONS)
    for first in range(0, N, 7):
        parts.learn_many(series.iloc[first : first + 7])
    alone = Forecaster(HORIZONS, **OPTIONS)
    for time, value in series.items():
        alone.learn_one(value, time)
    for other in (parts, alone):
        for mine, theirs in zip(whole.forecast(), other.forecast(), strict=True):
            assert np.array_equal(mine, theirs)
        assert np.array_equal(whole.skill, other.skill)


def test_each_forecast_is_made_before_its_value_has_come(frame):
    series = frame["hall"]
    changed = series.copy()
    changed.iloc[200:] += 50.0
    one, other = (Forecaster(HORIZONS, **OPTIONS).fit_predict(each) for each in (series, changed))
    pd.testing.assert_frame_equal(one.iloc[:200], other.iloc[:200], check_exact=True)
    assert not one.iloc[200:].equals(other.iloc[200:])


def test_arrays_series_and_frames_come_back_as_they_are(frame):
    made = Forecaster(HORIZONS, **OPTIONS).fit_predict(walk())
    assert made.value.shape == made.lower.shape == (N, 2)
    table = Forecaster(HORIZONS, **OPTIONS).fit_predict(frame.to_numpy())
    assert table.upper.shape == (N, 2, 2)
    series = Forecaster(HORIZONS, **OPTIONS).fit_predict(frame["hall"])
    assert series.index.equals(frame.index)
    assert list(series) == ["forecast_1", "lower_1", "upper_1", "forecast_3", "lower_3", "upper_3"]
    both = Forecaster(HORIZONS, **OPTIONS).fit_predict(frame)
    assert both.index.equals(frame.index)
    pd.testing.assert_frame_equal(both["hall"], series, check_exact=True)
    assert both["attic"].iloc[41].isna().all()  # a gap: no sample, no forecast


def test_a_forecast_of_a_series_stands_at_the_times_that_it_is_for(frame):
    model = Forecaster(HORIZONS, **OPTIONS).fit(
        frame["hall"].tz_localize("Europe/Berlin", nonexistent="shift_forward")
    )
    found = model.predict()
    last = frame.index[-1].tz_localize("Europe/Berlin")
    assert list(found.index) == [last + pd.Timedelta("1h"), last + pd.Timedelta("3h")]
    assert np.array_equal(found["forecast"], model.forecast().value)
    two = Forecaster(HORIZONS, **OPTIONS).fit(frame).predict()
    assert two["attic", "upper"].notna().all()
    plain = Forecaster(HORIZONS, **OPTIONS).fit(pd.Series(walk())).predict()
    assert list(plain.index) == [N, N + 2]


@pytest.mark.parametrize("missing", [1, 5])
def test_the_time_of_a_forecast_counts_from_the_last_sample_not_from_a_gap(frame, missing):
    known = frame["hall"]
    after = pd.date_range(known.index[-1], periods=missing + 1, freq="1h")[1:]
    ending = pd.concat([known, pd.Series(np.nan, index=after)])
    expected = Forecaster(HORIZONS, **OPTIONS).fit(known).predict()
    for model in (
        Forecaster(HORIZONS, **OPTIONS).fit(ending),
        Forecaster(HORIZONS, **OPTIONS).fit(known).learn_many(ending[N:]),
        Forecaster(HORIZONS, **OPTIONS).fit(known).learn_one(np.nan, after[-1]),
    ):
        pd.testing.assert_frame_equal(model.predict(), expected, check_exact=True, check_freq=False)
        again = Forecaster.load(model.dump()).predict()
        pd.testing.assert_frame_equal(again, expected, check_exact=True, check_freq=False)
    plain = Forecaster(HORIZONS, **OPTIONS).fit(pd.Series(ending.to_list()))
    assert list(plain.predict().index) == [N, N + 2]
    every = {**OPTIONS, "every": "2h"}
    grids = [Forecaster(HORIZONS, **every).fit(each).predict() for each in (known, ending)]
    pd.testing.assert_frame_equal(*grids, check_exact=True)


def test_columns_that_end_at_different_times_have_rows_of_their_own(frame):
    frame.iloc[-2:, 1] = np.nan
    found = Forecaster(HORIZONS, **OPTIONS).fit(frame).predict()
    last = frame.index[-1]
    hall, attic = ([last + pd.Timedelta(f"{hours}h") for hours in ahead] for ahead in ((1, 3), (-1, 1)))
    assert list(found.index) == [attic[0], hall[0], hall[1]]
    for name, times in (("hall", hall), ("attic", attic)):
        alone = Forecaster(HORIZONS, **OPTIONS).fit(frame[name].dropna()).predict()
        pd.testing.assert_frame_equal(found[name].loc[times], alone, check_exact=True)
        assert found[name].drop(times).isna().all(axis=None)
    unknown = frame.assign(cellar=np.nan)
    found = Forecaster(HORIZONS, **OPTIONS).fit(unknown).predict()
    assert list(found.index) == [attic[0], hall[0], hall[1]]
    assert found["cellar"].isna().all(axis=None)


def test_a_column_with_fewer_samples_has_steps_of_its_own(frame):
    frame.loc[frame.index[np.arange(N) % 3 != 2], "attic"] = np.nan  # one in three hours, the last one too
    found = Forecaster(HORIZONS, **OPTIONS).fit(frame).predict()
    hours = (found.index - frame.index[-1]) / pd.Timedelta("1h")
    assert list(hours) == [1, 3, 9]
    assert found["attic", "forecast"].notna().tolist() == [False, True, True]
    assert found["hall", "forecast"].notna().tolist() == [True, True, False]
    plain = Forecaster(HORIZONS, **OPTIONS).fit(frame.reset_index(drop=True)).predict()
    assert list(plain.index) == [N, N + 2, N + 8]


def test_the_step_is_the_usual_one_in_whatever_pieces_samples_came(frame):
    index = frame.index.delete([N - 2])  # the last sample came after two hours
    series = frame["hall"].loc[index]
    model = Forecaster(HORIZONS, **OPTIONS).fit(series.iloc[:150])
    for time, value in series.iloc[150:].items():
        model.learn_one(value, time)
    hours = (model.predict().index - frame.index[-1]) / pd.Timedelta("1h")
    assert list(hours) == HORIZONS


@pytest.mark.parametrize("step", ["MS", "ME", "B", "D"])
def test_steps_of_the_calendar_go_on(step):
    times = pd.date_range("2005-12-01", periods=N + 3, freq=step, tz="Europe/Berlin")
    series = pd.Series(walk(), index=times[:N])
    model = Forecaster(HORIZONS, **OPTIONS).fit(series.iloc[:-1]).learn_one(series.iloc[-1], times[N - 1])
    assert list(model.predict().index) == [times[N], times[N + 2]]
    assert list(Forecaster.load(model.dump()).predict().index) == [times[N], times[N + 2]]
    two = pd.DataFrame({"hall": series, "attic": series.shift(-1)})
    assert list(Forecaster(HORIZONS, **OPTIONS).fit(two).predict().index) == list(times[N - 1 :])


def test_before_a_step_is_known_the_time_of_a_forecast_is_not(frame):
    for rows in (1, 5):
        few = frame["hall"].iloc[:rows] * (1.0 if rows == 1 else np.nan)
        found = Forecaster(HORIZONS, **OPTIONS).fit(few).predict()
        assert found.isna().all(axis=None)
        assert found.index.isna().all()
        assert len(found) == len(HORIZONS)


def test_on_a_grid_steps_are_those_of_the_grid(frame):
    minutes = pd.date_range("2026-03-01", periods=N, freq="10min")
    model = Forecaster([1, 2], every="1h", **OPTIONS).fit(pd.Series(walk(), index=minutes))
    last = minutes[-1].floor("1h")
    assert list(model.predict().index) == [last + pd.Timedelta("30min"), last + pd.Timedelta("90min")]
    with pytest.raises(ValueError, match="times: expected them beside half_life or every, got none"):
        Forecaster(every="1h").fit(walk())


def test_before_lags_are_full_there_is_no_forecast():
    model = Forecaster(HORIZONS, **OPTIONS)
    assert np.isnan(model.forecast().value).all()
    model.fit(walk(6))
    assert np.isnan(model.forecast().value).all()
    model.fit(walk(7))
    assert np.isfinite(model.forecast().value).all()


def test_a_dump_goes_on_as_if_nothing_had_been_between(frame):
    whole = Forecaster(HORIZONS, **OPTIONS).fit(frame)
    first = Forecaster(HORIZONS, **OPTIONS).fit(frame.iloc[:150])
    for again in (Forecaster.load(first.dump()), pickle.loads(pickle.dumps(first)), copy.deepcopy(first)):
        again.learn_many(frame.iloc[150:])
        pd.testing.assert_frame_equal(again.predict(), whole.predict(), check_exact=True)
    assert first.horizons == (1, 3)


def test_a_dump_of_another_kind_is_refused(frame):
    from ewad import Smoother

    with pytest.raises(StateError, match="expected that of a Forecaster, got that of a Smoother"):
        Forecaster.load(Smoother().fit(walk()).dump())
    with pytest.raises(StateError, match="damaged"):
        Forecaster.load(b"PK nothing")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"lags": 0}, r"lags: must be in 1..10000, got 0"),
        ({"lgs": 3}, r'lgs: unknown key "lgs"; did you mean "lags"\?'),
        ({"experts": ["lstm"]}, r"experts.*lstm"),
        ({"horizons": []}, r"horizons: expected a list of one or more, got an empty list"),
    ],
)
def test_options_are_checked_as_those_of_the_configuration(options, told):
    with pytest.raises(ValueError, match=told):
        Forecaster(**options)


def test_what_can_not_be_learnt_is_told(frame):
    with pytest.raises(ValueError, match="expected finite numbers, got inf at position 1"):
        Forecaster().fit([1.0, np.inf])
    model = Forecaster().fit(frame)
    with pytest.raises(ValueError, match="times: must not fall"):
        model.learn_many(frame)
    with pytest.raises(
        ValueError, match=r"expected the columns \('hall', 'attic'\), got \('attic', 'hall'\)"
    ):
        model.learn_many(frame[["attic", "hall"]].shift(freq="30D"))
    with pytest.raises(ValueError, match="times: expected some, as before"):
        model.learn_many(frame.to_numpy())
    with pytest.raises(ValueError, match="x: expected numbers"):
        Forecaster().fit(["a", "b"])


IMPORTS = """
import sys, ewad
print("numpy" in sys.modules, "pandas" in sys.modules)
ewad.Forecaster().fit([1.0, 2.0])
print("pandas" in sys.modules)
"""


def test_the_package_is_imported_without_numpy_until_a_name_is_asked_for():
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False", "False"], done.stderr


@pytest.mark.parametrize("horizons", [{1, 2}, (h for h in (1, 2)), {1: "a", 2: "b"}.keys(), np.array([1, 2])])
def test_horizons_may_be_whatever_yields_them(horizons):
    assert Forecaster(horizons=horizons).horizons == (1, 2)
