"""Random groups, samples and splits of them into batches, for the laws that hold for all."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from ewad.engine import Batch, ByCount, ByTime, Engine, GroupSettings, Held, ModelSettings
from ewad.numeric.optimizers import Adam, GradientDescent, Momentum, RMSprop
from ewad.numeric.schedules import Constant, Exponential, InverseSqrt, InverseTime, Manual, Staircase


@dataclass(frozen=True)
class Samples:
    """Samples of one group in order of arrival."""

    stream: np.ndarray
    time: np.ndarray
    value: np.ndarray

    def __len__(self):
        return len(self.stream)

    def batch(self, start=0, end=None):
        part = slice(start, end)
        return Batch(0, self.stream[part].astype(np.int32), self.time[part], self.value[part])


def new_engine(settings, n_streams):
    engine = Engine([settings])
    for i in range(n_streams):
        engine.add_stream(0, f"stream {i}")
    return engine


def observe_in_pieces(engine, samples, cuts=()):
    """Feed the samples, cut at these places; return all results, sample by sample."""
    edges = [0, *sorted(cuts), len(samples)]
    results = []
    for a, z in pairwise(edges):
        result = engine.observe(samples.batch(a, z))
        part = {"accepted": result.accepted + a, "mean": result.mean, "stddev": result.stddev}
        if result.forecast is not None:
            part |= {"forecast": result.forecast, "loss": result.loss, "learning_rate": result.learning_rate}
        if result.lower is not None:
            part |= {"lower": result.lower, "upper": result.upper}
        results.append(part)
    return {name: np.concatenate([part[name] for part in results]) for name in results[0]}


def state_of(engine):
    """Return every array of the engine's state, by name."""
    return {
        f"{i}/{j} {part.kind}/{name}": array.copy()
        for i, group in enumerate(engine.groups)
        for j, part in enumerate(group.parts())
        for name, array in part.arrays().items()
    }


def assert_close(got, expected, rel=1e-9):
    """Compare arrays by name, relative to each number and to the greatest of its array."""
    assert got.keys() == expected.keys()
    for name in got:
        sizes = np.abs(expected[name][np.isfinite(expected[name])])
        scale = sizes.max() if sizes.size else 0.0
        np.testing.assert_allclose(
            got[name], expected[name], rtol=rel, atol=rel * scale, equal_nan=True, err_msg=name
        )


def assert_equal(got, expected):
    """Compare arrays by name, bit for bit."""
    assert got.keys() == expected.keys()
    for name in got:
        assert np.ascontiguousarray(got[name]).tobytes() == np.ascontiguousarray(expected[name]).tobytes(), (
            name
        )


def random_samples(seed, n, n_streams, disorder=0.2):
    """Return random walks on irregular clocks; some times repeat, some go back."""
    rng = np.random.default_rng(seed)
    stream = rng.choice(n_streams, n, p=rng.dirichlet(np.full(n_streams, 0.7)))
    step = rng.exponential(10.0, n) * (rng.random(n) > 0.1)  # ties
    step[rng.random(n) < disorder] *= -2.0
    value = rng.normal(0.0, 2.0, n) + rng.normal(0.0, 30.0, n_streams)[stream]
    for row in range(n_streams):
        value[stream == row] += np.cumsum(rng.normal(size=np.count_nonzero(stream == row)))
    return Samples(stream, 1.6e9 + np.cumsum(step), value)


optimizers = st.sampled_from(
    [GradientDescent(), Momentum(), Momentum(0.5, averaged=False), RMSprop(), Adam()]
)
schedules = st.sampled_from(
    [
        Constant(),
        InverseTime(0.5),
        Exponential(0.9),
        InverseSqrt(per="batch"),
        Staircase(0.5, 2),
        Manual(((1, 0.004), (3, 0.001))),
    ]
)
experts = st.sampled_from([("linear",), ("linear",), ("network",), ("persistence",), ("rls",)])
mixtures = st.lists(
    st.sampled_from(["persistence", "linear", "network", "rls"]), min_size=2, max_size=4, unique=True
).map(tuple)


def model_settings(experts, features="lags", **further):
    """Return models of few lags and small batches, of these experts."""
    return st.builds(
        ModelSettings,
        share=st.sampled_from(["group", "stream"]),
        experts=experts,
        hidden=st.lists(st.integers(1, 4), min_size=1, max_size=2).map(tuple),
        features=st.just(features),
        lags=st.integers(1, 6),
        horizons=st.lists(st.integers(1, 7), min_size=1, max_size=3, unique=True).map(tuple),
        interval=st.sampled_from([None, 0.5, 0.9]),
        batch_size=st.integers(1, 9),
        batches_per_epoch=st.integers(1, 4),
        optimizer=optimizers,
        learning_rate=st.sampled_from([0.001, 0.01]),
        schedule=schedules,
        l2=st.sampled_from([0.0, 0.3]),
        every_seconds=st.sampled_from([None, None, 5.0, 20.0, 120.0]),
        resample=st.sampled_from(["mean", "last"]),
        max_gap_seconds=st.sampled_from([None, 10.0, 60.0, 300.0]),
        **further,
    )


every_expert = (
    "persistence", "seasonal_naive", "linear", "network", "rls", "seasonal", "near_network", "stack",
)  # fmt: skip
models = st.one_of(
    model_settings(experts),
    model_settings(mixtures),
    model_settings(st.just(every_expert), "full", season=st.integers(2, 9)),
)
decays = st.one_of(
    st.sampled_from([0.0, 0.5, 0.9, 0.98]).map(ByCount),
    st.sampled_from([5.0, 60.0, 3600.0]).flatmap(
        lambda half_life: st.sampled_from([ByTime(half_life), Held(half_life)])
    ),
)
groups = st.builds(
    GroupSettings,
    name=st.just("plant"),
    decays=st.lists(decays, min_size=1, max_size=3).map(tuple),
    out_of_order=st.sampled_from(["drop", "accept"]),
    model=st.none() | models | models,
)
