"""ewad.ewa against pandas, against the daemon's own averages, and on what it must reject."""

import datetime
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ewad
from ewad import ewa
from ewad.numeric.averages import ByCount, ExponentialAverage

BETAS = [1e-300, 1e-9, 0.1, 0.5, 0.9, 0.98, 0.999, 1 - 1e-6, 1 - 1e-9]
LENGTHS = [1, 2, 31, 32, 33, 8191, 8192, 24_653]


def walk(n, seed=0):
    return 20.0 + np.random.default_rng(seed).standard_normal(n).cumsum()


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("n", LENGTHS)
def test_equals_pandas_to_1e_12(beta, n):
    x = walk(n)
    expected = pd.Series(x).ewm(alpha=1 - beta).mean().to_numpy()
    np.testing.assert_allclose(ewa(x, beta), expected, rtol=1e-12, atol=1e-12 * np.abs(x).max())


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=100),
    st.one_of(st.floats(0, 1, exclude_max=True, exclude_min=True), st.sampled_from(BETAS)),
)
def test_equals_the_definition(x, beta):
    weights = [[beta ** (t - i) for i in range(t + 1)] for t in range(len(x))]
    expected = [np.average(x[: t + 1], weights=w) for t, w in enumerate(weights)]
    # (1 - beta) * x loses digits where it is less than the least normal number.
    atol = max(1e-12 * np.abs(x).max(), 1e-300)
    np.testing.assert_allclose(ewa(x, beta), expected, rtol=1e-12, atol=atol)


def test_of_the_course_s_temperatures_is_the_course_s():
    np.testing.assert_allclose(ewa([40, 49, 45], 0.98), [40, 44.545455, 44.700041], rtol=0, atol=5e-7)


def one_at_a_time(x, beta):
    """Return the daemon's averages."""
    average = ExponentialAverage(ByCount(beta), 1)
    return average.update(np.zeros(len(x), np.int64), np.ones(len(x)), x)[0]


def with_zeros(x):
    return np.where(np.arange(len(x)) // 777 % 2, -0.0, x)


HOSTILE = {
    "walk": walk,
    "constant": lambda n: np.full(n, 0.1),
    "zeros": lambda n: np.where(np.arange(n) % 3, 0.0, -0.0),
    "zeros between": lambda n: with_zeros(walk(n)),
    "steps": lambda n: np.where(np.arange(n) // 1500 % 2, 1e-3, 1e6),
    "of both signs, huge": lambda n: 1e149 * np.random.default_rng(1).standard_normal(n),
    "all sizes": lambda n: 10.0 ** np.random.default_rng(1).uniform(-300, 140, n),
    "denormal": lambda n: 5e-324 * np.random.default_rng(1).integers(-9, 9, n),
    "denormal at the end": lambda n: np.append(walk(n - n // 2), with_zeros(np.full(n // 2, 5e-324))),
    "quantised": lambda n: np.round(walk(n)),
    "alternating": lambda n: np.where(np.arange(n) % 2, 1.0, -1.0),
}


@pytest.mark.parametrize("series", HOSTILE)
@pytest.mark.parametrize("beta", [0.0, 1e-300, 0.1, 0.5, 0.9, 0.98, 0.999])
def test_is_the_daemon_s_average_to_the_last_bit(series, beta):
    """Up to .98 a series of this length is cut into segments: each is 200 / (1 - beta) samples long."""
    x = HOSTILE[series](50_003)
    assert ewa(x, beta).tobytes() == one_at_a_time(x, beta).tobytes()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 900), st.floats(-1e149, 1e149), st.sampled_from([0.0, 1e-300, 1e-9, 1.0])),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from([0.01, 0.3, 0.5]),
)
def test_stretches_of_any_level_and_noise_are_the_daemon_s_to_the_last_bit(stretches, beta):
    noise = np.random.default_rng(0).standard_normal(900)
    x = np.concatenate([level * (1.0 + share * noise[:n]) for n, level, share in stretches])
    assert ewa(x, beta).tobytes() == one_at_a_time(x, beta).tobytes()


def test_ten_million_samples_do_not_drift():
    x = np.full(10_000_000, 0.1)
    np.testing.assert_allclose(ewa(x, 0.999)[-100_000:], 0.1, rtol=1e-14)


def test_the_greatest_numbers_do_not_overflow():
    assert ewa([1e308] * 100, 0.9).tolist() == pytest.approx([1e308] * 100)
    assert ewa([1e308, -1e308] * 50, 0.5)[-2:].tolist() == pytest.approx([1e308 / 3, -1e308 / 3])
    by_time = ewa([1e308, -1e308] * 50, times=range(100), half_life=1)
    assert by_time[-2:].tolist() == pytest.approx([1e308 / 3, -1e308 / 3])


def test_at_beta_0_is_the_series_itself_in_an_array_of_its_own():
    x = walk(10)
    result = ewa(x, 0.0)
    np.testing.assert_array_equal(result, x)
    assert not np.shares_memory(result, x)


@pytest.mark.parametrize(
    "x", [[1, 2, 3], (1, 2, 3), np.array([1, 2, 3], np.int8), np.float32([1, 2, 3]), pd.Series([1, 2, 3])]
)
def test_takes_any_series_of_numbers(x):
    np.testing.assert_allclose(ewa(x, 0.5), [1, 5 / 3, 17 / 7], rtol=1e-15)


def test_takes_every_other_element_of_an_array():
    x = walk(100)
    np.testing.assert_array_equal(ewa(x[::2]), ewa(x[::2].copy()))


def test_changes_not_its_argument():
    x = walk(100)
    before = x.copy()
    ewa(x)
    np.testing.assert_array_equal(x, before)


def test_of_nothing_is_nothing():
    assert ewa([]).shape == (0,)
    assert ewa([], times=[], half_life=1).shape == (0,)


BETAS_OF = [({"beta": 0.9}, 0.9), ({"window": 10}, 0.9), ({"span": 19}, 0.9), ({"alpha": 0.1}, 0.9)]


@pytest.mark.parametrize(("words", "beta"), BETAS_OF)
def test_every_usual_word_for_the_weight_of_the_past_is_taken(words, beta):
    x = walk(100)
    np.testing.assert_allclose(ewa(x, **words), ewa(x, beta), rtol=1e-12)


@pytest.mark.parametrize("words", [{"window": 0.5}, {"span": 0}, {"alpha": 0}, {"beta": 0.9, "span": 3}])
def test_a_word_that_makes_no_sense_is_told(words):
    with pytest.raises(ValueError, match=r"window|span|alpha"):
        ewa([1.0], **words)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.98])
