"""Calibration by hand, against a plain loop, and on what it is for: forecasts that only look right."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.calibration import Calibration
from tests.numeric.feed import calibrate

HOUR, DAY, YEAR = 3600.0, 86_400.0, 365.25 * 86_400.0


def shares(promised, came, horizons=(1,), cuts=(), every=HOUR, evenness=1.0):
    """Return the share after each sample of one stream; promised, came: (n,) or (n, n_horizons)."""
    promised, came = (np.asarray(change, float).reshape(len(change), -1) for change in (promised, came))
    calibration, found = Calibration(horizons, 1), []
    for a, z in pairwise(sorted({0, len(promised), *cuts})):
        number = np.arange(a, z)
        times = 1e9 + every * number
        found.append(calibrate(calibration, 0, number, times, evenness, promised[a:z], came[a:z]))
    return np.concatenate(found)


def test_promises_that_are_but_rounding_are_none():
    # They may well look right, and sums that are scale-free take them for as good as any.
    came = np.random.default_rng(3).normal(size=400)
    assert shares(1e-16 * came, came).max() == 0.0
    assert shares(1e-3 * came, came)[-1, 0] == 1.0
    calibration = Calibration((1,), 1)
    number = np.arange(400)
    assert (
        calibrate(calibration, 0, number, HOUR * number, 1.0, 1e-16 * came[:, None], came[:, None]).max()
        == 0.0
    )
    assert calibration.record[0, [0, 2, 3, 5, 6, 7], 0].tolist() == [0.0] * 6


@pytest.mark.parametrize("rounding", [-1e-15, 0.0, 1e-15])
def test_what_is_twice_as_far_as_what_came_is_neither_nearer_nor_farther_off(rounding):
    came = np.tile([1.0, -1.0], 200)
    for horizons in ((1,), (1, 2)):
        calibration = Calibration(horizons, 1)
        moves, number = came[:, None].repeat(len(horizons), axis=1), np.arange(len(came))
        calibrate(calibration, 0, number, HOUR * number, 1.0, 2.0 * moves + rounding, moves)
        assert not calibration.record[0, 7].any()


def test_a_record_begins_with_the_first_sample_that_counts():
    # As of a model that is new where its streams are not: samples 5 to 11 come, and 8 is the first to count.
    calibration, number, nothing = Calibration((1,), 2), np.arange(5, 12), np.full((7, 1), np.nan)
    calibrate(calibration, 1, number, 1e9 + HOUR * number, 1.0, nothing, nothing)
    assert calibration.began[1] == 1e9 + 8 * HOUR
    assert np.isnan(calibration.began[0])
    assert not calibration.record[0].any()  # the other stream knows of nothing


def rare_ratio(samples, horizon):
    """Return the variance ratio that one walk in 100 falls short of."""
    variance = math.log(1.0 + 3.0 * horizon / samples)
    return math.exp(-variance / 2 - 2.33 * math.sqrt(variance))


def naive(promised, came, horizon, every=HOUR, evenness=1.0, near=0, came_near=None):
    """Return the share after each sample.  near: 1 where that was forecast too; came_near: its changes."""
    square = agreed = moved = spread = weight = lately = rightly = moved_near = lost = 0.0
    found, share = [], 0.0
    for number, (p, c) in enumerate(zip(promised, came, strict=True)):
        known = not (math.isnan(p) or math.isnan(c))
        p, c = (min(max(x, -3.0), 3.0) if known else 0.0 for x in (p, c))
        young = 1.0 - 3.0 / (number + 4.0)
        decay, quick = min(0.9998, young), min(0.996, young)
        square, agreed = decay * square + p * p, decay * agreed + p * c
        moved, weight = decay * moved + c * c, decay * weight + known
        spread = decay * spread + (p * c) ** 2
        lately, rightly = quick * lately + p * p, quick * rightly + p * c
        lost = min(0.98, young) * lost + float(np.sign(abs(c - p) - abs(c)) if abs(p) > 1e-9 else 0.0)
        if near:
            moved_near = decay * moved_near + (min(max(came_near[number], -3.0), 3.0) ** 2 if known else 0.0)
        if number % 4 == 0:
            share = 0.0
            ratio = moved / weight / evenness if weight else 0.0
            young = every > DAY / 2 and 0 < every * number < 2 * YEAR
            if young and weight >= horizon and ratio < rare_ratio(4 * weight, horizon):
                share = 1.0
            elif square > 0.0 and moved > 0.0:
                growth = 2.0 * horizon / (horizon - near) * (1.0 - near * moved_near / (horizon * moved))
                step = (moved_near if near else moved) / weight  # of one sample to the next, both times
                ratio *= evenness / min(evenness, step) if step else math.inf
                overlap = horizon * min(ratio, 1.0, max(growth, moved / weight))
                variance = overlap * spread  # of the sum of p * c
                trust = min(max(agreed / math.sqrt(variance) - 1.7, 0.0), 1.0) if variance else 0.0
                slope = (rightly + 0.5 * math.sqrt(lately * variance / square)) / lately
                share = trust * min(max(slope, 0.0), 1.0)
            share *= min(max((46.0 - lost) / 6.0, 0.0), 1.0)
        found.append(share)
    return found


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 120),
    cuts=st.lists(st.integers(1, 119), max_size=5),
    slope=st.sampled_from([-1.0, 0.0, 0.3, 1.0]),
    size=st.sampled_from([1e-6, 1.0, 20.0]),
    every=st.sampled_from([60.0, 5 * DAY]),
    evenness=st.sampled_from([0.1, 1.0]),
)
def test_any_split_gives_what_a_plain_loop_gives(seed, n, cuts, slope, size, every, evenness):
    rng = np.random.default_rng(seed)
    promised = size * rng.normal(size=(n, 2))
    came = slope * promised + rng.normal(size=(n, 2))
    promised[rng.random(n) < 0.2] = np.nan
    came[rng.random((n, 2)) < 0.1] = 0.0
    came[:, 1] *= 0.4
    found = shares(promised, came, (1, 6), [cut for cut in cuts if cut < n], every, evenness)
    for i, (horizon, near) in enumerate(((1, 0), (6, 1))):
        expected = naive(promised[:, i], came[:, i], horizon, every, evenness, near, came[:, 0])
        np.testing.assert_allclose(found[:, i], expected, rtol=1e-7, atol=1e-9)
    assert ((found >= 0.0) & (found <= 1.0)).all()


def test_what_comes_true_is_followed_in_full():
    promised = np.random.default_rng(2).normal(size=3000)
    assert shares(promised, promised)[-1, 0] == 1.0


def test_what_promises_twice_as_much_as_comes_is_followed_half():
    rng = np.random.default_rng(2)
    promised = rng.normal(size=6000)
    found = shares(promised, 0.5 * promised + 0.1 * rng.normal(size=6000))[3000:, 0]
    assert found.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("slope", [0.0, -0.5])
def test_what_does_not_come_true_is_not_followed(slope):
    rng = np.random.default_rng(3)
    promised = 0.3 * rng.normal(size=6000)
    assert shares(promised, slope * promised + rng.normal(size=6000)).mean() < 0.01


def test_daily_samples_that_keep_to_a_level_are_not_doubted_for_two_years():
    rng = np.random.default_rng(3)
    promised, came = rng.normal(size=(2, 2000))
    promised *= 0.03  # or else persistence would be nearer nearly always
    level, walk = (shares(promised, size * came, (48,), every=DAY)[:, 0] for size in (48**-0.5, 1.0))
    assert level[200:728].tolist() == [1.0] * 528
    assert level[732:].mean() < 0.05
    assert walk.mean() < 0.01
    assert shares(promised, came, every=DAY).mean() < 0.01  # nor the next one


def test_daily_samples_are_doubted_before_anything_is_known():
    assert not shares([np.nan] * 100, [1.0] * 100, (48,), every=DAY).any()
    assert not shares([1.0] * 40, [0.0] * 40, (48,), every=DAY).any()


def test_what_jumps_back_to_where_it_was_is_no_walk():
    # Teeth of a saw, 50 samples long: their few large moves look like a walk's, but 24 and 48 steps ahead of
    # a tooth lies the same tooth.
    rng, n = np.random.default_rng(5), 4000
    saw = np.arange(n + 48) % 50 / 5.0 + 0.1 * rng.normal(size=n + 48)
    came = np.stack([saw[48:] - saw[48 - h : n + 48 - h] for h in (24, 48)], axis=1) / np.sqrt([24, 48]) / 1.4
    promised = 0.5 * came + 0.3 * rng.normal(size=came.shape)
    alone, beside = (
        shares(promised[:, 1], came[:, 1], (48,), evenness=0.05),
        shares(promised, came, (24, 48), evenness=0.05),
    )
    assert alone[2000:, 0].mean() < beside[2000:, 1].mean() - 0.1


@pytest.mark.parametrize(("samples", "horizon"), [(100, 6), (365, 48), (547, 6), (2000, 48)])
def test_of_100_walks_one_has_so_small_a_variance_ratio(samples, horizon):
    # As the record sees it: weighted by the cube of the number, of overlapping changes.
    walks = np.cumsum(np.random.default_rng(1).normal(size=(2000, samples)), axis=1)
    change = walks[:, horizon:] - walks[:, :-horizon]
    ratio = np.average(change**2, axis=1, weights=np.arange(horizon, samples) ** 3.0) / horizon
    assert 0.003 < np.mean(ratio < rare_ratio(samples, horizon)) < 0.03


def test_a_pattern_that_has_stopped_is_not_followed_for_long():
    # Nothing comes any more of what is still promised: the sums of squares of 250 samples would say so late.
    rng = np.random.default_rng(6)
    promised = np.where(np.arange(1400) < 1000, 1.0, 0.02) * rng.normal(size=1400)
    found = shares(promised, np.where(np.arange(1400) < 1000, promised, 0.0))[:, 0]
    assert (found[500:1000] == 1.0).all()
    assert not found[1190:].any()


def test_of_forecasts_further_ahead_more_is_asked():
    # Their errors overlap: as many samples are fewer witnesses.
    rng = np.random.default_rng(4)
    promised = rng.normal(size=3000)
    came = 0.15 * promised + rng.normal(size=3000)
    near, far = shares(np.column_stack([promised] * 2), np.column_stack([came] * 2), (1, 48))[-1]
    assert near > 0.1
    assert far == 0.0


def test_where_values_come_back_to_a_level_far_errors_are_more_witnesses():
    # Changes over 48 steps no larger than those over one: nothing like a walk.
    rng = np.random.default_rng(4)
    promised = rng.normal(size=3000)
    came = 0.5 * promised + rng.normal(size=3000)
    walk, level = (shares(size * promised, size * came, (48,))[-1, 0] for size in (1.0, 48**-0.5))
    assert walk == 0.0
    assert level > 0.4


def test_a_walk_that_has_calmed_down_is_still_a_walk():
    # Beside a scale that still knows of larger moves its changes over 48 steps look like those of a level:
    # those over one step tell that they do not.
    rng = np.random.default_rng(4)
    promised = 0.3 * rng.normal(size=(3000, 2))
    came = 0.5 * promised + 0.3 * rng.normal(size=(3000, 2))
    alone, beside = shares(promised[:, 1], came[:, 1], (48,))[-1, 0], shares(promised, came, (1, 48))[-1, 1]
    level = shares(promised, came * [48**0.5, 1.0], (1, 48))[-1, 1]
    assert alone > 0.2
    assert beside == 0.0
    assert level == alone


def test_nothing_is_followed_before_anything_is_known():
    assert shares([np.nan, 0.0, np.nan], [1.0, 1.0, np.nan])[:, 0].tolist() == [0.0, 0.0, 0.0]
