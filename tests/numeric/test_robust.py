"""What is believed of a stream's values, and the scale of its moves: by hand and by a plain loop."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.robust import RobustScale
from tests.numeric.feed import Believed, believe


def followed(value, cuts=(), known=None):
    """Return what is believed of one stream, (n,) each."""
    value = np.asarray(value, float)
    if known is None:
        known = np.arange(len(value)) > 0
    scale, found = RobustScale(1), []
    for a, z in pairwise(sorted({0, len(value), *(cut for cut in cuts if cut < len(value))})):
        found.append(believe(scale, np.zeros(z - a, int), known[a:z], value[a:z]))
    return Believed(*(np.concatenate(part) for part in zip(*found, strict=True)))


def walk(n, seed=1, size=1.0):
    return 20.0 + size * np.random.default_rng(seed).normal(size=n).cumsum()


def test_the_scale_is_the_root_mean_square_of_the_moves():
    steady, expected, scale, _ = followed([5.0, 8.0, 4.0])
    assert steady.tolist() == expected.tolist() == [5.0, 8.0, 4.0]
    mean = (0.9999 * 9.0 + 16.0) / 1.9999
    np.testing.assert_allclose(scale, [1.0, 3.0, math.sqrt(mean)])


def test_a_constant_stream_is_believed_and_has_scale_1():
    steady, _, scale, evenness = followed(np.full(100, 21.5))
    assert set(steady) == {21.5}
    assert set(scale) == set(evenness) == {1.0}


def test_values_that_differ_in_their_last_bits_have_not_moved():
    rounded = np.tile([21.3, np.nextafter(21.3, 22.0), np.nextafter(21.3, 21.0), 21.3], 100)
    assert set(followed(rounded).scale) == {1.0}
    some = walk(100)
    for cuts in ((), range(600)):
        last_bits = followed([*some, *rounded, 21.6], cuts)
        none = followed([*some, *np.full(400, 21.3), 21.6], cuts)
        np.testing.assert_allclose(last_bits, none, rtol=1e-12)
        assert last_bits.steady[-1] == 21.6


def test_a_unit_is_no_finer_than_the_rounding_of_its_value():
    tiny = 1e-160 * np.sin(np.arange(50.0))
    for cuts in ((), range(60)):
        scale = followed([*tiny, 1e150, 1.0], cuts).scale
        assert scale[-2:].tolist() == [2.0**-46 * 1e150, 2.0**-46]


def test_normal_moves_are_even_and_those_of_heavy_tails_are_not():
    # Of Student's t with 5 degrees of freedom the mean size is (8 / 3) sqrt(5) / (2 pi), the variance 5 / 3.
    rng = np.random.default_rng(1)
    assert followed(np.cumsum(rng.normal(size=20_000))).evenness[-1] == pytest.approx(1.0, abs=0.02)
    assert followed(np.cumsum(rng.standard_t(5, 20_000))).evenness[-1] == pytest.approx(
        8 / 3 / math.pi, abs=0.03
    )


def test_in_coarse_steps_a_walk_moves_as_far_in_the_mean_but_less_evenly():
    # A step of 5 in a fifth of the moves at most: the mean square is larger than it is without steps.
    fine = walk(20_000)
    got = followed(5.0 * np.round(fine / 5.0))
    assert got.scale[-1] > 1.8
    assert got.scale[-1] * math.sqrt(got.evenness[-1]) == pytest.approx(1.0, rel=0.05)


def test_the_first_move_of_a_constant_stream_is_believed():
    assert followed([5.0] * 50 + [1e9]).steady[-1] == 1e9


def test_a_lone_spike_is_not_believed_and_leaves_the_scale_nearly_alone():
    value = walk(1000)
    spiked = value.copy()
    spiked[500] = 1e6
    plain, got = followed(value), followed(spiked)
    assert got.steady[500] == value[499]
    assert np.delete(got.steady, 500).tolist() == np.delete(value, 500).tolist()
    np.testing.assert_allclose(got.scale, plain.scale, rtol=0.06)


def test_of_doubted_values_as_many_are_expected_to_stay_as_have_stayed():
    value = np.tile([20.0, 21.0], 500)
    value[100:700:100] = 1021.0  # six spikes
    value[800:] += 1000.0  # and a step
    value[900] = 3020.0
    steady, expected, *_ = followed(value)
    at = [100, 200, 300, 400, 500, 600, 800, 900]
    towards = (expected - steady)[at] / (value - steady)[at]
    np.testing.assert_allclose(towards, 1 / np.array([1, 2, 3, 4, 5, 6, 7, 4]))
    believed = value == steady
    assert expected[believed].tolist() == value[believed].tolist()


@pytest.mark.parametrize("spikes", [1, 5])
def test_spikes_apart_from_each_other_hardly_widen_the_scale(spikes):
    value = walk(2000)
    spiked = value.copy()
    spiked[np.linspace(100, 1900, spikes).astype(int)] = -1e6
    np.testing.assert_allclose(followed(spiked).scale[-1], followed(value).scale[-1], rtol=0.2)


def test_opposite_spikes_in_a_row_are_not_believed():
    value = walk(1000)
    spiked = value.copy()
    spiked[500:503] = 1e6, -1e6, 1e5
    assert (
        np.delete(followed(spiked).steady, [500, 501, 502]).tolist()
        == np.delete(value, [500, 501, 502]).tolist()
    )
    assert set(followed(spiked).steady[500:503]) == {value[499]}


def test_a_switch_that_hardly_ever_moves_is_believed_and_keeps_its_scale():
    value = (np.arange(200_000) // 300 % 2).astype(float)
    steady, _, scale, _ = followed(value)
    assert np.array_equal(steady, value)
    assert scale[-1] > 0.5 * 300**-0.5


@pytest.mark.parametrize("period", [2, 7])
def test_pulses_that_go_on_come_to_be_believed(period):
    value = 20.0 + 0.01 * np.random.default_rng(1).normal(size=2000)
    value[500::period] += 10.0
    assert np.array_equal(followed(value).steady[-500:], value[-500:])


@pytest.mark.parametrize("jump", [60.0, 1e3, 1e6, -1e12])
def test_a_step_is_believed_with_the_second_sample_and_hardly_widens_the_scale(jump):
    value = walk(1000)
    scale = followed(value).scale
    value[500:] += jump
    steady, _, got, _ = followed(value)
    assert np.flatnonzero(steady != value).tolist() == [500]
    np.testing.assert_allclose(got, scale, rtol=0.12)


def test_a_change_of_unit_upwards_takes_the_scale_along():
    value = walk(1000)
    value[500:] *= 1000.0
    steady, _, scale, _ = followed(value)
    assert np.array_equal(steady[520:], value[520:])
    assert 100.0 < scale[520] / scale[499] < 10_000.0


@pytest.mark.parametrize("unit", [15.0, 30.0, 1e3, 1e9])
def test_a_change_of_unit_downwards_has_taken_the_scale_along_after_200_samples(unit):
    value = walk(3000)
    value[500:] /= unit
    steady, _, scale, _ = followed(value)
    assert np.array_equal(steady[502:], value[502:])
    moves = np.diff(value)[500:]
    np.testing.assert_allclose(scale[700:], math.sqrt((moves**2).mean()), rtol=0.35)


def test_moves_a_fifth_as_large_leave_the_scale_to_its_long_memory():
    value = np.append(walk(500), walk(500, size=0.2))
    assert followed(value).scale[-1] > 0.6 * followed(value).scale[499]


def test_a_stretch_without_any_move_leaves_the_scale_to_its_long_memory():
    value = np.append(walk(500), np.full(5000, 20.0))
    assert followed(value).scale[-1] > 0.2 * followed(value).scale[499]  # 500 moves of 5,500 samples


def test_a_sample_that_continues_nothing_is_believed_as_it_is_and_moves_no_scale():
    value = walk(200)
    value[100:] += 1e6
    known = np.arange(200) > 0
    known[100] = False
    steady, _, scale, _ = followed(value, known=known)
    assert np.array_equal(steady, value)
    np.testing.assert_allclose(scale[-1], followed(walk(200)).scale[-1], rtol=0.02)


def naive(value, known):
    """One stream, sample by sample: its state are the samples, and what is made of them."""
    steady, last, square, size, weight, recent, streak, stayed, returned = *[0.0] * 6, 0, 0, 0
    for x, here in zip(value, known, strict=True):
        move = abs(x - steady) if here else 0.0
        scale = math.sqrt(square / max(weight, 1.0))
        wild = scale > 0.0 and move > 20.0 * max(scale, math.sqrt(recent))
        doubted = here and last != steady
        confirmed = doubted and abs(x - last) < abs(x - steady)
        stayed, returned = stayed + confirmed, returned + (doubted and not wild and not confirmed)
        streak = streak + 1 if wild else 0
        steady, last = (x if confirmed or not wild else steady), x
        if here:
            if wild:
                move = min(move, 7.0 * scale * 2.0 ** max(0, streak - 2))
            square, weight = 0.9999 * square + move**2, 0.9999 * weight + 1.0
            size = 0.9999 * size + move
            recent = 0.9 * recent + 0.1 * move**2 if move else recent
            if move and recent < square / weight / 100.0:
                square, size, weight = move**2, move, 1.0
        expected = steady + (x - steady) * (1 + stayed) / (1 + stayed + returned)
        even = min(math.pi / 2 * (size / weight) ** 2 / (square / weight), 1.0) if square else 1.0
        yield steady, expected, math.sqrt(square / max(weight, 1.0)) if square else 1.0, even


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 400),
    cuts=st.lists(st.integers(1, 399), max_size=8),
    tail=st.sampled_from([0.5, 1.0, 3.0]),
    gaps=st.sampled_from([0.0, 0.1]),
    quantum=st.sampled_from([0.0, 1.0]),
    unit=st.sampled_from([1.0, 1e-6]),
)
def test_any_split_gives_what_a_plain_loop_gives(seed, n, cuts, tail, gaps, quantum, unit):
    rng = np.random.default_rng(seed)
    value = np.cumsum(rng.standard_t(tail, size=n))
    value = np.round(value) if quantum else value
    value[n // 4 :] *= unit
    known = (np.arange(n) > 0) & (rng.random(n) >= gaps)
    got = followed(value, cuts, known)
    for mine, theirs in zip(got, zip(*naive(value.tolist(), known.tolist()), strict=True), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 90))
def test_streams_side_by_side_are_followed_as_if_each_were_alone(seed, n):
    rng = np.random.default_rng(seed)
    stream = rng.integers(0, 3, n)
    value = np.cumsum(rng.standard_t(1, size=n))
    known = np.array([series in stream[:i] for i, series in enumerate(stream)])
    together = believe(RobustScale(3), stream, known, value)
    for series in np.unique(stream):
        mine = stream == series
        alone = followed(value[stream == series])
        for one, of_three in zip(alone, together, strict=True):
            np.testing.assert_allclose(of_three[mine], one, rtol=1e-9)
