"""Shares by hand, and the properties that make a mixture safe."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.mixture import Hedge
from tests.numeric.feed import weigh

ERROR_LIMIT = 10.0  # of the nearest horizons


def weights_after(errors, hedge=None, first=0):
    """Feed one stream, one horizon with errors: (n, n_experts); return the weights, (n, n_experts)."""
    errors = np.asarray(errors, float)
    n = len(errors)
    hedge = hedge or Hedge((1,), errors.shape[1], 1)
    return weigh(hedge, 0, range(first, first + n), errors[:, None, :])[:, 0]


def shares(record, weight):
    """Return the weights by a record, (..., n_experts), of such a weight, (...)."""
    record = np.atleast_2d(record)
    hedge = Hedge((1,), record.shape[1], len(record))
    hedge.record[:, 0], hedge.weight[:, 0] = record, weight
    return hedge.shares()[:, 0].squeeze()


def test_shares_by_hand():
    # The best has lost 2 over a weight of 4, 1/2 each: the others are 2 and 8 mean losses behind.
    got = shares(np.array([2.0, 3.0, 6.0]), np.array(4.0))
    parts = np.array([1.0, math.exp(-0.15 * 2), math.exp(-0.15 * 8)])
    np.testing.assert_allclose(got, parts / parts.sum())


def test_an_expert_with_less_than_a_thousandth_of_the_bests_weight_is_left_out():
    behind = math.log(1000.0) / 0.15  # in mean losses
    assert shares(np.array([1.0, 1.0 + 0.99 * behind]), np.array(1.0))[1] > 0.0
    assert shares(np.array([1.0, 1.0 + 1.01 * behind]), np.array(1.0)).tolist() == [1.0, 0.0]


def test_all_experts_weigh_the_same_before_anything_is_known():
    assert shares(np.zeros((2, 4)), np.zeros(2)).tolist() == [[0.25] * 4] * 2
    assert weights_after(np.full((3, 4), np.nan)).tolist() == [[0.25] * 4] * 3


def test_an_expert_that_has_said_nothing_yet_has_to_earn_its_weight():
    rng = np.random.default_rng(1)
    errors = np.tile(rng.normal(size=(4000, 1)), (1, 3))
    errors[:, 2] *= 0.5  # better than the others, but not there before
    errors[:1500, 2] = np.nan
    weight = weights_after(errors)
    assert weight[100:1500, 2].max() < 0.01
    assert weight[1500, 2] == 0.0
    assert weight[-1, 2] > 0.99


def test_a_perfect_expert_takes_all():
    assert weights_after([[0.0, 1e-6, 1.0]])[-1].tolist() == [1.0, 0.0, 0.0]


def test_perfect_experts_share_equally():
    assert weights_after([[0.0, 0.0, 1.0]])[-1].tolist() == [0.5, 0.5, 0.0]


def test_a_hopeless_expert_is_dropped_and_returns_when_it_recovers():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(6000, 1))
    errors = np.tile(noise, (1, 2))
    errors[:1000, 1] *= 4.0
    errors[1000:, 0] *= 2.0  # now the other is better
    weight = weights_after(errors)
    assert weight[999].tolist() == [1.0, 0.0]
    assert weight[-1].tolist() == [0.0, 1.0]


def test_one_spike_is_not_the_whole_record():
    assert weights_after([[1.0, 1e300]])[-1].tolist() == weights_after([[1.0, ERROR_LIMIT]])[-1].tolist()
    calm = np.tile([[1.0, 2.0]], (500, 1))
    spiked = calm.copy()
    spiked[100] = 1e6, 1e6  # of both alike: no reason to trust the worse one
    assert weights_after(spiked)[-1][0] > 0.95


def test_a_step_that_none_foresaw_does_not_favour_who_leant_towards_it():
    # Far ahead errors are in units of many scales. One expert is twice as good, but the other's forecast lay
    # on the side that a step of 68 scales went to.
    errors = np.tile([0.1, 0.15], (600, 1))
    errors[500] = 68.0 / 48**0.5 + np.array([0.1, -0.15])
    weight = weights_after(errors, Hedge((48,), 2, 1))
    assert weight[501:, 0].min() > 0.9


def test_what_all_suffer_makes_no_expert_the_equal_of_a_better_one():
    # Losses are counted in mean losses of the best: a step that none foresaw must not make those larger.
    def weight_of_the_worse(step: float) -> float:
        errors = np.tile([1.0, 0.95], (4000, 1))
        errors[3000:3048] += step
        return float(weights_after(errors)[-1][0])

    assert weight_of_the_worse(9.0) == pytest.approx(weight_of_the_worse(0.0), abs=0.02)
    assert weight_of_the_worse(0.0) < 0.1


def test_streams_and_horizons_have_records_of_their_own():
    hedge = Hedge((1, 2), 2, 3)
    error = np.array([[[1.0, 5.0], [5.0, 1.0]]] * 20)
    weigh(hedge, 1, range(20), error)
    share = hedge.shares()
    assert share[0].tolist() == share[2].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert share[1, 0, 0] == share[1, 1, 1] > 0.9


def behind_of(record, weight):
    """How far the experts are behind the best, in its mean losses."""
    best = min(record)
    mean = max(best / max(weight, 1.0), 1e-300)
    return [(each - best) / mean for each in record]


def naive(errors, horizon):
    """One stream: the discounted sums as the docstrings say, sample by sample."""
    n, found = len(errors[0]), []
    record, weight, lately, lately_weight = [0.0] * n, 0.0, [0.0] * n, 0.0
    for number, row in enumerate(errors):
        decay = min(0.9985, 1.0 - 3.0 / (number + 4.0))
        quick = min(decay, 1.0 - 1.0 / (30.0 + 2.0 * horizon))
        limit = max(100.0 / horizon, 9.0)
        said = [min(e * e, limit) for e in row if not math.isnan(e)]
        known = bool(said)
        losses = [4.0 * max(said, default=0.0) if math.isnan(e) else min(e * e, limit) for e in row]
        common = max(min(losses) - 3.0, 0.0)  # what all of them suffer says nothing of any
        record = [decay * r + loss - common for r, loss in zip(record, losses, strict=True)]
        lately = [quick * r + loss - common for r, loss in zip(lately, losses, strict=True)]
        weight, lately_weight = decay * weight + known, quick * lately_weight + known
        pairs = zip(behind_of(record, weight), behind_of(lately, lately_weight), strict=True)
        behind = [slow + soon / horizon for slow, soon in pairs]
        parts = [part if (part := math.exp(-0.15 * (b - min(behind)))) >= 1e-3 else 0.0 for b in behind]
        found.append([part / sum(parts) for part in parts])
    return found


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 80),
    cuts=st.lists(st.integers(1, 79), max_size=5),
    size=st.sampled_from([0.01, 1.0, 50.0]),
    horizon=st.sampled_from([1, 24]),
)
def test_any_split_gives_what_a_plain_loop_gives(seed, n, cuts, size, horizon):
    rng = np.random.default_rng(seed)
    errors = size * rng.standard_t(2, size=(n, 3))
    errors[rng.random(n) < 0.2, 1] = np.nan
    errors[rng.random(n) < 0.2] = np.nan
    hedge, found = Hedge((horizon,), 3, 1), []
    for a, z in pairwise(sorted({0, n, *(cut for cut in cuts if cut < n)})):
        found += weights_after(errors[a:z], hedge, a).tolist()
    np.testing.assert_allclose(found, naive(errors.tolist(), horizon), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(np.sum(found, axis=1), 1.0)


@pytest.mark.parametrize("value", [0.0, 1e-200, 1e100])
def test_weights_are_finite_whatever_the_errors(value):
    weight = weights_after(np.tile([[value, 0.5 * value, 1.0]], (300, 1)))
    assert np.isfinite(weight).all()
