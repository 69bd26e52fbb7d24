"""Anomaly scores mean what they say, and streams at rest are found: through the engine's own rows."""

import numpy as np
import pytest

from ewad.numeric.anomaly import REASONS, Anomalies, AnomalyPolicy, Rests
from tests.numeric.naive_anomaly import NaiveScore

N = 20_000
RANDOM = np.random.default_rng(7)
QUIET = {
    "normal": RANDOM.normal(size=N),
    "two-sided exponential": RANDOM.laplace(size=N),
    "heavy tails": RANDOM.standard_t(3, size=N),
    "skewed": np.exp(RANDOM.normal(size=N)),
    "random walk": np.cumsum(RANDOM.normal(size=N)),
    "a season": 10.0 * np.sin(np.arange(N) / 40.0) + RANDOM.normal(size=N),
    "coarse": np.round(RANDOM.normal(size=N)),
}


def average_before(value, beta=0.9):
    """Return what an average of the values before each of them is; NaN before the first."""
    mean, weight, found = np.nan, 0.0, []
    for x in value.tolist():
        found.append(mean)
        weight = 1.0 + beta * weight
        mean = x if weight == 1.0 else mean + (x - mean) / weight
    return found


def scored(value, policy=None, step=60.0):
    """Return the score of each value, samples a minute apart, and the rows that it comes from."""
    anomalies = Anomalies(policy or AnomalyPolicy(), 1)
    observe = anomalies.step.observe
    pairs = zip(value.tolist(), average_before(value), strict=True)
    return np.array([observe(0, x, expected, step) for x, expected in pairs]), anomalies


def noise(n=1000, seed=3):
    return 20.0 + np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize("name", QUIET)
def test_of_quiet_samples_about_one_in_a_thousand_scores_above_1(name):
    score, anomalies = scored(QUIET[name])
    # where a walk leaves all that it has seen, several samples in a row do
    assert np.mean(score[1000:] > 1.0) < (0.005 if name == "random walk" else 0.002)
    assert anomalies.alarms[0] <= 1.1e-3 * N + 5  # the first few samples tell less of a tail
    assert np.mean(score[1000:] > 0.5) > 0.0005  # nor is it deaf


def test_a_young_stream_is_not_unusual_because_its_range_is_young():
    """Any value may leave a young range: where that counted whole, six in 1,000 samples were an anomaly."""
    alarms = sum(scored(noise(500, seed))[1].alarms[0] for seed in range(40))
    assert alarms <= 3.5e-3 * 40 * 400


