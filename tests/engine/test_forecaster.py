import dataclasses

import numpy as np
import pytest

from ewad.engine import Batch, GroupSettings, ModelSettings
from ewad.numeric.optimizers import Adam, GradientDescent, Momentum, RMSprop
from ewad.numeric.schedules import Constant, InverseSqrt, InverseTime, Manual, ReduceOnPlateau
from tests.engine.scenarios import Samples, new_engine, observe_in_pieces


def group(**model):
    return GroupSettings("plant", model=ModelSettings(**model))


def stream_of(value, stream=None):
    n = len(value)
    return Samples(
        np.zeros(n, int) if stream is None else stream, np.arange(float(n)), np.asarray(value, float)
    )


def autoregression(n, seed=1):
    """Return a stationary AR(2) whose differences tell much about the next one."""
    rng = np.random.default_rng(seed)
    x = np.zeros(n)
    for t in range(2, n):
        x[t] = 1.6 * x[t - 1] - 0.8 * x[t - 2] + rng.normal()
    return 20.0 + x


def sine(n):
    return 20.0 + 5.0 * np.sin(np.arange(n) * 2 * np.pi / 24)


@pytest.mark.parametrize("lags", [1, 2, 5])
def test_forecasts_are_nan_exactly_until_lags_differences_have_come(lags):
    engine = new_engine(group(lags=lags, horizons=(1, 4)), 1)
    forecast = observe_in_pieces(engine, stream_of(np.random.default_rng(1).normal(size=30)))["forecast"]
    assert np.isnan(forecast[:lags]).all()
    assert np.isfinite(forecast[lags:]).all()


def test_each_stream_warms_up_by_its_own_samples():
    engine = new_engine(group(lags=3), 2)
    stream = np.array([0, 1, 0, 0, 0, 1, 1, 1])
    forecast = observe_in_pieces(engine, stream_of(np.arange(8.0) ** 2, stream))["forecast"][:, 0]
    assert np.isnan(forecast).tolist() == [True, True, True, True, False, True, True, False]


def test_an_untrained_model_forecasts_the_last_value():
    engine = new_engine(group(lags=3, horizons=(1, 5), batch_size=1000), 1)
    value = np.random.default_rng(2).normal(size=50)
    forecast = observe_in_pieces(engine, stream_of(value))["forecast"]
    assert forecast[3:].tolist() == np.column_stack([value, value])[3:].tolist()


@pytest.mark.parametrize("share", ["group", "stream"])
def test_the_first_mini_batch_ends_when_its_last_target_has_arrived(share):
    # The first example pairs 3 differences (4 values) with what came 5 later: it needs 9 values.
    engine = new_engine(group(lags=3, horizons=(2, 5), batch_size=4, share=share), 1)
    loss = observe_in_pieces(engine, stream_of(np.random.default_rng(3).normal(size=20)))["loss"]
    assert np.isnan(loss).tolist() == [True] * 11 + [False] * 9


def test_counts_mini_batches_and_epochs_in_samples_and_decays_the_rate_by_epochs():
    engine = new_engine(
        group(lags=1, batch_size=5, batches_per_epoch=3, learning_rate=0.2, schedule=InverseTime(1.0)), 1
    )
    rate = observe_in_pieces(engine, stream_of(np.random.default_rng(4).normal(size=2 + 5 * 3 * 4 - 1)))
    learner = engine.groups[0].forecaster.learner
    assert learner.batches[0] == 11
    assert learner.epoch[0] == 3
    # Mini-batch 3 ends with sample 2 + 15 - 1, the first that stands in epoch 1.
    expected = np.repeat([0.2, 0.1, 0.2 / 3, 0.05], [16, 15, 15, 15])
    np.testing.assert_allclose(rate["learning_rate"], expected[: len(rate["learning_rate"])])


