"""The score of the Numenta benchmark, held against its definition and against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.numeric.numenta import PROFILES, Labelled, alarms_of, best, score_at, sweep, windows_of

N = 100
WINDOW = (50, 69)  # 20 samples


def alarms(*at: int) -> np.ndarray:
    """Return scores of 1 at these samples, 0 elsewhere."""
    scores = np.zeros(N)
    scores[list(at)] = 1.0
    return scores


def told(*at: int, profile: str = "standard") -> float:
    """Return the score, at the threshold of 1, of alarms at these samples."""
    return score_at([Labelled.of(alarms(*at), [WINDOW])], 1.0, PROFILES[profile])


def test_no_alarm_scores_nothing_and_one_at_the_windows_begin_all() -> None:
    assert told() == 0.0
    assert told(50) == pytest.approx(100.0)


def test_later_alarms_earn_less_and_further_ones_in_the_window_nothing_more() -> None:
    middle = (2.0 / (1.0 + math.exp(-2.5)) - 1.0) / (2.0 / (1.0 + math.exp(-5.0)) - 1.0)
    assert told(60) == pytest.approx(100.0 * (middle + 1.0) / 2.0)  # found in the middle; missed it costs 1
    assert told(60, 61, 69) == told(60)


def test_a_false_alarm_costs_by_profile_and_less_right_behind_a_window() -> None:
    assert told(50, 20) == pytest.approx(100.0 * (2.0 - 0.11) / 2.0)
    assert told(50, 20, profile="reward_low_FP_rate") == pytest.approx(100.0 * (2.0 - 0.22) / 2.0)
    assert told(50, 20) < told(50, 71) < told(50)


def test_what_a_detector_says_in_its_first_samples_does_not_count() -> None:
    assert told(*range(15)) == 0.0
    assert told(15) < 0.0


def test_unknown_scores_never_alarm() -> None:
    scores = np.full(N, np.nan)
    scores[50] = 0.1
    assert best(sweep([Labelled.of(scores, [WINDOW])])) == (0.1, pytest.approx(100.0))


def naive(files: list[tuple[np.ndarray, list[tuple[int, int]]]], threshold: float, name: str) -> float:
    """Return the score of a threshold, sample by sample as the paper tells it."""
    found, false_alarm, missed = PROFILES[name]
    total, windows = 0.0, 0
    for scores, spans in files:
        early = min(math.floor(0.15 * len(scores)), 750.0)
        for first, last in spans:
            windows += 1
            earned = [-missed] + [
                found * math.tanh(2.5 * (last - i + 1) / (last - first + 1)) / math.tanh(2.5)
                for i in range(first, last + 1)
                if i >= early and scores[i] >= threshold
            ]
            total += max(earned)
        for i, score in enumerate(scores):
            if i < early or score < threshold or any(first <= i <= last for first, last in spans):
                continue
            before = [span for span in spans if span[1] < i]
            position = math.inf
            if before:
                position = (i - before[-1][1]) / max(before[-1][1] - before[-1][0], 1)
            total -= false_alarm * (1.0 if position > 3.0 else math.tanh(2.5 * position))
    nothing = -missed * windows
    return 100.0 * (total - nothing) / (found * windows - nothing)


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 6), min_size=80, max_size=80),
            st.sampled_from([[(20, 30)], [(20, 29), (40, 47)], [(30, 79)], [(14, 14), (15, 20)]]),
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(sorted(PROFILES)),
)
def test_each_threshold_of_a_sweep_scores_as_the_definition_says(
    drawn: list[tuple[list[int], list[tuple[int, int]]]], name: str
) -> None:
    files = [(np.array(scores, dtype=float), spans) for scores, spans in drawn]
    labelled = [Labelled.of(scores, spans) for scores, spans in files]
    swept = sweep(labelled, PROFILES[name])
    for threshold, score in zip(swept.threshold.tolist(), swept.score.tolist(), strict=True):
        assert score == pytest.approx(naive(files, threshold, name))
        one = sum(file.standing(threshold, PROFILES[name]) for file in labelled)
        windows = sum(file.n_windows for file in labelled)
        missed = PROFILES[name].missed
        assert 100.0 * (one + missed * windows) / (windows * (1.0 + missed)) == pytest.approx(score)


def test_windows_are_found_by_their_times() -> None:
    times = np.arange(0.0, 1000.0, 10.0)
    assert windows_of(times, [(500.0, 520.0), (95.0, 131.0), (2000.0, 3000.0)]) == [(10, 13), (50, 52)]


@pytest.mark.parametrize("windows", [[(50, 40)], [(0, 100)], [(10, 20), (15, 30)]])
def test_windows_that_do_not_fit_the_file_are_refused(windows: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="expected samples"):
        Labelled.of(np.zeros(N), windows)


def test_an_alarm_begins_where_a_score_is_the_highest_of_so_many_samples():
    score = np.array([np.nan, 1.0, 0.5, 2.0, 2.0, 1.5, 0.1, 1.6, 0.2])
    expected = [np.nan, 1.0, np.nan, 2.0, np.nan, np.nan, np.nan, 1.6, np.nan]
    np.testing.assert_array_equal(alarms_of(score, 2), expected)
    np.testing.assert_array_equal(alarms_of(np.full(3, np.nan)), np.full(3, np.nan))
