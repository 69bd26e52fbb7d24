"""What people give to the Python API: each form gives the same numbers, or is told to be none."""

import io
import re
import zipfile

import numpy as np
import pandas as pd
import pytest

from ewad import Forecaster, Smoother, ewa

N = 40
VALUES = np.arange(N) % 7.0
TIMES = pd.date_range("2026-01-01", periods=N, freq="1h")
OPTIONS = {"experts": ["persistence", "linear"], "lags": 3}


def forecaster():
    return Forecaster([1, 2], **OPTIONS)


CALLS = {
    "ewa": ewa,
    "Smoother.fit": lambda x: Smoother(0.9).fit(x).mean,
    "Smoother.fit_transform": lambda x: Smoother([0.9, 0.5]).fit_transform(x),
    "Forecaster.fit": lambda x: forecaster().fit(x).forecast(),
    "Forecaster.fit_predict": lambda x: forecaster().fit_predict(x),
}
on_each = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def numbers(found):
    """Return all numbers of a result, of forecasts the values, whatever its form."""
    return np.array(found[0] if isinstance(found, tuple) else found, dtype=np.float64).ravel()


def state(model):
    """Return what is in a dump."""
    with zipfile.ZipFile(io.BytesIO(model.dump())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# -- no rows --

EMPTY = {
    "list": [],
    "array": np.empty(0),
    "table": np.empty((0, 2)),
    "Series": pd.Series([], dtype=float),
    "Series of objects": pd.Series([], dtype=object),
    "Series with times": pd.Series([], index=pd.DatetimeIndex([]), dtype=float),
    "DataFrame": pd.DataFrame({"hall": [], "attic": []}, dtype=float),
    "DataFrame without columns": pd.DataFrame(index=TIMES),
}


@pytest.mark.parametrize("x", EMPTY.values(), ids=EMPTY)
def test_of_nothing_all_results_are_empty(x):
    for call in (ewa, Smoother(0.9).fit_transform, Smoother([0.9, 0.5]).fit_transform):
        found = call(x)
        assert found.size == 0
        assert not hasattr(x, "index") or isinstance(x, list) or found.index.equals(x.index)
    found = forecaster().fit_predict(x)
    assert numbers(found).size == 0
    assert len(found) == len(x) or isinstance(found, tuple)


@pytest.mark.parametrize("x", EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize("make", [lambda: Smoother(0.9), lambda: Smoother(half_life="2h"), forecaster])
def test_who_learns_nothing_stays_untouched(make, x):
    model = make().fit(x)
    assert state(model) == state(make())
    later = pd.Series(VALUES, index=TIMES, name="cellar")
    assert state(model.learn_many(later)) == state(make().fit(later))
    assert state(model.learn_many(later[:0])) == state(make().fit(later))


# -- numbers in other words --

WHOLE = VALUES.astype(int)
THREE = VALUES == 3.0
GAPS = np.where(THREE, np.nan, VALUES)
TWICE = np.stack([VALUES, VALUES], axis=1)
SAME = {
    "integers": (WHOLE, VALUES),
    "truths": (VALUES > 3.0, 1.0 * (VALUES > 3.0)),
    "texts": ([f"{value}" for value in VALUES], VALUES),
    "a list with None": ([None if gap else value for value, gap in zip(VALUES, THREE, strict=True)], GAPS),
    "objects with NA": (pd.Series(GAPS, dtype=object).where(~THREE, pd.NA), GAPS),
    "Int64 with NA": (pd.Series(WHOLE, dtype="Int64").mask(THREE), GAPS),
    "masked": (np.ma.masked_array(np.where(THREE, 1e9, VALUES), mask=THREE), GAPS),
    "masked integers": (np.ma.masked_array(WHOLE, mask=THREE), GAPS),
    "one column": (pd.DataFrame({"hall": VALUES}), VALUES[:, None]),
    "a name twice": (pd.DataFrame(TWICE, columns=["hall", "hall"]), TWICE),
    "names that look alike": (pd.DataFrame(TWICE, columns=["1", 1]), TWICE),
}


@on_each
@pytest.mark.parametrize(("x", "plain"), SAME.values(), ids=SAME)
def test_numbers_in_other_words_give_the_same(call, x, plain):
    assert np.array_equal(numbers(call(x)), numbers(call(plain)), equal_nan=True)


def test_columns_of_one_name_are_series_of_their_own():
    frame = pd.DataFrame(np.stack([VALUES, GAPS], axis=1), index=TIMES, columns=["hall", "hall"])
    found = Smoother(0.9).fit(frame)
    assert found.mean[0] == Smoother(0.9).fit(VALUES).mean
    assert found.mean[1] == Smoother(0.9).fit(GAPS).mean
    assert np.array_equal(Smoother.load(found.dump()).mean, found.mean)
    both = forecaster().fit(frame)
    assert np.array_equal(both.predict().loc[:, [("hall", "forecast")]].iloc[0], both.forecast().value[:, 0])


# -- what is no number --

WRONG = {
    "a text": (pd.Series([1.0, "1,5"], dtype=object), "x: expected numbers, got '1,5' at position 1"),
    "a text in a list": ([1.0, "1,5"], "x: expected numbers, got '1,5' at position 1"),
    "texts": (pd.Series(["1,5", "2,5"]), "x: expected numbers, got '1,5' at position 0"),
    "a column of texts": (
        pd.DataFrame({"hall": [1.0, 2.0], "attic": [3.0, "4,5"]}),
        "x: expected numbers, got '4,5' in row 1, column 1",
    ),
    "a category": (pd.Series(pd.Categorical(["on", "off"])), "x: expected numbers, got 'on' at position 0"),
    "times": (pd.Series(TIMES), "x: expected numbers, got times"),
    "a column of times": (pd.DataFrame({"hall": VALUES, "time": TIMES}), "x: expected numbers, got times"),
    "durations": (TIMES.to_numpy() - TIMES.to_numpy()[0], "x: expected numbers, got durations"),
    "complex numbers": (VALUES + 1j, "x: expected numbers, got complex numbers"),
    "rows of two lengths": ([[1.0, 2.0], [3.0]], "x: expected numbers in rows of one length, got [[1.0, 2."),
    "one text": ("1.5", "x: expected one series, (n,), or several, (n, m), got shape ()"),
    "infinity": ([1.0, np.inf], "x: expected finite numbers, got inf at position 1"),
}


@on_each
@pytest.mark.parametrize(("x", "told"), WRONG.values(), ids=WRONG)
def test_what_is_no_number_is_told_with_its_place(call, x, told):
    with pytest.raises(ValueError, match="^" + re.escape(told)):
        call(x)


@pytest.mark.parametrize("make", [Smoother, forecaster])
def test_a_value_too_great_is_told_and_leaves_nothing_behind(make):
    model = make().fit(VALUES)
    before = state(model)
    with pytest.raises(ValueError, match=r"x: expected numbers within 1e\+150, got 1e\+200 at position 1"):
        model.learn_many([1.0, 1e200])
    with pytest.raises(ValueError, match="x: expected numbers, got 'a' at position 0"):
        model.learn_one("a")
    assert state(model) == before


# -- parameters --


@pytest.mark.parametrize(
    ("word", "value", "told"),
    [
        ("beta", "x", "beta: expected a number, got 'x'"),
        ("beta", [0.9, "x"], "beta: expected a number, got 'x'"),
        ("window", "ten", "window: expected a number, got 'ten'"),
        ("alpha", {}, "alpha: expected a number, got {}"),
        ("half_life", object, "half_life: expected a number, got <class 'object'>"),
    ],
)
def test_what_is_no_weight_is_told(word, value, told):
    for call in (Smoother, lambda **how: ewa(pd.Series(VALUES, index=TIMES), **how)):
        with pytest.raises(ValueError, match="^" + re.escape(told)):
            call(**{word: value})


@pytest.mark.parametrize("horizons", [2, np.int64(2), [2], (2,), np.array([2]), range(2, 3)])
def test_horizons_are_taken_from_any_whole_numbers(horizons):
    assert Forecaster(horizons, lags=np.int64(3)).horizons == (2,)


@pytest.mark.parametrize(
    ("horizons", "told"), [(1.5, "1.5"), ([1, 2.5], "2.5"), ("12", '"12"'), (True, "true")]
)
def test_what_is_no_horizon_is_told(horizons, told):
    with pytest.raises(ValueError, match=rf"Forecaster: horizons.*: expected .*{told}"):
        Forecaster(horizons)


# -- times and names --

TIMED = {
    "times with a zone": (TIMES.tz_localize("Europe/Berlin"), TIMES.tz_localize("Europe/Berlin")),
    "periods": (TIMES.to_period("h"), TIMES),
    "objects": (pd.Index(TIMES.to_pydatetime(), dtype=object), TIMES),
}


@pytest.mark.parametrize(("index", "times"), TIMED.values(), ids=TIMED)
def test_times_in_other_words_are_the_same(index, times):
    x, plain = pd.Series(VALUES, index=index), pd.Series(VALUES, index=times)
    for call in (forecaster().fit(x), forecaster().fit(pd.Series(VALUES), times)):
        pd.testing.assert_frame_equal(call.predict(), forecaster().fit(plain).predict(), check_exact=True)
    averages = Smoother(half_life="2h").fit_transform(x)
    assert averages.index.equals(index)
    np.testing.assert_allclose(averages.iloc[:, 0], ewa(plain, half_life="2h"), rtol=1e-12)
    assert np.array_equal(ewa(x, half_life="2h"), ewa(plain, half_life="2h"))


def test_an_index_of_several_levels_holds_no_times():
    index = pd.MultiIndex.from_product([["hall"], TIMES])
    assert list(forecaster().fit(pd.Series(VALUES, index=index)).predict().index) == [N, N + 1]


def test_columns_keep_numbers_as_their_names():
    frame = pd.DataFrame(np.stack([VALUES, GAPS], axis=1), index=TIMES)
    model = forecaster().fit(frame)
    assert list(model.predict()) == [(0, "forecast"), (1, "forecast")]
    assert list(Forecaster.load(model.dump()).predict()) == [(0, "forecast"), (1, "forecast")]
    assert list(forecaster().fit_predict(frame).columns.levels[0]) == [0, 1]


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ([TIMES[0], pd.NaT], "times: expected datetimes or numbers, got NaT at position 1"),
        ([1.0, None], "times: expected datetimes or numbers, got None at position 1"),
        (["noon", "one"], "times: expected datetimes or numbers, got the text 'noon' at position 0"),
        (TIMES[:2] - TIMES[0], "times: expected datetimes or numbers, got durations"),
        ([1j, 2j], "times: expected datetimes or numbers, got complex numbers"),
        ([TIMES[0]], "times: expected the shape of x, (2,), got (1,)"),
    ],
)
def test_a_time_that_is_none_is_told(times, told):
    for call in (
        lambda: ewa([1.0, 2.0], times=times, half_life=60),
        lambda: Smoother().fit([1.0, 2.0], times),
    ):
        with pytest.raises(ValueError, match="^" + re.escape(told)):
            call()