def test_nan_is_a_gap_as_pandas_has_it(beta):
    x = walk(200)
    x[[0, 1, 7, 8, 90, 199]] = np.nan
    expected = pd.Series(x).ewm(alpha=1 - beta, ignore_na=True).mean().to_numpy()
    np.testing.assert_allclose(ewa(x, beta), expected, rtol=1e-12)
    assert np.isnan(ewa([np.nan, np.nan], beta)).all()


def test_what_pandas_and_lists_call_missing_is_a_gap():
    expected = [1.0, 1.0, 7.0 / 3.0]
    nullable = pd.Series([1, pd.NA, 3], dtype="Int64"), pd.Series([1, pd.NA, 3], dtype="Float64")
    for x in (*nullable, [1, None, 3], [1, float("nan"), 3]):
        np.testing.assert_allclose(ewa(x, 0.5), expected)


SEVERAL = [
    ({"beta": [0.9, 0.98]}, [0.9, 0.98]),
    ({"beta": np.array([0.9, 0.98])}, [0.9, 0.98]),
    ({"beta": pd.Series([0.9, 0.98])}, [0.9, 0.98]),
    ({"window": (10, 50)}, [0.9, 0.98]),
    ({"span": [19, 99]}, [0.9, 0.98]),
    ({"alpha": [0.1, 0.02]}, [0.9, 0.98]),
]


@pytest.mark.parametrize(("words", "betas"), SEVERAL)
def test_several_weights_of_the_past_make_a_column_each(words, betas):
    x = walk(60)
    x[[0, 5]] = np.nan
    np.testing.assert_allclose(ewa(x, **words), np.column_stack([ewa(x, beta) for beta in betas]), rtol=1e-12)
    index = pd.date_range("2026-01-01", periods=60, freq="h", tz="Europe/Berlin")
    frame = ewa(pd.Series(x, index), **words)
    assert list(frame.columns) == ["0.9", "0.98"]
    assert frame.index.equals(index)


