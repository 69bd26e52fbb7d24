"""Prediction intervals keep their coverage: on all kinds of errors, and against a plain loop."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.intervals import ConformalIntervals

PENDING: dict[int, dict[tuple[int, int], tuple[float, float]]] = {}  # of each owner, by horizon and sample


@pytest.fixture(autouse=True)
def nothing_pending():
    PENDING.clear()


def given_out(intervals, error, horizons=(1,), first=0, unit=1.0):
    """Return the widths after each sample of one stream, (n, n_horizons, 2); error: (n, n_horizons)."""
    given = PENDING.setdefault(id(intervals), {})
    widths = np.empty((len(error), len(horizons), 2))
    for k, row in enumerate(error):
        for i, horizon in enumerate(horizons):
            was = given.get((i, first + k - horizon), (math.nan, math.nan))
            now = intervals.step.observe(0, i, float(row[i]), unit, *was)
            widths[k, i] = given[i, first + k] = now
    return widths


def inside(error, coverage=0.9, horizon=1):
    """Return whether each error of one horizon was within the widths given out for it."""
    error = np.asarray(error, float)
    intervals = ConformalIntervals(coverage, (horizon,), 1)
    width = given_out(intervals, error[:, None], (horizon,))[:, 0]
    e, w = error[horizon:], width[:-horizon]
    return (-w[:, 0] <= e) & (e <= w[:, 1])


RNG = np.random.default_rng(1)
N = 12_000
ERRORS = {
    "iid": RNG.normal(size=N),
    "skewed": RNG.exponential(size=N) - 1.0,
    "biased": 1.0 + RNG.normal(size=N),
    "heavy-tailed": RNG.standard_t(2, size=N),
    "drifting": RNG.normal(size=N) * np.linspace(0.1, 20.0, N),
    "by season": RNG.normal(size=N) * (1.2 + np.sin(np.arange(N) * 2 * np.pi / 1000)),
    "suddenly smaller": RNG.normal(size=N) * np.where(np.arange(N) < N // 2, 5.0, 0.5),
    "suddenly larger": RNG.normal(size=N) * np.where(np.arange(N) < N // 2, 0.5, 5.0),
    "correlated": np.convolve(RNG.normal(size=N + 23), np.ones(24), "valid"),
    "never far below": np.where(RNG.random(N) < 0.4, RNG.exponential(5.0, N), 0.0) - 2.0,
}


@pytest.mark.parametrize("kind", ERRORS)
def test_ninety_of_a_hundred_values_fall_inside(kind):
    assert 0.88 <= inside(ERRORS[kind])[N // 4 :].mean() <= 0.92


@pytest.mark.parametrize("horizon", [6, 24])
def test_coverage_holds_at_long_horizons_whose_errors_overlap(horizon):
    steps = np.random.default_rng(2).normal(size=N + horizon)
    error = np.convolve(steps, np.ones(horizon), "valid")
    assert 0.88 <= inside(error, horizon=horizon)[N // 4 :].mean() <= 0.92


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_coverage_is_what_was_asked_for(coverage):
    assert inside(ERRORS["iid"], coverage)[1000:].mean() == pytest.approx(coverage, abs=0.01)


def test_both_sides_miss_alike_even_if_errors_are_skewed():
    error = ERRORS["skewed"]
    width = given_out(ConformalIntervals(0.9, (1,), 1), error[:, None])[:-1, 0]
    assert (error[1:] > width[:, 1])[1000:].mean() == pytest.approx(0.05, abs=0.01)
    assert (error[1:] < -width[:, 0])[1000:].mean() == pytest.approx(0.05, abs=0.01)


def test_coverage_holds_in_the_long_run_against_an_adversary():
    # Each error lies beyond its interval or at its centre, whichever the adversary wants: in runs of 50.
    intervals, hits, width = ConformalIntervals(0.9, (1,), 1), [], np.ones(2)
    for i in range(6000):
        beyond = 1.01 * width[1] if i % 500 < 50 else 0.0
        hits.append(beyond <= width[1])
        width = given_out(intervals, np.array([[beyond]]), first=i)[0, 0]
    assert np.mean(hits[500:]) >= 0.89


def test_a_spike_and_the_way_back_widen_intervals_by_less_than_a_fifth():
    error = np.random.default_rng(3).normal(size=(2000, 1))
    spiked = error.copy()
    spiked[1000:1002, 0] = 1e6, -1e6
    plain, after = (given_out(ConformalIntervals(0.9, (1,), 1), e)[1002:1202, 0] for e in (error, spiked))
    assert (after < 1.2 * plain).all()


@pytest.mark.parametrize("horizon", [1, 24])
def test_coverage_is_kept_where_noise_comes_and_goes(horizon):
    rng = np.random.default_rng(6)
    loud = np.where(np.arange(20_000) // 500 % 2, 4.0, 1.0)
    steps = loud * rng.normal(size=20_000)
    # What a forecast of no change misses, in the units that it is given in.
    error = np.convolve(steps, np.ones(horizon))[:20_000] / np.sqrt(horizon * np.mean(loud**2))
    covered = inside(error, horizon=horizon)[2000:]
    assert 0.885 <= covered.mean() <= 0.915
    for kind in (1.0, 4.0):
        there = covered[loud[2000 + horizon :] == kind].mean()
        assert 0.85 <= there <= 0.95


def test_coverage_is_kept_through_the_seasons_of_a_year():
    # As of daily radiation, whose errors are six times as large in summer as in winter.
    day = np.arange(365 * 20)
    size = np.exp(0.9 * np.sin(2.0 * np.pi * day / 365.0))
    error = size * np.random.default_rng(8).normal(size=len(day)) / np.sqrt(np.mean(size**2))
    covered = inside(error)
    for fifth in range(5):
        there = covered[day[1:] // 73 % 5 == fifth][200:].mean()
        assert 0.8 <= there <= 0.98


def test_what_one_side_can_not_miss_the_other_makes_up_for():
    # Below, all but a few values lie on one point: no width there leaves out one in twenty.
    error = np.where(np.random.default_rng(4).random(1500) < 0.6, -2.0, 0.0)
    error[error == 0.0] = np.random.default_rng(5).exponential(5.0, np.count_nonzero(error == 0.0))
    assert 0.88 <= inside(error, horizon=48)[300:].mean() <= 0.92


def test_without_errors_an_interval_is_as_narrow_as_it_gets():
    width = given_out(ConformalIntervals(0.9, (1,), 1), np.zeros((200, 1)))
    assert width[-1].tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("rounding", [0.0, 1e-14])
def test_what_is_said_exactly_moves_no_width(rounding):
    # As of a switch that rests: the widths learnt while it moved are there when it moves again.
    intervals, rng = ConformalIntervals(0.9, (1,), 1), np.random.default_rng(6)
    given_out(intervals, rng.normal(size=(1000, 1)))
    width = intervals.width.copy()
    given_out(intervals, np.full((1000, 1), rounding), first=1000)
    np.testing.assert_array_equal(intervals.width, width)
    assert intervals.coverage()[0, 0] > 0.99


def test_coverage_is_the_discounted_share_inside_and_nan_before_the_first():
    intervals = ConformalIntervals(0.9, (1,), 1)
    assert np.isnan(intervals.coverage()).all()
    hits = []
    for i, error in enumerate([np.nan, 0.1, 100.0, 0.1]):
        given_out(intervals, np.array([[error]]), first=i)
        hits += [] if i == 0 else [abs(error) < 50.0]
    weight = 0.995 ** np.arange(2.0, -1.0, -1.0)
    assert intervals.coverage()[0, 0] == pytest.approx(np.sum(weight * hits) / np.sum(weight))


class Naive:
    """One horizon of one stream, sample by sample, every forecast's widths kept."""

    def __init__(self, coverage, horizon):
        self.coverage, self.horizon, self.inside, self.total = coverage, horizon, 0.0, 0.0
        self.factors, self.square, self.weight, self.scored, self.given = [1.645] * 2, 0.0, 0.0, 0, []

    def observe(self, error, unit):
        beta = 1.0 - 1.0 / (14.0 * self.horizon**0.25)
        self.square, self.weight = beta * self.square, beta * self.weight
        if not math.isnan(error):
            self.square += min(max(error / unit, -1.6), 1.6) ** 2
            self.weight += 1.0
        n = len(self.given)
        was = self.given[n - self.horizon] if n >= self.horizon else (math.nan, math.nan)
        known = not math.isnan(error) and not math.isnan(was[0])
        share = max(0.0, (1.0 - self.coverage) / 2.0 + 0.005 * (self.inside - self.coverage * self.total))
        self.inside = 0.995 * self.inside + (known and -was[0] <= error <= was[1])
        self.total = 0.995 * self.total + known
        if known:
            step = max(0.015 / self.horizon**0.25, 1.0 / (2.0 * self.horizon + 0.25 * self.scored))
            step *= error != 0.0
            for i, far in enumerate((-error, error)):
                move = step * ((far > was[i]) - share)
                self.factors[i] = min(max(self.factors[i] * math.exp(move), 1e-3), 1e3)
            self.scored += 1
        size = unit * (math.sqrt(self.square / self.weight) if self.weight else 1.0)
        self.given.append((self.factors[0] * size, self.factors[1] * size))
        return self.given[-1]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 90),
    horizons=st.lists(st.integers(1, 8), min_size=1, max_size=3, unique=True).map(tuple),
    cuts=st.lists(st.integers(1, 89), max_size=6),
    tail=st.sampled_from([1.0, 5.0]),
)
def test_any_split_gives_what_a_plain_loop_gives(seed, n, horizons, cuts, tail):
    rng = np.random.default_rng(seed)
    error = rng.standard_t(tail, size=(n, len(horizons)))
    error[rng.random(error.shape) < 0.2] = 0.0
    error[np.arange(n)[:, None] < np.array(horizons)] = np.nan
    intervals, found = ConformalIntervals(0.9, horizons, 1), []
    for a, z in pairwise(sorted({0, n, *(cut for cut in cuts if cut < n)})):
        found.append(given_out(intervals, error[a:z], horizons, a, unit=2.0))
    naive = [Naive(0.9, horizon) for horizon in horizons]
    expected = [[one.observe(e, 2.0) for one, e in zip(naive, row, strict=True)] for row in error.tolist()]
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-9)
