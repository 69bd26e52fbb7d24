"""Forecasts come back with the sample they were made for, and with no other."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.pending import Due, Pending
from ewad.numeric.recurrence import Runs


def exchange(pending, horizons, stream, number, position, made):
    """Exchange one batch in order of arrival; return what came, (n, n_horizons, width)."""
    runs = Runs.of(stream)
    due = Due(horizons, runs, number[runs.order], position[runs.order])
    return pending.exchange(due, made[runs.order])[runs.inverse()]


def test_a_forecast_comes_back_after_exactly_its_horizon():
    pending = Pending((1, 3), 1, 1)
    n = np.arange(5)
    made = np.stack([n + 0.1, n + 0.3], axis=1)[:, :, None]  # after sample 0: 0.1 for 1, 0.3 for 3
    came = exchange(pending, (1, 3), np.zeros(5, int), n, n, made)[:, :, 0]
    nan = np.nan
    np.testing.assert_array_equal(came, [[nan, nan], [0.1, nan], [1.1, nan], [2.1, 0.3], [3.1, 1.3]])


def test_none_made_before_a_window_began_comes_back():
    pending = Pending((1, 3), 1, 1)
    n = np.arange(6)
    position = np.array([0, 1, 2, 0, 1, 2])  # the fourth sample begins a new window
    came = exchange(pending, (1, 3), np.zeros(6, int), n, position, np.ones((6, 2, 1)))[:, :, 0]
    assert np.isnan(came[:, 0]).tolist() == [True, False, False, True, False, False]
    assert np.isnan(came[:, 1]).all()


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 60),
    n_streams=st.integers(1, 4),
    horizons=st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True).map(tuple),
    cuts=st.lists(st.integers(1, 59), max_size=8),
    restarts=st.sampled_from([0.0, 0.1]),
)
def test_any_split_gives_what_a_list_of_all_forecasts_gives(seed, n, n_streams, horizons, cuts, restarts):
    rng = np.random.default_rng(seed)
    stream = rng.integers(0, n_streams, n)
    begins = rng.random(n) < restarts
    made = rng.normal(size=(n, len(horizons), 2))
    number, position = np.empty(n, int), np.empty(n, int)
    expected = np.full(made.shape, np.nan)
    mine = [[] for _ in range(n_streams)]  # of each stream: the samples so far
    since = [0] * n_streams
    for j, s in enumerate(stream):
        since[s] = 0 if begins[j] else since[s]
        number[j], position[j] = len(mine[s]), since[s]
        for i, h in enumerate(horizons):
            if since[s] >= h:
                expected[j, i] = made[mine[s][-h], i]
        mine[s].append(j)
        since[s] += 1
    pending, came = Pending(horizons, 2, n_streams), []
    for a, z in pairwise(sorted({0, n, *(cut for cut in cuts if cut < n)})):
        came.append(exchange(pending, horizons, *(array[a:z] for array in (stream, number, position, made))))
    np.testing.assert_array_equal(np.concatenate(came), expected)