@pytest.mark.parametrize("name", QUIET)
def test_scores_equal_those_of_the_definition(name):
    value = QUIET[name][:12_000].copy()
    value[5000::1700] += 40.0 * np.std(value)
    naive = NaiveScore()
    pairs = zip(value.tolist(), average_before(value), strict=True)
    expected = [naive.take(x, before) for x, before in pairs]
    np.testing.assert_allclose(scored(value)[0], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_no_score_before_the_100th_sample_and_one_from_then_on(seed):
    score, _ = scored(noise(150, seed))
    assert np.isnan(score[:99]).all()
    assert np.isfinite(score[99:]).all()


def told(value, **policy):
    """Return at which sample after the first 1,000 anomalies begin, and the reason of the last."""
    anomalies, began = Anomalies(AnomalyPolicy(**policy), 1), []
    for i, (x, expected) in enumerate(zip(value.tolist(), average_before(value), strict=True)):
        before = anomalies.alarms[0]
        anomalies.step.observe(0, x, expected, 60.0)
        if anomalies.alarms[0] > before and i >= 1000:
            began.append(i - 1000)
    return began, REASONS[anomalies.reason[0]]


def then(change):
    """Return 1,000 quiet samples, and 100 more of the same noise with a change added."""
    value = noise(1100)
    value[1000:] += change
    return value


def spike(size, at=50):
    return np.where(np.arange(100) == at, size, 0.0)


def test_quiet_samples_and_a_small_move_are_no_anomaly():
    assert told(then(0.0))[0] == []
    assert told(then(spike(1.0)))[0] == []


def test_a_spike_is_one_anomaly_told_by_its_jump_or_as_outside_of_all_that_was():
    began, reason = told(then(spike(12.0)))
    assert began == [50]
    assert reason in ("jump", "outside")


def test_a_step_is_one_anomaly_however_long_it_lasts():
    assert told(then(np.where(np.arange(100) >= 50, 8.0, 0.0)))[0] == [50]


def test_a_slow_drift_is_found_by_the_level_or_the_errors_of_late():
    began, reason = told(then(np.minimum(np.arange(100) * 0.08, 4.0)))
    assert len(began) >= 1
    assert reason in ("run", "drift", "level", "outside")


def test_errors_that_become_larger_are_found_though_none_is_rare():
    square = np.tile([1.0, -1.0], 2000)
    square[3000:] *= 2.5
    square += noise(4000) * 0.05
    score, anomalies = scored(square)
    assert np.nanmax(score[2000:3000]) < 1.0
    assert np.nanmax(score[3000:3060]) > 1.0
    assert anomalies.alarms[0] >= 1


def test_the_larger_a_spike_the_higher_its_score_without_a_limit():
    found = [np.nanmax(scored(then(spike(size)))[0][1050]) for size in (8.0, 80.0, 800.0, 8e5)]
    assert sorted(found) == found
    assert len(set(found)) == 4


def test_the_score_that_is_told_stays_while_the_anomaly_lasts():
    value = then(spike(12.0))
    score, anomalies = scored(value[: 1000 + 60])
    assert anomalies.left[0] > 0
    assert anomalies.score()[0] == score[1050] > 1.0
    assert score[-1] < 1.0
    score, anomalies = scored(value)
    assert anomalies.left[0] == 0
    assert anomalies.score()[0] == score[-1]


@pytest.mark.parametrize(
    ("policy", "seconds"), [({}, 60), ({"calm_seconds": 30.0}, 30), ({"calm_seconds": 0.0}, 20)], ids=str
)
def test_an_anomaly_lasts_a_minute_so_that_a_scrape_sees_it_or_as_the_policy_says(policy, seconds):
    anomalies, value = Anomalies(AnomalyPolicy(**policy), 1), then(spike(12.0, at=0))
    lasts = []
    for x, expected in zip(value.tolist(), average_before(value), strict=True):
        anomalies.step.observe(0, x, expected, 1.0)
        lasts.append(anomalies.left[0] > 0)
    assert sum(lasts[1000:]) == pytest.approx(seconds, abs=1)


def test_a_constant_stream_scores_nothing_and_its_first_move_does():
    value = np.full(500, 21.5)
    value[400:] = 22.0
    score, _ = scored(value)
    assert (score[99:400] == 0.0).all()
    assert score[400] > 1.0


def test_no_stream_has_more_than_one_anomaly_in_a_thousand_samples_for_long():
    random = np.random.default_rng(1)
    value = random.normal(size=60_000) * np.exp(random.normal(size=60_000) * 2.0)
    value[::50] *= 100.0  # as an outlier each 50 samples would
    _, anomalies = scored(value)
    assert anomalies.alarms[0] < 75


@pytest.mark.parametrize(
    ("policy", "up", "down"),
    [
        ({}, True, True),
        ({"direction": "up"}, True, False),
        ({"direction": "down"}, False, True),
        ({"min_deviation": 11.0}, True, True),
        ({"min_deviation": 30.0}, False, False),
        ({"min_relative_deviation": 0.4}, True, True),
        ({"min_relative_deviation": 1.5}, False, False),
    ],
    ids=str,
)
def test_a_policy_says_which_deviations_count(policy, up, down):
    assert (told(then(spike(14.0)), **policy)[0] == [50]) == up
    assert (told(then(spike(-14.0)), **policy)[0] == [50]) == down


def test_a_score_has_to_stay_above_1_for_as_long_as_the_policy_says():
    step = then(np.where(np.arange(100) >= 50, 40.0, 0.0))
    assert told(step, for_seconds=0.0)[0] == [50]
    assert told(step, for_seconds=120.0)[0] == [52]
    assert told(then(spike(40.0)), for_seconds=1200.0)[0] == []


def rests(value, after=np.inf, step=600.0):
    """Return whether the stream is stuck after each value, ten minutes apart."""
    owner, found = Rests(after, 1), []
    for i, x in enumerate(value):
        owner.step.observe(0, x, step if i else 0.0)
        found.append(int(owner.stuck[0]))
    return found


def test_a_stream_is_stuck_after_as_long_as_was_set_and_not_when_it_has_moved():
    found = rests([1.0, *[2.0] * 7, 3.0], after=3600.0)
    assert found == [0, 0, 0, 0, 0, 0, 0, 1, 0]  # six steps of ten minutes after the 2 first came


def test_a_stream_that_always_moved_is_found_to_be_stuck():
    moving = noise(400).tolist()
    found = rests([*moving, *[moving[-1]] * 30])
    assert not any(found[:400])
    assert found.index(1) == 400 + 20 - 1  # 20 times the same value after its first
    set_to_six_hours = rests([*moving, *[moving[-1]] * 40], after=6 * 3600.0)
    assert set_to_six_hours.index(1) == 400 + 36 - 1  # what is set holds alone


def test_a_stream_that_rests_at_night_is_not_stuck_at_night():
    day = np.concatenate([np.zeros(72), 100.0 + noise(72)])
    assert not any(rests(np.tile(day, 6).tolist()))
    assert rests([*np.tile(day, 6).tolist(), *[0.0] * 300])[-1] == 1


def test_before_two_days_nothing_is_known_of_how_a_stream_rests():
    moving = noise(200).tolist()
    assert not any(rests([*moving, *[moving[-1]] * 80]))
