"""Calibration by hand, against a plain loop, and on what it is for: forecasts that only look right."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.calibration import Calibration
from ewad.numeric.mixture import decay_after, decays_after
from ewad.numeric.recurrence import Runs


def shares(promised, came, horizons=(1,), cuts=()):
    """Return the share after each sample of one stream; promised, came: (n,) or (n, n_horizons)."""
    promised, came = (np.asarray(change, float).reshape(len(change), -1) for change in (promised, came))
    calibration, found = Calibration(horizons, 1), []
    for a, z in pairwise(sorted({0, len(promised), *cuts})):
        runs = Runs.of(np.zeros(z - a, np.int64))
        changes = np.stack([promised[a:z], came[a:z]], axis=2)
        found.append(calibration.update(runs, np.arange(a, z), decays_after(np.arange(a, z)), changes))
    return np.concatenate(found)


def naive(promised, came, horizon):
    square = agreed = moved = weight = 0.0
    found, share = [], 1.0
    for number, (p, c) in enumerate(zip(promised, came, strict=True)):
        known = not (math.isnan(p) or math.isnan(c))
        p, c = (min(max(x, -3.0), 3.0) if known else 0.0 for x in (p, c))
        decay = min(0.9985, 1.0 - 3.0 / (number + 4.0))
        square, agreed = decay * square + p * p, decay * agreed + p * c
        moved, weight = decay * moved + c * c, decay * weight + known
        if number % 4 == 0:
            share = 1.0
            if square > 0.0:
                noise = horizon * moved / weight
                slope = min(max(agreed / (square + noise), 0.0), 1.0)
                evidence = agreed / math.sqrt(square * noise) if noise else 0.0
                doubt = min(max(2.0 - evidence, 0.0), 1.0) * min(0.0015 * weight, 1.0) ** 2
                share = 1.0 - (1.0 - slope) * doubt
        found.append(share)
    return found


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 120),
    cuts=st.lists(st.integers(1, 119), max_size=5),
    slope=st.sampled_from([-1.0, 0.0, 0.3, 1.0]),
    size=st.sampled_from([1e-6, 1.0, 20.0]),
)
def test_any_split_gives_what_a_plain_loop_gives(seed, n, cuts, slope, size):
    rng = np.random.default_rng(seed)
    promised = size * rng.normal(size=(n, 2))
    came = slope * promised + rng.normal(size=(n, 2))
    promised[rng.random((n, 2)) < 0.2] = np.nan
    came[rng.random((n, 2)) < 0.1] = 0.0
    found = shares(promised, came, (1, 6), [cut for cut in cuts if cut < n])
    for i, horizon in enumerate((1, 6)):
        np.testing.assert_allclose(
            found[:, i], naive(promised[:, i], came[:, i], horizon), rtol=1e-7, atol=1e-9
        )
    assert ((found >= 0.0) & (found <= 1.0)).all()


def test_one_sample_at_a_time_gives_the_same():
    rng = np.random.default_rng(1)
    promised, came = rng.normal(size=400), rng.normal(size=400)
    promised[::7], came[5] = np.nan, 1e9
    calibration = Calibration((3,), 2)
    alone = [
        calibration.update_one(1, i, decay_after(i), *pair)
        for i, pair in enumerate(zip(promised, came, strict=True))
    ]
    np.testing.assert_allclose(alone, shares(promised, came, (3,))[:, 0], rtol=1e-9)
    assert not calibration.record[0].any()  # the other stream knows of nothing


def test_what_comes_true_is_followed_in_full():
    promised = np.random.default_rng(2).normal(size=3000)
    assert shares(promised, promised)[-1, 0] == 1.0


@pytest.mark.parametrize("slope", [0.0, -0.5])
def test_what_does_not_is_hardly_followed_once_the_record_is_old(slope):
    rng = np.random.default_rng(3)
    promised = 0.3 * rng.normal(size=6000)
    found = shares(promised, slope * promised + rng.normal(size=6000))[:, 0]
    assert found[:20].min() > 0.99  # a young record is no reason to doubt
    assert found[3000:].mean() < 0.15


def test_of_forecasts_further_ahead_more_is_asked():
    # Their errors overlap: as many samples are fewer witnesses.
    rng = np.random.default_rng(4)
    promised = rng.normal(size=3000)
    came = 0.15 * promised + rng.normal(size=3000)
    near, far = shares(np.column_stack([promised] * 2), np.column_stack([came] * 2), (1, 48))[-1]
    assert near == 1.0
    assert far < 0.3


def test_nothing_known_is_no_reason_to_doubt():
    assert shares([np.nan, 0.0, np.nan], [1.0, 1.0, np.nan])[:, 0].tolist() == [1.0, 1.0, 1.0]