def test_the_first_cost_is_that_of_forecasting_no_change():
    value = np.random.default_rng(5).normal(size=10)
    engine = new_engine(group(lags=1, batch_size=1), 1)
    loss = observe_in_pieces(engine, stream_of(value[:3]))["loss"]
    d = np.diff(value[:3])
    weight = np.array([0.9999, 1.0])
    assert loss[-1] == pytest.approx(d[1] ** 2 / (np.sum(weight * d**2) / np.sum(weight)), rel=1e-12)


@pytest.mark.parametrize("share", ["group", "stream"])
@pytest.mark.parametrize(
    ("optimizer", "rate"),
    [(GradientDescent(), 0.1), (Momentum(), 0.1), (RMSprop(), 0.01), (Adam(), 0.01)],
    ids=lambda x: type(x).__name__,
)
def test_every_optimizer_learns_to_beat_persistence(share, optimizer, rate):
    settings = group(
        lags=4,
        horizons=(1, 3),
        batch_size=8,
        share=share,
        optimizer=optimizer,
        learning_rate=rate,
        schedule=Constant(),
    )
    engine = new_engine(settings, 2)
    stream = np.arange(6000) % 2
    value = np.empty(6000)
    value[0::2], value[1::2] = autoregression(3000, 1), autoregression(3000, 2) * 50.0
    observe_in_pieces(engine, stream_of(value, stream), range(0, 6000, 500))
    assert (engine.groups[0].forecaster.skill()[:2] > 0.2).all()


def test_the_defaults_learn_a_daily_cycle_and_their_loss_falls():
    engine = new_engine(group(), 1)
    loss = observe_in_pieces(engine, stream_of(sine(20_000)))["loss"]
    assert engine.groups[0].forecaster.skill()[0, 0] > 0.5
    assert loss[-1] < 0.1 * loss[100]


def test_skill_is_that_of_the_published_forecasts():
    engine = new_engine(group(lags=3, horizons=(1, 4), batch_size=8, learning_rate=0.01), 1)
    value = autoregression(400)
    forecast = observe_in_pieces(engine, stream_of(value), range(0, 400, 30))["forecast"]
    skill = engine.groups[0].forecaster.skill()[0]
    for i, h in enumerate((1, 4)):
        truth, said, last = value[3 + h :], forecast[3:-h, i], value[3:-h]
        w = 0.995 ** np.arange(len(truth))[::-1]
        assert skill[i] == pytest.approx(
            1 - np.sum(w * (said - truth) ** 2) / np.sum(w * (last - truth) ** 2)
        )


def test_persistence_has_skill_0_and_learns_nothing():
    engine = new_engine(group(experts=("persistence",), lags=2, batch_size=4), 1)
    value = autoregression(100)
    forecast = observe_in_pieces(engine, stream_of(value))["forecast"]
    assert forecast[2:, 0].tolist() == value[2:].tolist()
    assert engine.groups[0].forecaster.skill()[0, 0] == 0.0
    assert engine.groups[0].forecaster.learners == {}


def test_forecasts_shift_and_scale_with_the_data():
    value = autoregression(300)
    settings = group(lags=3, batch_size=4, learning_rate=0.01)
    plain = observe_in_pieces(new_engine(settings, 1), stream_of(value))
    other = observe_in_pieces(new_engine(settings, 1), stream_of(value * 1000.0 - 5e4))
    np.testing.assert_allclose(other["forecast"], plain["forecast"] * 1000.0 - 5e4, rtol=1e-9)
    np.testing.assert_allclose(other["loss"], plain["loss"], rtol=1e-9)


def test_l2_holds_weights_back():
    value = stream_of(autoregression(3000))
    norms = []
    for l2 in (0.0, 50.0):
        engine = new_engine(group(lags=4, batch_size=16, learning_rate=0.01, l2=l2), 1)
        observe_in_pieces(engine, value)
        norms.append(np.linalg.norm(engine.groups[0].forecaster.learner.theta[0, :-1]))
    assert norms[1] < 0.5 * norms[0]


