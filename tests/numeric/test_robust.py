"""What is believed of a stream's values, and the scale of its moves: by hand and by a plain loop."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.recurrence import Runs
from ewad.numeric.robust import RobustScale


def followed(value, cuts=(), known=None):
    """Return what is believed of one stream, and its scale, (n,) each."""
    value = np.asarray(value, float)
    if known is None:
        known = np.arange(len(value)) > 0
    scale, found = RobustScale(1), []
    for a, z in pairwise(sorted({0, len(value), *(cut for cut in cuts if cut < len(value))})):
        found.append(scale.update(Runs.of(np.zeros(z - a, int)), known[a:z], value[a:z]))
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def walk(n, seed=1, size=1.0):
    return 20.0 + size * np.random.default_rng(seed).normal(size=n).cumsum()


def test_the_scale_is_the_root_mean_square_of_the_moves():
    steady, scale = followed([5.0, 8.0, 4.0])
    assert steady.tolist() == [5.0, 8.0, 4.0]
    mean = (0.9999 * 9.0 + 16.0) / 1.9999
    np.testing.assert_allclose(scale, [1.0, 3.0, math.sqrt(mean)])


def test_a_constant_stream_is_believed_and_has_scale_1():
    steady, scale = followed(np.full(100, 21.5))
    assert set(steady) == {21.5}
    assert set(scale) == {1.0}


def test_the_first_move_of_a_constant_stream_is_believed():
    steady, _ = followed([5.0] * 50 + [1e9])
    assert steady[-1] == 1e9


def test_a_lone_spike_moves_50_scales_is_gone_with_the_next_sample_and_leaves_the_scale_nearly_alone():
    value = walk(1000)
    spiked = value.copy()
    spiked[500] = 1e6
    steady, scale = followed(spiked)
    plain_steady, plain_scale = followed(value)
    assert steady[500] - steady[499] == pytest.approx(50.0 * plain_scale[499])
    assert np.delete(steady, 500).tolist() == np.delete(plain_steady, 500).tolist()
    np.testing.assert_allclose(scale, plain_scale, rtol=0.06)


@pytest.mark.parametrize("spikes", [1, 5])
def test_spikes_apart_from_each_other_hardly_widen_the_scale(spikes):
    value = walk(2000)
    spiked = value.copy()
    spiked[np.linspace(100, 1900, spikes).astype(int)] = -1e6
    np.testing.assert_allclose(followed(spiked)[1][-1], followed(value)[1][-1], rtol=0.2)


@pytest.mark.parametrize("period", [2, 7])
def test_pulses_that_go_on_come_to_be_believed(period):
    value = 20.0 + 0.01 * np.random.default_rng(1).normal(size=2000)
    value[500::period] += 10.0
    steady, _ = followed(value)
    assert np.array_equal(steady[-500:], value[-500:])


@pytest.mark.parametrize(("jump", "samples"), [(60.0, 2), (1e3, 5), (1e6, 15)])
def test_a_step_is_followed_within_a_few_samples(jump, samples):
    # after k samples in a row at most 50 * (2**k - 1) scales, and those grow meanwhile
    value = walk(1000)
    value[500:] += jump
    steady, _ = followed(value)
    late = np.flatnonzero(steady != value)
    assert 500 in late
    assert late.max() < 500 + samples


def test_a_change_of_unit_upwards_takes_the_scale_along():
    value = walk(1000)
    value[500:] *= 1000.0
    steady, scale = followed(value)
    assert np.array_equal(steady[520:], value[520:])
    assert 100.0 < scale[520] / scale[499] < 10_000.0


def test_a_change_of_unit_downwards_is_believed_at_once_and_the_scale_follows_slowly():
    value = walk(3000)
    value[500:] /= 1000.0
    steady, scale = followed(value)
    assert np.array_equal(steady[502:], value[502:])
    moves = np.diff(steady) ** 2  # the scale's memory is 10,000 samples
    assert scale[-1] >= 0.9 * math.sqrt(moves.mean())


def test_a_sample_that_continues_nothing_is_believed_as_it_is_and_moves_no_scale():
    value = walk(200)
    value[100:] += 1e6
    known = np.arange(200) > 0
    known[100] = False
    steady, scale = followed(value, known=known)
    assert np.array_equal(steady, value)
    np.testing.assert_allclose(scale[-1], followed(walk(200))[1][-1], rtol=0.02)


def naive(value, known):
    last, square, weight, streak, found = 0.0, 0.0, 0.0, 0, []
    for x, here in zip(value, known, strict=True):
        move = x - last if here else 0.0
        scale = math.sqrt(square / max(weight, 1.0))
        limit = 50.0 * scale * 2.0**streak
        wild = abs(move) > limit > 0.0
        alone = streak + wild == 1
        if wild:
            move = math.copysign(limit, move)
        last, streak = (last + move, streak + 1) if wild else (x, 0)
        move = min(abs(move), 5.0 * scale) if alone else move
        if here:
            square, weight = 0.9999 * square + move * move, 0.9999 * weight + 1.0
        found.append((last, math.sqrt(square / max(weight, 1.0)) if square else 1.0))
    return zip(*found, strict=True)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 120),
    cuts=st.lists(st.integers(1, 119), max_size=8),
    tail=st.sampled_from([0.5, 1.0, 3.0]),
    gaps=st.sampled_from([0.0, 0.1]),
    quantum=st.sampled_from([0.0, 1.0]),
)
def test_any_split_gives_what_a_plain_loop_gives(seed, n, cuts, tail, gaps, quantum):
    rng = np.random.default_rng(seed)
    value = np.cumsum(rng.standard_t(tail, size=n))
    value = np.round(value) if quantum else value
    known = (np.arange(n) > 0) & (rng.random(n) >= gaps)
    steady, scale = followed(value, cuts, known)
    expected_steady, expected_scale = naive(value.tolist(), known.tolist())
    np.testing.assert_allclose(steady, expected_steady, rtol=1e-9)
    np.testing.assert_allclose(scale, expected_scale, rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 90))
def test_streams_side_by_side_are_followed_as_if_each_were_alone(seed, n):
    rng = np.random.default_rng(seed)
    stream = rng.integers(0, 3, n)
    value = np.cumsum(rng.standard_t(1, size=n))
    runs = Runs.of(stream)
    known = runs.rank > 0
    steady, scale = RobustScale(3).update(runs, known, value[runs.order])
    for run, series in enumerate(runs.series):
        mine = runs.run == run
        alone = followed(value[stream == series])
        np.testing.assert_allclose(steady[mine], alone[0], rtol=1e-9)
        np.testing.assert_allclose(scale[mine], alone[1], rtol=1e-9)