@pytest.mark.parametrize("word", ["beta", "window", "span", "alpha", "half_life"])
def test_several_of_which_there_is_none_are_told(word):
    with pytest.raises(ValueError, match=f"{word}: expected a number or several, got none"):
        ewa([1.0], times=[0] if word == "half_life" else None, **{word: []})


def test_gaps_of_series_side_by_side_are_of_each_alone():
    x = np.column_stack([walk(50), walk(50, 1)])
    x[3:7, 0] = x[0, 1] = np.nan
    np.testing.assert_array_equal(ewa(x, 0.9), np.column_stack([ewa(column, 0.9) for column in x.T]))


def test_a_series_comes_back_as_one_with_its_index_and_name():
    x = pd.Series(walk(5), index=list("abcde"), name="t")
    got = ewa(x, 0.5)
    pd.testing.assert_series_equal(got, x.ewm(alpha=0.5).mean())
    several = ewa(x, [0.5, 0.9])
    assert list(several.columns) == ["0.5", "0.9"]
    assert several.index.equals(x.index)
    np.testing.assert_allclose(several["0.9"], ewa(x.to_numpy(), 0.9))


def test_series_side_by_side_are_averaged_each():
    x = np.column_stack([walk(50), walk(50, 1)])
    np.testing.assert_allclose(ewa(x, 0.9)[:, 1], ewa(x[:, 1], 0.9))
    np.testing.assert_allclose(ewa(x[:, 0], [0.5, 0.9])[:, 1], ewa(x[:, 0], 0.9))
    frame = pd.DataFrame(x, columns=["a", "b"])
    pd.testing.assert_frame_equal(ewa(frame, 0.9), frame.ewm(alpha=0.1).mean())
    with pytest.raises(ValueError, match="beta: expected one for a table, got 2"):
        ewa(x, [0.5, 0.9])


class TestByTime:
    seconds = np.cumsum(np.random.default_rng(3).exponential(60.0, 8242))

    def test_equals_pandas_to_1e_12(self):
        x = walk(len(self.seconds))
        stamps = pd.to_datetime((self.seconds * 1e9).astype(np.int64))
        expected = pd.Series(x).ewm(halflife="10min", times=stamps).mean().to_numpy()
        got = ewa(x, times=stamps.to_numpy(), half_life="10m")
        np.testing.assert_allclose(got, expected, rtol=1e-12)
        np.testing.assert_allclose(ewa(x, times=self.seconds, half_life=600), expected, rtol=1e-8)

    def test_times_with_a_zone_are_moments(self):
        stamps = pd.to_datetime(["2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 01:30"])
        local = stamps.tz_localize("UTC").tz_convert("Europe/Berlin")
        expected = ewa([1.0, 2.0, 4.0], times=stamps.to_numpy(), half_life="1h")
        for times in (local, local.to_series(), list(local.to_pydatetime()), list(stamps.to_pydatetime())):
            np.testing.assert_allclose(ewa([1.0, 2.0, 4.0], times=times, half_life="1h"), expected)
        series = pd.Series([1.0, 2.0, 4.0], index=local)
        pd.testing.assert_series_equal(ewa(series, half_life="1h"), pd.Series(expected, index=local))

    def test_gaps_weigh_nothing_and_time_goes_on_as_in_pandas(self):
        index = pd.date_range("2026-10-25", periods=9, freq="15min", tz="Europe/Berlin")
        x = pd.Series([np.nan, 1.0, np.nan, np.nan, 4.0, 5.0, np.nan, 2.0, np.nan], index, name="t")
        pd.testing.assert_series_equal(ewa(x, half_life="1h"), x.ewm(halflife="1h", times=index).mean())

    def test_a_table_has_the_times_of_its_index(self):
        index = pd.date_range("2026-10-25", periods=30, freq="15min", tz="Europe/Berlin")
        frame = pd.DataFrame({"a": walk(30), "b": walk(30, 1)}, index)
        frame.iloc[[0, 4], 1] = np.nan
        got = ewa(frame, half_life=pd.Timedelta(hours=1))
        pd.testing.assert_frame_equal(got, frame.ewm(halflife="1h", times=index).mean())
        np.testing.assert_array_equal(ewa(frame.to_numpy(), times=index, half_life="1h"), got)

    def test_several_half_lives_make_a_column_each(self):
        index = pd.date_range("2026-01-01", periods=30, freq="15min")
        x = pd.Series(walk(30), index)
        got = ewa(x, half_life=["1h", datetime.timedelta(hours=2)])
        assert list(got.columns) == ["3600", "7200"]
        np.testing.assert_array_equal(got["7200"], ewa(x, half_life="2h"))

    def test_dates_are_their_midnights(self):
        dates = [datetime.date(2026, 1, day) for day in (1, 2, 4)]
        seconds = [86_400.0 * day for day in (0, 1, 3)]
        expected = ewa([1.0, 2.0, 4.0], times=seconds, half_life="1d")
        np.testing.assert_allclose(ewa([1.0, 2.0, 4.0], times=dates, half_life="1d"), expected)

    @pytest.mark.parametrize(
        "half_life",
        [90, 90.0, "90s", "1.5m", "90000ms", datetime.timedelta(seconds=90), np.timedelta64(90, "s")],
    )
    def test_a_half_life_is_seconds_or_says_its_unit(self, half_life):
        np.testing.assert_allclose(
            ewa([1.0, 4.0], times=[0, 90], half_life=half_life), [1.0, (0.5 + 4) / 1.5], rtol=1e-15
        )

    def test_samples_of_one_moment_weigh_the_same(self):
        assert ewa([1.0, 3.0], times=[5, 5], half_life=1).tolist() == [1.0, 2.0]