@pytest.mark.parametrize("share", ["group", "stream"])
def test_a_model_that_blows_up_starts_anew_and_is_counted(share):
    settings = group(
        lags=3, batch_size=2, share=share, optimizer=GradientDescent(), learning_rate=1e6, schedule=Constant()
    )
    engine = new_engine(settings, 1)
    observe_in_pieces(engine, stream_of(autoregression(500)), range(0, 500, 50))
    learner = engine.groups[0].forecaster.learner
    assert 0 < learner.diverged[0] < learner.batches[0] == (500 - 4) // 2
    assert np.isfinite(learner.theta[0]).all()
    assert np.isfinite(learner.loss[0])


@pytest.mark.parametrize("share", ["group", "stream"])
def test_a_model_that_started_anew_learns_again_once_its_rate_is_sound(share):
    settings = group(
        lags=3,
        batch_size=8,
        share=share,
        optimizer=Momentum(),
        learning_rate=0.05,
        schedule=Manual(((0, 1e9), (1, 0.05))),
        batches_per_epoch=60,
    )
    engine = new_engine(settings, 1)
    observe_in_pieces(engine, stream_of(autoregression(20_000)), range(0, 20_000, 500))
    forecaster = engine.groups[0].forecaster
    assert forecaster.learner.diverged[0] > 0
    assert forecaster.skill()[0, 0] > 0.1


@pytest.mark.parametrize("share", ["group", "stream"])
def test_reduce_on_plateau_lowers_the_rate_at_the_same_sample_however_samples_are_cut(share):
    settings = group(
        lags=2,
        batch_size=4,
        batches_per_epoch=3,
        share=share,
        learning_rate=0.01,
        schedule=ReduceOnPlateau(factor=0.5, floor=0.1),
    )
    value = np.random.default_rng(0).normal(size=4000).cumsum()  # nothing to learn: the loss is flat
    rates = []
    for cuts in (range(0, 4000, 1000), range(0, 4000, 7)):
        engine = new_engine(settings, 1)
        rates.append(observe_in_pieces(engine, stream_of(value), cuts)["learning_rate"])
    learner = engine.groups[0].forecaster.learner
    np.testing.assert_array_equal(rates[0], rates[1])
    assert set(np.round(rates[0], 9)) == {0.01, 0.005, 0.0025, 0.00125, 0.001}
    assert learner.plateaus[0] >= 4
    assert learner.learning_rate[0] == rates[0][-1]


def test_a_model_starts_from_given_parameters_and_so_do_those_of_streams_to_come():
    theta = np.array([0.5, -0.25, 0.0])
    engine = new_engine(group(lags=2, share="stream", batch_size=1000), 1)
    engine.groups[0].forecaster.learner.start_from(theta)
    for i in range(40):
        engine.add_stream(0, f"later{i}")
    np.testing.assert_array_equal(engine.groups[0].forecaster.learner.theta[:41], np.tile(theta, (41, 1)))


@pytest.mark.parametrize("cuts", [[], range(60)], ids=["at once", "one by one"])
def test_a_rate_that_falls_with_each_mini_batch_is_told_and_taken(cuts):
    schedule = InverseSqrt(per="batch")
    settings = group(
        lags=1, batch_size=1, batches_per_epoch=1000, learning_rate=0.1, optimizer=GradientDescent()
    )
    settings = dataclasses.replace(settings, model=dataclasses.replace(settings.model, schedule=schedule))
    engine = new_engine(settings, 1)
    found = observe_in_pieces(engine, stream_of(np.random.default_rng(4).normal(size=60).cumsum()), cuts)
    taken = np.maximum(np.arange(60) - 1, 0)  # the third sample completes the first example
    np.testing.assert_allclose(found["learning_rate"], 0.1 / np.sqrt(taken + 1.0), rtol=1e-12)


