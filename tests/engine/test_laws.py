"""The laws of the engine, for random groups of streams, samples and splits into batches."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.engine import ByCount, ByTime, GroupSettings, ModelSettings
from ewad.engine.settings import auto
from ewad.numeric.optimizers import GradientDescent, Momentum, RMSprop
from tests.engine.naive import NaiveGroup
from tests.engine.scenarios import (
    Samples,
    assert_close,
    assert_equal,
    groups,
    model_settings,
    models,
    new_engine,
    observe_in_pieces,
    random_samples,
)

seeds = st.integers(0, 2**32 - 1)


def cuts_of(data, n):
    """Draw places where reads end; empty reads included."""
    return data.draw(st.lists(st.integers(0, n), max_size=12))


@settings(max_examples=120, deadline=None)
@given(group=groups, seed=seeds, n=st.integers(1, 160), n_streams=st.integers(1, 5), data=st.data())
def test_any_split_into_batches_gives_the_same_outputs_and_state(group, seed, n, n_streams, data):
    samples = random_samples(seed, n, n_streams)
    whole, split = new_engine(group, n_streams), new_engine(group, n_streams)
    outputs = observe_in_pieces(whole, samples)
    outputs_in_pieces = observe_in_pieces(split, samples, cuts_of(data, n))
    assert_equal(outputs_in_pieces, outputs)
    assert split.dump() == whole.dump()
    assert split.groups[0].out_of_order == whole.groups[0].out_of_order


@pytest.mark.parametrize("share", ["group", "stream"])
def test_one_by_one_gives_the_same_as_all_at_once_over_hundreds_of_mini_batches(share):
    model = ModelSettings(share=share, lags=5, horizons=(1, 3), batch_size=4, batches_per_epoch=10)
    group = GroupSettings("plant", (ByCount(0.9), ByTime(30.0)), model=model)
    samples = random_samples(1, 1500, 4, disorder=0.02)
    whole, split = new_engine(group, 4), new_engine(group, 4)
    outputs = observe_in_pieces(whole, samples)
    assert_equal(observe_in_pieces(split, samples, range(len(samples))), outputs)
    assert split.dump() == whole.dump()


@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    n=st.integers(1, 250),
    horizon=st.integers(1, 3),
    features=st.sampled_from(["lags", "full"]),
    batch_size=st.integers(1, 3),
    max_gap=st.sampled_from([None, 3.0]),
    spikes=st.lists(st.tuples(st.integers(0, 249), st.sampled_from([1e6, -1e4, 0.0, 1e-160])), max_size=4),
    constant=st.booleans(),
)
def test_a_mixture_fed_sample_by_sample_gives_the_same(
    seed, n, horizon, features, batch_size, max_gap, spikes, constant
):
    model = auto(
        "m",
        horizons=(horizon,),
        features=features,
        lags=4,
        batch_size=batch_size,
        season=5,
        max_gap_seconds=max_gap,
    )
    group = GroupSettings("plant", (ByCount(0.9), ByTime(30.0), ByCount(0.0)), model=model)
    samples = random_samples(seed, n, 2)
    if constant:
        samples.value[:] = 21.5
    for place, value in spikes:
        samples.value[place % n] = value
    whole, split = new_engine(group, 2), new_engine(group, 2)
    outputs = observe_in_pieces(whole, samples)
    assert_equal(observe_in_pieces(split, samples, range(n)), outputs)
    assert split.dump() == whole.dump()


@settings(max_examples=20, deadline=None)
@given(
    seed=seeds,
    n_streams=st.integers(1, 4),
    hours=st.sampled_from([1.0, 5.0, 24.0]),
    horizons=st.sampled_from([(1,), (1, 3)]),
    features=st.sampled_from(["lags", "full"]),
    share=st.sampled_from(["stream", "group"]),
)
def test_streams_that_report_together_come_to_the_same_in_any_batches(
    seed, n_streams, hours, horizons, features, share
):
    n = 60
    model = auto("m", horizons=horizons, features=features, share=share, lags=4, batch_size=2)
    group = GroupSettings("plant", (ByCount(0.9), ByTime(30.0)), model=model)
    value = np.random.default_rng(seed).normal(size=n * n_streams).cumsum()
    time = 1.6e9 + 3600.0 * hours * np.repeat(np.arange(n), n_streams)
    samples = Samples(np.tile(np.arange(n_streams), n), time, value)
    whole = new_engine(group, n_streams)
    outputs = observe_in_pieces(whole, samples)
    for size in (1, n_streams, 2 * n_streams + 1):
        split = new_engine(group, n_streams)
        assert_equal(observe_in_pieces(split, samples, range(0, len(samples), size)), outputs)
        assert split.dump() == whole.dump()


def test_streams_that_take_turns_come_to_the_same_wherever_their_rows_move():
    group = GroupSettings("plant", (ByCount(0.9),), model=auto("m", lags=4, batch_size=2, horizons=(1, 2)))
    samples = random_samples(11, 900, 5)
    samples.stream[:200] %= 3
    whole, split = new_engine(group, 3), new_engine(group, 3)
    for engine, cuts in ((whole, []), (split, range(900))):
        observe_in_pieces(engine, Samples(*(part[:200] for part in vars(samples).values())), cuts[:200])
        engine.groups[0].grow(32)
        engine.forget_streams(0, ["stream 0"])  # the last one takes its row
        for name in ("stream 3", "stream 4", "stream 5"):
            engine.add_stream(0, name)
        observe_in_pieces(engine, Samples(*(part[200:] for part in vars(samples).values())), cuts[:700])
    assert split.dump() == whole.dump()


def naive_outputs(group, samples, n_streams):
    naive = NaiveGroup(group, n_streams)
    rows = zip(samples.stream.tolist(), samples.time.tolist(), samples.value.tolist(), strict=True)
    results = [naive.observe(*row) for row in rows]
    accepted = [i for i, result in enumerate(results) if result is not None]
    names = ("mean", "stddev", "forecast", "loss", "learning_rate")[: 5 if naive.models else 2]
    columns = zip(*(results[i] for i in accepted), strict=True)
    return naive, {"accepted": np.array(accepted)} | dict(zip(names, map(np.array, columns), strict=True))


def naive_state(naive):
    state = {
        "theta": [m.theta for m in naive.models],
        "batches": [len(m.costs) for m in naive.models],
        "epoch": [len(m.costs) // m.model.batches_per_epoch for m in naive.models],
        "loss": [m.loss for m in naive.models],
        "batch_loss": [m.costs[-1] if m.costs else np.nan for m in naive.models],
        "gradient_norm": [m.gradient_norm for m in naive.models],
        "learning_rate": [m.learning_rate for m in naive.models],
        "error_ratio": [[1.0 - skill for skill in s.skill()] for s in naive.streams],
    }
    return {name: np.array(value, dtype=float) for name, value in state.items()}


def forecaster_state(forecaster, n_streams):
    learner = forecaster.learner
    n = learner.n_rows if forecaster.shared else n_streams
    names = ("theta", "batches", "epoch", "loss", "batch_loss", "gradient_norm", "learning_rate")
    return {name: getattr(learner, name)[:n].astype(float) for name in names} | {
        "error_ratio": 1.0 - forecaster.skill()[:n_streams]  # a skill near 0 has no relative error
    }


@settings(max_examples=60, deadline=None)
@given(
    group=groups,
    model=model_settings(st.just(("linear",))).map(lambda m: dataclasses.replace(m, interval=None)),
    seed=seeds,
    n=st.integers(1, 90),
    n_streams=st.integers(1, 3),
    data=st.data(),
)
def test_outputs_and_model_equal_the_naive_second_implementation(group, model, seed, n, n_streams, data):
    group = dataclasses.replace(group, model=model)
    samples = random_samples(seed, n, n_streams)
    engine = new_engine(group, n_streams)
    got = observe_in_pieces(engine, samples, cuts_of(data, n))
    naive, expected = naive_outputs(group, samples, n_streams)
    assert_close(got, expected)
    assert_close(forecaster_state(engine.groups[0].forecaster, n_streams), naive_state(naive))
    assert engine.groups[0].out_of_order == naive.dropped


@settings(max_examples=30, deadline=None)
@given(group=groups, seed=seeds, n=st.integers(2, 120), n_streams=st.integers(1, 4), data=st.data())
def test_what_comes_later_changes_nothing_that_was_said_before(group, seed, n, n_streams, data):
    samples = random_samples(seed, n, n_streams)
    now = data.draw(st.integers(1, n - 1))
    rng = np.random.default_rng(seed + 1)
    other = samples.value.copy()
    other[now:] = rng.normal(0.0, 1e6, n - now)
    a = observe_in_pieces(new_engine(group, n_streams), samples)
    b = observe_in_pieces(new_engine(group, n_streams), Samples(samples.stream, samples.time, other))
    before = a["accepted"] < now
    assert_equal({k: v[before] for k, v in b.items()}, {k: v[before] for k, v in a.items()})


@settings(max_examples=30, deadline=None)
@given(group=groups, seed=seeds, n=st.integers(1, 120), n_streams=st.integers(1, 4), data=st.data())
def test_a_loaded_dump_continues_bit_for_bit(group, seed, n, n_streams, data):
    samples = random_samples(seed, n, n_streams)
    now = data.draw(st.integers(0, n))
    stayed, loaded = new_engine(group, n_streams), new_engine(group, 0)
    stayed.observe(samples.batch(0, now))
    dump = stayed.dump()
    loaded.load(dump)
    assert loaded.dump() == dump
    a = observe_in_pieces(stayed, Samples(*(x[now:] for x in dataclasses.astuple(samples))))
    b = observe_in_pieces(loaded, Samples(*(x[now:] for x in dataclasses.astuple(samples))))
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])
    assert loaded.dump() == stayed.dump()


@settings(max_examples=30, deadline=None)
@given(model=models.filter(lambda m: m.share == "stream"), seed=seeds, n=st.integers(1, 120))
def test_a_stream_with_a_model_of_its_own_knows_nothing_of_its_neighbours(model, seed, n):
    group = GroupSettings("plant", model=model)
    samples = random_samples(seed, n, 3)
    mine = samples.stream == 1
    together = observe_in_pieces(new_engine(group, 3), samples)
    alone = observe_in_pieces(new_engine(group, 2), Samples(*(x[mine] for x in dataclasses.astuple(samples))))
    of_mine = mine[together["accepted"]]
    del together["accepted"], alone["accepted"]
    assert_equal({name: array[of_mine] for name, array in together.items()}, alone)


@pytest.mark.parametrize("share", ["group", "stream"])
@pytest.mark.parametrize("rate", [1e6, 1e150])
@pytest.mark.parametrize(
    "optimizer", [GradientDescent(), Momentum(), RMSprop()], ids=lambda o: type(o).__name__
)
def test_a_divergent_learning_rate_leaves_every_number_finite(share, rate, optimizer):
    model = ModelSettings(
        share=share, lags=4, horizons=(1, 2), batch_size=2, optimizer=optimizer, learning_rate=rate
    )
    engine = new_engine(GroupSettings("plant", model=model), 3)
    samples = random_samples(2, 2000, 3, disorder=0.0)
    observe_in_pieces(engine, samples, range(0, 2000, 100))
    forecaster = engine.groups[0].forecaster
    learner = forecaster.learner
    n = learner.n_rows if forecaster.shared else 3
    for name in ("theta", "loss", "batch_loss", "gradient_norm", "learning_rate"):
        assert np.isfinite(getattr(learner, name)[:n]).all(), name
    assert np.isfinite(forecaster.forecast[:3]).all()
    assert np.isfinite(forecaster.skill()[:3]).all()