class TestRejects:
    @pytest.mark.parametrize(
        ("x", "message"),
        [
            ([[[1.0]]], r"x: expected one series, \(n,\), or several, \(n, m\), got shape \(1, 1, 1\)"),
            (3.0, r"x: expected one series"),
            (["a"], "x: expected numbers"),
            ([[1], [1, 2]], "x: expected numbers"),
            ([1.0] * 10 + [np.inf], "got inf at position 10"),
        ],
    )
    @pytest.mark.parametrize(
        "how", [{"beta": 0.0}, {"beta": 0.9}, {"times": range(11), "half_life": 1}], ids=str
    )
    def test_what_is_no_series_of_finite_numbers(self, x, message, how):
        if "times" in how and np.ndim(np.array(x, dtype=object)) == 1:
            how = {"times": range(len(x)), "half_life": 1}
        with pytest.raises(ValueError, match=message):
            ewa(x, **how)

    @pytest.mark.parametrize("place", [0, 31, 6_200, 12_400, 24_575, 24_576])
    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    @pytest.mark.parametrize("beta", [1e-300, 0.9])
    def test_a_number_that_is_not_finite_wherever_it_hides(self, place, value, beta):
        x = walk(24_577)
        x[place] = value
        with pytest.raises(ValueError, match=f"got {value} at position {place}"):
            ewa(x, beta)

    @pytest.mark.parametrize("beta", [-0.1, 1.0, 1.5, np.nan, np.inf])
    def test_betas_outside_0_to_1(self, beta):
        with pytest.raises(ValueError, match=r"beta: must be in \[0, 1\)"):
            ewa([1.0], beta)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"times": [0, 1]}, "times and half_life: expected both or none, got one"),
            ({"half_life": 1}, "expected both or none"),
            ({"times": [1, 0], "half_life": 1}, r"times: must not fall, but times\[1\] = 0.0 after 1.0"),
            ({"times": [1, 2, 3], "half_life": 1}, r"times: expected the shape of x, \(2,\), got \(3,\)"),
            ({"times": [1, np.nan], "half_life": 1}, "times: expected finite numbers, got nan at position 1"),
            ({"times": np.array(["2020", "NaT"], "M8[s]"), "half_life": 1}, "got NaT at position 1"),
            (
                {"times": ["2026-01-01", "2026-01-02"], "half_life": 1},
                "got the text .*2026-01-01.* at position 0",
            ),
            ({"times": [0, 1], "half_life": "10 parsecs"}, 'expected seconds or a text such as "10m"'),
            ({"times": [0, 1], "half_life": 0}, "must be positive"),
            ({"times": [0, 1], "half_life": -1}, "must be positive"),
        ],
    )
    def test_times_and_half_lives_that_make_no_sense(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            ewa([1.0, 2.0], **arguments)

    def test_other_names_of_the_package(self):
        with pytest.raises(AttributeError, match="no attribute 'ewma'"):
            ewad.ewma  # noqa: B018


def test_importing_the_package_imports_no_numpy():
    code = "import ewad, sys; assert 'numpy' not in sys.modules; ewad.ewa; assert 'numpy' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