@pytest.mark.parametrize("beside", [1, 2])
def test_plateaus_lower_the_rate_of_a_model_alone_as_of_one_beside_others(beside):
    # A stream that does not move costs nothing: each eleven epochs without progress are a plateau.
    settings = group(
        lags=1,
        share="stream",
        batch_size=1,
        batches_per_epoch=2,
        learning_rate=0.1,
        schedule=ReduceOnPlateau(floor=1e-9),
    )
    engine = new_engine(settings, 2)
    for i in range(203):
        rows = np.arange(beside, dtype=np.int32)
        engine.observe(Batch(0, rows, np.full(beside, float(i)), np.full(beside, 5.0)))
    learner = engine.groups[0].forecaster.learner
    assert learner.plateaus[0] == 9  # of 100 epochs
    assert learner.learning_rate[0] == 0.1 * 0.5**9


@pytest.mark.parametrize("n_streams", [1, 2])
def test_a_recursive_model_without_finite_parameters_starts_anew(n_streams):
    settings = group(lags=2, share="stream", experts=("rls",), batch_size=1)
    engine = new_engine(settings, n_streams)
    value = np.random.default_rng(5).normal(size=(40, n_streams)).cumsum(axis=0)
    rls = engine.groups[0].forecaster.learners["rls"]
    for i, row in enumerate(value):
        if i == 20:
            rls.theta[0] = np.nan
        engine.observe(Batch(0, np.arange(n_streams, dtype=np.int32), np.full(n_streams, float(i)), row))
    assert rls.diverged[:n_streams].tolist() == [1, 0][:n_streams]
    assert np.isfinite(rls.theta).all()
    assert np.abs(rls.theta[0]).max() > 0.0  # and has learnt again


def test_a_gradient_is_clipped_to_its_greatest_norm_and_told_whole():
    settings = group(
        lags=2,
        batch_size=4,
        optimizer=GradientDescent(),
        learning_rate=1.0,
        schedule=Constant(),
        max_gradient_norm=1e-3,
    )
    engine = new_engine(settings, 1)
    observe_in_pieces(engine, stream_of(autoregression(7)))  # one mini-batch, complete with the 6th sample
    learner = engine.groups[0].forecaster.learner
    assert learner.batches[0] == 1
    assert np.linalg.norm(learner.theta[0]) == pytest.approx(1e-3, rel=1e-9)
    assert learner.gradient_norm[0] > 1e-2


def with_gap(value, at, seconds=100.0):
    """Return samples a second apart, but for a gap before the one at `at`."""
    n = len(value)
    time = np.arange(float(n))
    time[at:] += seconds
    return Samples(np.zeros(n, int), time, np.asarray(value, float))


@pytest.mark.parametrize("cuts", [(), (20,), range(40)], ids=["whole", "cut at the gap", "one by one"])
def test_a_gap_restarts_the_window_and_forecasts_are_nan_until_lags_are_full_again(cuts):
    engine = new_engine(group(lags=4, horizons=(1, 3), max_gap_seconds=60.0), 1)
    samples = with_gap(np.random.default_rng(6).normal(size=40), 20)
    forecast = observe_in_pieces(engine, samples, cuts)["forecast"]
    assert np.flatnonzero(np.isnan(forecast[:, 0])).tolist() == [0, 1, 2, 3, 20, 21, 22, 23]
    assert engine.groups[0].forecaster.features.position[0] == 20
    assert engine.groups[0].forecaster.features.count[0] == 40


def test_a_gap_of_just_max_gap_restarts_nothing():
    samples = with_gap(autoregression(100), 50, seconds=59.0)  # 60 s between the two
    held = observe_in_pieces(new_engine(group(lags=4, max_gap_seconds=60.0), 1), samples)
    plain = observe_in_pieces(new_engine(group(lags=4), 1), samples)
    np.testing.assert_array_equal(held["forecast"], plain["forecast"])


