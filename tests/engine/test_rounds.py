"""Rounds by hand, and against a plain loop over the samples."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.engine.rounds import Rounds, runs_of


def split(model, ready, collected, size):
    """Return the models and the rounds of a batch."""
    models, length = runs_of(model)
    return models, Rounds(length, ready, collected[models], size)


def listed(models, rounds):
    """Return [(samples forecast, samples learnt from, models that step)] of each round."""
    every = np.arange(len(rounds.now))
    return [
        tuple(
            [] if places is None else values[places].tolist()
            for values, places in zip((every, every, models), each, strict=True)
        )
        for each in rounds.rounds
    ]


def test_one_model_by_hand():
    # Two examples wait; mini-batches of 3; the samples 1, 2, 4, 5 complete an example each.
    ready = np.array([False, True, True, False, True, True])
    models, rounds = split(np.zeros(6, int), ready, np.array([2]), 3)
    # Sample 1 completes the third: it and what follows are forecast by the new parameters.
    assert listed(models, rounds) == [([0], [1], [0]), ([1, 2, 3, 4], [2, 4, 5], [0]), ([5], [], [])]
    assert rounds.steps.tolist() == [2]
    assert rounds.place[ready].tolist() == [2, 0, 1, 2]
    assert rounds.left.tolist() == [0]


def test_rounds_of_samples_of_one_model_are_those_of_a_single_run():
    ready = np.array([False, True, True, False, True])
    models, rounds = split(np.zeros(5, int), ready, np.array([1]), 2)
    assert listed(models, Rounds.of_one_model(ready, 1, 2)) == listed(models, rounds)


def test_models_step_each_at_their_own_example():
    model = np.array([0, 0, 0, 4, 4])
    models, rounds = split(model, np.ones(5, bool), np.array([0, 9, 9, 9, 1]), 2)
    assert listed(models, rounds) == [([0], [0, 1, 3], [0, 4]), ([1, 2, 3, 4], [2, 4], [])]
    assert models.tolist() == [0, 4]
    assert rounds.steps.tolist() == [1, 1]
    assert rounds.left.tolist() == [1, 1]


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 60),
    n_models=st.integers(1, 5),
    size=st.integers(1, 7),
    share_ready=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_any_batch_is_split_where_a_plain_loop_steps(seed, n, n_models, size, share_ready):
    rng = np.random.default_rng(seed)
    model = np.sort(rng.integers(0, n_models, n))
    ready = rng.random(n) < share_ready
    collected = rng.integers(0, size, n_models)
    waiting, steps, expected = collected.tolist(), [0] * n_models, {}
    for j, m in enumerate(model.tolist()):
        if ready[j]:
            expected.setdefault(steps[m], ([], [], []))[1].append(j)
            waiting[m] += 1
            if waiting[m] == size:
                expected[steps[m]][2].append(m)
                steps[m], waiting[m] = steps[m] + 1, 0
        expected.setdefault(steps[m], ([], [], []))[0].append(j)
    models, rounds = split(model, ready, collected, size)
    got = listed(models, rounds)
    for i, (now, past, stepping) in enumerate(got):
        assert (now, past, stepping) == tuple(expected.get(i, ([], [], [])))
    assert rounds.left.tolist() == [waiting[m] for m in models]
