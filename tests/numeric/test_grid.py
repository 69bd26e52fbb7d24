"""Closed intervals by hand, and against one pass of plain Python for random samples and splits."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.grid import Grid


def closed_by(grid, stream, time, value):
    """Return (stream, value, restart) of the intervals closed by a batch, in order of arrival."""
    closed = grid.update(np.asarray(stream), np.asarray(time, float), np.asarray(value, float))
    columns = closed.stream, closed.value, closed.restart
    return list(zip(*(column.tolist() for column in columns), strict=True)), closed


def grid_of(n, every=10.0, resample="mean", max_gap=30.0):
    grid = Grid(every, resample, max_gap)
    grid.grow(n)
    return grid


@pytest.mark.parametrize(("resample", "expected"), [("mean", 2.0), ("last", 3.0)])
def test_an_interval_closes_when_a_sample_of_a_later_one_arrives(resample, expected):
    grid = grid_of(1, resample=resample)
    assert closed_by(grid, [0, 0, 0], [100.0, 105.0, 109.9], [1.0, 2.0, 3.0])[0] == []
    assert closed_by(grid, [0], [110.0], [7.0])[0] == [(0, expected, False)]
    assert closed_by(grid, [0], [120.0], [8.0])[0] == [(0, 7.0, False)]


def test_empty_intervals_repeat_the_one_before_up_to_max_gap():
    grid = grid_of(1)
    assert closed_by(grid, [0, 0], [5.0, 45.0], [1.0, 2.0])[0] == [(0, 1.0, False)] * 4  # three are empty


def test_a_longer_gap_is_not_held_and_the_interval_after_it_begins_anew():
    grid = grid_of(1)
    closed, details = closed_by(grid, [0, 0], [5.0, 55.0], [1.0, 2.0])
    assert closed == [(0, 1.0, False)]
    assert details.fresh.tolist() == [False, True]
    closed, details = closed_by(grid, [0, 0], [56.0, 61.0], [4.0, 9.0])
    assert closed == [(0, 3.0, True)]
    assert details.fresh.tolist() == [True, False]
    assert closed_by(grid, [0], [71.0], [0.0])[0] == [(0, 9.0, False)]


def test_intervals_begin_at_multiples_of_every_whenever_a_stream_began():
    grid = grid_of(1)
    assert closed_by(grid, [0, 0, 0], [-0.5, 0.0, 9.9], [1.0, 2.0, 3.0])[0] == [(0, 1.0, False)]


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_a_mean_is_the_same_to_the_last_bit_in_any_batches(size):
    value = np.random.default_rng(1).normal(20.0, 3.0, 500)
    time = np.arange(500.0)
    whole, split = grid_of(1, every=90.0), grid_of(1, every=90.0)
    expected = closed_by(whole, np.zeros(500, int), time, value)[0]
    got = []
    for a in range(0, 500, size):
        part = slice(a, a + size)
        got += closed_by(split, np.zeros(len(value[part]), int), time[part], value[part])[0]
    assert got == expected
    assert len(got) == 5


def test_each_closed_interval_is_told_with_the_sample_that_closed_it():
    _, closed = closed_by(grid_of(2), [0, 1, 0, 1, 0], [1.0, 2.0, 12.0, 13.0, 35.0], range(5))
    assert closed.stream.tolist() == [0, 1, 0, 0]
    assert closed.value.tolist() == [0.0, 1.0, 2.0, 2.0]  # the last one is held
    assert closed.time.tolist() == [0.0, 0.0, 10.0, 20.0]
    assert closed.sample.tolist() == [2, 3, 4, 4]


def naive(stream, time, value, every, resample, max_gap):
    open_ones, closed = {}, []
    for s, t, x in zip(stream, time, value, strict=True):
        k = math.floor(t / every)
        if s in open_ones and open_ones[s][0] != k:
            old, samples, restart = open_ones[s]
            y = samples[-1] if resample == "last" else sum(samples) / len(samples)
            gap = (k - old - 1) * every > max_gap
            closed += [(s, y, restart)] + [(s, y, False)] * (0 if gap else k - old - 1)
            open_ones[s] = k, [], gap
        open_ones.setdefault(s, (k, [], False))[1].append(x)
    return closed


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(-99, 99)), max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    every=st.sampled_from([1.0, 4.0, 10.0]),
    resample=st.sampled_from(["mean", "last"]),
    max_gap=st.sampled_from([0.0, 10.0, 40.0]),
)
def test_any_samples_in_any_split_close_what_a_plain_loop_closes(steps, cuts, every, resample, max_gap):
    stream = [s for s, _, _ in steps]
    time = np.cumsum([float(dt) for _, dt, _ in steps]).tolist()
    value = [float(x) for _, _, x in steps]
    grid, got = grid_of(4, every, resample, max_gap), []
    edges = sorted({0, len(steps), *(cut for cut in cuts if cut < len(steps))})
    for a, z in pairwise(edges):
        got += closed_by(grid, stream[a:z], time[a:z], value[a:z])[0]
    expected = naive(stream, time, value, every, resample, max_gap)
    assert [(s, restart) for s, _, restart in got] == [(s, restart) for s, _, restart in expected]
    np.testing.assert_allclose([y for _, y, _ in got], [y for _, y, _ in expected], atol=1e-9)