@pytest.mark.parametrize("share", ["group", "stream"])
def test_the_jump_across_a_gap_is_neither_learnt_nor_scored_nor_a_step_of_the_scale(share):
    settings = group(lags=3, horizons=(1, 2), batch_size=4, max_gap_seconds=60.0, share=share)
    value = autoregression(200)
    jump = value + np.where(np.arange(200) >= 100, 1e6, 0.0)
    states = []
    for values in (value, jump):
        engine = new_engine(settings, 1)
        observe_in_pieces(engine, with_gap(values, 100))
        forecaster = engine.groups[0].forecaster
        square = forecaster.scale.square[0]
        states.append((forecaster.learner.theta[0], forecaster.squared_error[0], square))
    for plain, jumped in zip(*states, strict=True):
        np.testing.assert_allclose(jumped, plain, rtol=1e-6)


def test_what_a_model_has_learnt_stays_across_a_gap():
    settings = group(lags=4, batch_size=8, learning_rate=0.01, max_gap_seconds=60.0)
    engine = new_engine(settings, 1)
    samples = with_gap(autoregression(3005), 3000)
    observe_in_pieces(engine, Samples(*(x[:3000] for x in (samples.stream, samples.time, samples.value))))
    theta = engine.groups[0].forecaster.learner.theta.copy()
    observe_in_pieces(engine, Samples(*(x[3000:] for x in (samples.stream, samples.time, samples.value))))
    np.testing.assert_array_equal(engine.groups[0].forecaster.learner.theta, theta)


def test_on_a_grid_a_forecast_stands_from_the_sample_that_closes_an_interval_to_the_next():
    engine = new_engine(group(lags=2, every_seconds=60.0, horizons=(1,), batch_size=1000), 1)
    time = np.array([0.0, 30.0, 60.0, 120.0, 150.0, 185.0, 200.0, 240.0])
    value = np.array([1.0, 3.0, 5.0, 8.0, 10.0, 4.0, 6.0, 0.0])
    forecast = observe_in_pieces(engine, Samples(np.zeros(8, int), time, value))["forecast"][:, 0]
    # minutes: 2, 5, 9, 5; the third, closed at 185 s, is the first with two differences
    assert np.isnan(forecast).tolist() == [True] * 5 + [False] * 3
    assert forecast[5:].tolist() == [9.0, 9.0, 5.0]
    assert engine.groups[0].value[0] == 0.0
    assert engine.groups[0].count[0] == 8
    assert engine.groups[0].forecaster.features.count[0] == 4


def test_on_a_grid_no_forecast_from_before_a_gap_stands_after_it():
    engine = new_engine(group(lags=2, every_seconds=60.0, max_gap_seconds=120.0, batch_size=1000), 1)
    time = np.append(np.arange(5) * 60.0, [1000.0, 1010.0, 1060.0])
    samples = Samples(np.zeros(8, int), time, np.arange(8.0))
    forecast = observe_in_pieces(engine, samples, [5, 7])["forecast"][:, 0]
    assert np.isnan(forecast).tolist() == [True, True, True, False, False, True, True, True]
    assert np.isnan(engine.groups[0].forecaster.forecast[0, 0])


@pytest.mark.parametrize("share", ["group", "stream"])
def test_on_a_grid_a_model_learns_the_same_from_samples_at_any_rate(share):
    settings = group(lags=4, batch_size=8, learning_rate=0.01, every_seconds=60.0, share=share)
    slow, quick = new_engine(settings, 1), new_engine(settings, 1)
    value = autoregression(500)
    observe_in_pieces(slow, Samples(np.zeros(500, int), np.arange(500) * 60.0, value))
    observe_in_pieces(quick, Samples(np.zeros(1500, int), np.arange(1500) * 20.0, np.repeat(value, 3)), [700])
    np.testing.assert_allclose(
        quick.groups[0].forecaster.learner.theta, slow.groups[0].forecaster.learner.theta, rtol=1e-9
    )
    assert quick.groups[0].forecaster.skill()[0, 0] == pytest.approx(slow.groups[0].forecaster.skill()[0, 0])
