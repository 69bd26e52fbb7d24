import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.recurrence import Runs
from ewad.numeric.windows import Windows


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 60),
    n_streams=st.integers(1, 9),
    depth=st.integers(1, 7),
    evenness=st.sampled_from([0.1, 1.0, 100.0]),  # one busy stream among quiet ones, or all alike
)
def test_every_sample_sees_the_past_of_its_own_stream(seed, n, n_streams, depth, evenness):
    rng = np.random.default_rng(seed)
    stream = rng.choice(n_streams, n, p=rng.dirichlet(np.full(n_streams, evenness)))
    value = rng.normal(size=n)
    history = rng.normal(size=(n_streams, depth))
    runs = Runs.of(stream)
    windows = Windows.of(history[runs.series], runs, value[runs.order])
    pasts = [list(row) for row in history]
    differences, back = windows.differences(depth), [windows.back(i) for i in range(depth + 1)]
    for j, position in enumerate(np.argsort(runs.order)):  # in order of arrival
        past = pasts[stream[j]]
        past.append(value[j])
        assert differences[position].tolist() == np.diff(past[-depth - 1 :]).tolist()
        assert [steps[position] for steps in back] == past[: -depth - 2 : -1]
    windows.keep(history, runs)
    assert history[runs.series].tolist() == [pasts[s][-depth:] for s in runs.series]


def test_at_picks_samples_in_the_order_asked():
    runs = Runs.of(np.array([0, 1, 0]))
    windows = Windows.of(np.zeros((2, 2)), runs, np.array([1.0, 4.0, 10.0]))
    picked = windows.at(np.array([2, 0]))
    assert picked.back(0).tolist() == [10.0, 1.0]
    assert picked.differences(2).tolist() == [[0.0, 10.0], [0.0, 1.0]]
    alone = windows.at(np.array([0]))
    assert (alone.back(0).tolist(), alone.differences(2).tolist()) == ([1.0], [[0.0, 1.0]])
