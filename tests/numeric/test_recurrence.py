import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.recurrence import Runs, advance, previous


def plain(series, decay, increment, carry):
    """Return the recurrence of every series by the loop that defines it, in the order of the batch."""
    y, out = dict(carry), []
    for s, d, x in zip(series, decay, increment, strict=True):
        y[s] = d * y[s] + x
        out.append(y[s])
    return np.array(out)


class TestRuns:
    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.sampled_from([0, 1, 2, 5, 70_000]), min_size=1, max_size=40))
    def test_runs_gather_each_series_and_keep_its_order(self, series):
        runs = Runs.of(np.array(series, dtype=np.int32))
        assert runs.series.tolist() == sorted(set(series))
        for i, s in enumerate(runs.series):
            members = slice(runs.start[i], runs.end[i] + 1)
            assert runs.order[members].tolist() == [j for j, other in enumerate(series) if other == s]
            assert runs.run[members].tolist() == [i] * series.count(s)
            assert runs.rank[members].tolist() == list(range(series.count(s)))
            assert runs.length[i] == series.count(s)
        assert runs.longest == max(series.count(s) for s in series)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
    def test_inverse_puts_sorted_samples_back_in_order_of_arrival(self, series):
        runs = Runs.of(np.array(series))
        assert np.array(series)[runs.order][runs.inverse()].tolist() == series

    def test_spread_gives_each_sample_the_value_of_its_run(self):
        runs = Runs.of(np.array([7, 2, 7, 7, 2]))
        assert runs.spread(np.array([0.5, 1.5])).tolist() == [0.5, 0.5, 1.5, 1.5, 1.5]

    def test_linked_tells_which_samples_so_far_apart_are_of_one_run(self):
        runs = Runs.of(np.array([7, 2, 7, 7, 2]))  # sorted: 2 2 7 7 7
        assert runs.linked(1).tolist() == [1.0, 0.0, 1.0, 1.0]
        assert runs.linked(2).tolist() == [0.0, 0.0, 1.0]

    def test_of_nothing_there_are_no_runs(self):
        runs = Runs.of(np.zeros(0, dtype=np.int32))
        assert len(runs.order) == len(runs.series) == runs.longest == 0


class TestAdvance:
    @settings(max_examples=100, deadline=None)
    @given(
        seed=st.integers(0, 2**32 - 1),
        n=st.integers(1, 80),
        n_series=st.integers(1, 6),
        constant=st.none() | st.sampled_from([0.0, 0.5, 0.98, 1.0]),
    )
    def test_equals_the_plain_loop(self, seed, n, n_series, constant):
        rng = np.random.default_rng(seed)
        series = rng.integers(0, n_series, n)
        decay = rng.random(n) if constant is None else np.full(n, constant)
        increment, carry = rng.normal(size=n), rng.normal(size=n_series)
        runs = Runs.of(series)
        got = advance(
            decay[runs.order] if constant is None else constant,
            increment[runs.order],
            carry[runs.series],
            runs,
        )
        expected = plain(series, decay, increment, dict(enumerate(carry)))
        np.testing.assert_allclose(got[runs.inverse()], expected, rtol=1e-12, atol=1e-13)

    @settings(max_examples=50, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 80), n_series=st.integers(1, 40))
    @pytest.mark.parametrize("decay", [0.0, 0.5, 0.98])
    def test_one_decay_equals_the_same_given_to_each_sample(self, decay, seed, n, n_series):
        rng = np.random.default_rng(seed)
        runs = Runs.of(rng.integers(0, n_series, n))
        increment, carry = rng.normal(size=n), rng.normal(size=len(runs.series))
        one, each = advance(decay, increment, carry, runs), advance(np.full(n, decay), increment, carry, runs)
        np.testing.assert_allclose(one, each, rtol=1e-12, atol=1e-13)

    @pytest.mark.parametrize("n", [31, 33, 511, 512, 513, 543, 544, 545, 1000, 1024])
    @pytest.mark.parametrize("decay", [0.0, 0.9, 0.9999, 1.0])
    def test_one_long_run_equals_the_plain_loop(self, decay, n):
        rng = np.random.default_rng(n)
        increment, carry = rng.normal(size=n), rng.normal(size=1)
        got = advance(decay, increment, carry, Runs.of(np.zeros(n, dtype=np.int32)))
        expected = plain(np.zeros(n, dtype=int), np.full(n, decay), increment, {0: carry[0]})
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)

    def test_of_a_thousand_samples_the_last_remembers_the_first(self):
        runs = Runs.of(np.zeros(1000, dtype=np.int32))
        increment = np.zeros(1000)
        increment[0] = 1.0
        assert advance(0.99, increment, np.zeros(1), runs)[-1] == pytest.approx(0.99**999, rel=1e-12)

    @pytest.mark.parametrize("n_series", [1, 3])
    @pytest.mark.parametrize("by_sample", [False, True])
    def test_changes_no_argument(self, n_series, by_sample):
        runs = Runs.of(np.arange(12) % n_series)
        decay = np.full(12, 0.9) if by_sample else 0.9
        increment, carry = np.ones(12), np.ones(n_series)
        advance(decay, increment, carry, runs)
        assert np.all(increment == 1.0)
        assert np.all(carry == 1.0)
        assert np.all(np.asarray(decay) == 0.9)


def test_previous_is_the_value_one_sample_earlier_in_the_same_series():
    runs = Runs.of(np.array([1, 0, 1, 1, 0]))
    values = np.array([10.0, 11.0, 20.0, 21.0, 22.0])  # sorted: series 0 twice, series 1 three times
    assert previous(values, np.array([-1.0, -2.0]), runs).tolist() == [-1.0, 10.0, -2.0, 20.0, 21.0]


def test_previous_of_single_samples_is_what_came_before_the_batch():
    runs = Runs.of(np.array([1, 0]))
    assert previous(np.array([5.0, 6.0]), np.array([1.0, 2.0]), runs).tolist() == [1.0, 2.0]
