"""What `model = "auto"` promises on any series, without a setting: robust, causal, never much worse than
persistence, intervals that keep their coverage."""

import numpy as np
import pytest

from ewad.demonstration.samples import sample_path
from ewad.engine import GroupSettings
from ewad.engine.settings import ModelSettings, auto
from ewad.numeric.experts import EXPERTS
from tests.engine.scenarios import Samples, new_engine, observe_in_pieces, state_of

HOUR, DAY = 3600.0, 86400.0
HORIZONS = (1, 24)
N = 3000


def samples_of(value, every=HOUR):
    """Return value: (n,) or (n, n_streams) as samples, the streams in turn."""
    value = np.asarray(value, float).reshape(len(value), -1)
    n, n_streams = value.shape
    time = 1.6e9 + every * np.arange(n)
    return Samples(np.tile(np.arange(n_streams), n), np.repeat(time, n_streams), value.ravel())


def forecast(value, model=None, every=HOUR):
    """Return forecast, lower and upper, (n, n_streams, n_horizons) each, and the forecaster."""
    value = np.asarray(value, float).reshape(len(value), -1)
    n, n_streams = value.shape
    engine = new_engine(GroupSettings("g", model=model or auto("m", horizons=HORIZONS)), n_streams)
    found = observe_in_pieces(engine, samples_of(value, every), range(0, n * n_streams, 1024))
    shape = n, n_streams, -1
    return *(found[name].reshape(shape) for name in ("forecast", "lower", "upper")), engine.groups[
        0
    ].forecaster


def mse(value, said, horizon, first, last=None):
    """Return the MSE, (n_streams,), of the forecasts made from sample first to last, and persistence's."""
    origin = np.arange(first, last or len(value) - horizon)
    i = HORIZONS.index(horizon)
    truth = value[origin + horizon]
    return ((said[origin, :, i] - truth) ** 2).mean(axis=0), ((value[origin] - truth) ** 2).mean(axis=0)


def covered(value, lower, upper):
    """Return the share of the last 75 % of the values inside their intervals of horizon 1."""
    scored = slice(len(value) // 4 + 1, None)
    low, high = (side[len(value) // 4 : -1, :, 0] for side in (lower, upper))
    return ((low <= value[scored]) & (value[scored] <= high)).mean()


def temperatures(n=N, n_streams=3):
    """Return hourly temperatures: a day, a month, weather."""
    rng, t = np.random.default_rng(1), np.arange(n)[:, None]
    weather = np.zeros((n, n_streams))
    for i in range(1, n):
        weather[i] = 0.97 * weather[i - 1] + 0.4 * rng.normal(size=n_streams)
    return 20.0 + 5.0 * np.sin(2 * np.pi * t / 24) + 3.0 * np.sin(2 * np.pi * t / 720) + weather


@pytest.fixture(scope="module")
def undisturbed():
    value = temperatures()
    return value, forecast(value)[0]


@pytest.mark.parametrize("experts", [*[(name,) for name in EXPERTS], EXPERTS], ids="+".join)
@pytest.mark.parametrize("share", ["stream", "group"])
def test_no_forecast_changes_when_the_future_does(experts, share):
    model = ModelSettings(
        share=share,
        experts=experts,
        features="full",
        lags=5,
        horizons=(1, 6),
        season=12,
        interval=0.9,
        batch_size=4,
    )
    value, now = temperatures(300), 200
    other = value.copy()
    other[now:] = np.random.default_rng(2).normal(0.0, 1e4, other[now:].shape)
    said = forecast(value, model)[:3]
    said_before_another_future = forecast(other, model)[:3]
    for a, b in zip(said, said_before_another_future, strict=True):
        np.testing.assert_allclose(b[:now], a[:now], rtol=1e-12, atol=1e-10)
        assert not np.array_equal(b[now:], a[now:])


@pytest.mark.parametrize("at", [500, 1500])
@pytest.mark.parametrize("spike", [1e6, -1e6])
def test_200_samples_after_a_spike_of_a_million_forecasts_are_as_good_as_without_it(undisturbed, at, spike):
    value, plain = undisturbed
    spiked = value.copy()
    spiked[at] = spike
    said = forecast(spiked)[0]
    for horizon in HORIZONS:
        error, of_plain = (mse(value, of, horizon, at + 200)[0] for of in (said, plain))
        assert (error <= 1.05 * of_plain).all()


@pytest.mark.parametrize("value", [0.0, 21.5, -1e12])
def test_a_constant_stream_is_forecast_to_the_bit_and_without_width(value):
    said, lower, upper, forecaster = forecast(np.full(1000, value))
    assert set(said[60:].ravel()) == {value}
    scored = slice(60 + 24, None)
    assert set(lower[scored].ravel()) == set(upper[scored].ravel()) == {value}
    assert np.isnan(forecaster.skill()).all()


def test_a_stream_that_stops_moving_is_forecast_within_a_twentieth_of_what_it_used_to_move():
    value = np.vstack([temperatures(1000), np.full((1000, 3), 20.0)])
    said, lower, upper, _ = forecast(value)
    assert np.abs(said[1500:, :, 0] - 20.0).max() < 0.05
    assert (upper - lower)[-1, :, 0].max() < 0.1


@pytest.mark.parametrize("step", [-40.0, 1000.0, -1e6])
def test_a_step_is_followed_at_once_and_costs_nothing_of_what_was_learnt(undisturbed, step):
    value, plain = undisturbed
    stepped = value.copy()
    stepped[1500:] += step
    said = forecast(stepped)[0]
    assert np.abs(said[1500:1600, :, 0] - stepped[1501:1601]).max() < 10.0
    for horizon, bound in ((1, 1.05), (24, 1.1)):  # the evidence for what a week tells has to grow again
        error, of_plain = mse(stepped, said, horizon, 1600)[0], mse(value, plain, horizon, 1600)[0]
        assert (error <= bound * of_plain).all()


@pytest.mark.parametrize("kind", ["step", "two spikes"])
def test_long_forecasts_outlive_what_no_expert_could_know(kind):
    # The errors of 24 steps last for as long: they must not count against who was ahead before.
    t = np.arange(N)[:, None]
    rng = np.random.default_rng(17)
    value = 10.0 + 8.0 * np.sin(2.0 * np.pi * t / 365.25) + 2.5 * rng.normal(size=(N, 4))
    changed = value.copy()
    changed[1500 : N if kind == "step" else 1502] += 100.0 if kind == "step" else 1e6
    error, persistence = mse(changed, forecast(changed, every=DAY)[0], 24, 1700)
    plain, its = mse(value, forecast(value, every=DAY)[0], 24, 1700)
    assert (1.0 - error / persistence).mean() >= 0.6 * (1.0 - plain / its).mean()


def test_spikes_that_return_are_followed_less_each_time():
    value = temperatures()
    value[np.random.default_rng(5).choice(np.arange(100, N), 30)] += 1e6
    said = forecast(value)[0]
    error, persistence = mse(value, said, 1, N // 4)
    assert (error <= 0.55 * persistence).all()  # persistence misses each spike twice


def test_celsius_to_fahrenheit_is_recovered_from_within_50_samples(undisturbed):
    value, plain = undisturbed
    changed = value.copy()
    changed[1500:] = 1.8 * value[1500:] + 32.0
    said = forecast(changed)[0]
    for first, last, bound in ((1550, 1700, 1.15), (1700, 2900, 1.05)):
        error, persistence = mse(changed, said, 1, first, last)
        of_plain, plain_persistence = mse(value, plain, 1, first, last)
        assert (error / persistence).mean() <= bound * (of_plain / plain_persistence).mean()


@pytest.mark.parametrize(("unit", "samples"), [(1000.0, 50), (0.001, 150), (0.1, 100)])
def test_what_was_learnt_is_back_soon_after_a_change_of_unit(undisturbed, unit, samples):
    value, plain = undisturbed
    changed = value.copy()
    changed[1500:] *= unit
    said = forecast(changed)[0]
    first = 1500 + samples
    error, persistence = mse(changed, said, 1, first, first + 300)
    of_plain, plain_persistence = mse(value, plain, 1, first, first + 300)
    assert (error / persistence).mean() <= 1.6 * (of_plain / plain_persistence).mean()
    error, persistence = mse(changed, said, 24, first + 24)
    assert (error <= 1.01 * persistence).all()


@pytest.mark.parametrize("every", [60.0, DAY])
def test_a_tank_that_is_filled_up_is_not_forecast_as_if_it_never_were(every):
    # Between its refills, 16 scales each, every forecast that goes on falling is right; over all it is not.
    rng = np.random.default_rng(0)
    value, level = np.empty(2000), 100.0
    for i in range(len(value)):
        level -= rng.exponential(0.3)
        level = 100.0 if level < 20.0 + 10.0 * rng.random() else level
        value[i] = level
    said = forecast(value, every=every)[0]
    error, persistence = mse(value[:, None], said, 24, 500)
    assert (error <= 1.02 * persistence).all()


@pytest.mark.parametrize("down", [False, True])
def test_a_first_step_is_not_forecast_to_be_undone(down):
    # Noise returns to its level at once. That a step of 14 scales does is more than it tells.
    value = 0.3 * np.random.default_rng(5).normal(size=(1200, 3))
    value[1130:] += -6.0 if down else 6.0
    said = forecast(value)[0][1130:1140]
    assert np.abs(said - value[1130:1140, :, None]).max() < 2.0  # 3.6 to 5.5 if it could


@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_season_that_is_found_changes_no_forecast_at_once(one_by_one):
    rng = np.random.default_rng(1)
    value = np.cumsum(np.repeat(rng.normal(0.0, 0.3, 20), 200) + 0.5 * rng.normal(size=4000))[:2400]
    engine = new_engine(GroupSettings("g", model=auto("m")), 1)
    cuts = range(0, 2400, 1 if one_by_one else 1024)
    said = observe_in_pieces(engine, samples_of(value, 60.0), cuts)["forecast"][:, 0]
    seasons = engine.groups[0].forecaster.features.seasons
    assert seasons.season[0] == 1440
    assert np.abs(said[2000:] - value[2000:]).max() < 5.0  # the value a day before is up to 60 away


@pytest.mark.parametrize("every", [60.0, HOUR])
def test_short_records_of_walks_are_no_reason_to_leave_persistence(every):
    value = walks("random walk", 2000, 12)
    said = forecast(value, auto("m", horizons=(1, 48)), every)[0]
    origin = np.arange(500, 1952)
    truth = value[origin + 48]
    error, persistence = ((told - truth) ** 2 for told in (said[origin, :, 1], value[origin]))
    assert (error.mean(axis=0) <= 1.01 * persistence.mean(axis=0)).all()


TAILS = {"heavy-tailed walk": 3.0, "Cauchy walk": 1.0}  # degrees of freedom


def walks(kind, n=N, n_streams=6):
    rng = np.random.default_rng(3)
    if kind in TAILS:
        return rng.standard_t(TAILS[kind], size=(n, n_streams)).cumsum(axis=0)
    walk = rng.normal(size=(n, n_streams)).cumsum(axis=0)
    return np.round(0.2 * walk) if kind == "quantised walk" else walk


@pytest.mark.parametrize("kind", ["random walk", "quantised walk", *TAILS])
def test_where_nothing_can_be_learnt_persistence_is_hardly_ever_beaten_and_never_much_better(kind):
    value = walks(kind)
    said, lower, upper, forecaster = forecast(value)
    error, persistence = mse(value, said, 1, N // 4)
    assert (error <= 1.01 * persistence).all()
    weights = forecaster.weights()
    np.testing.assert_allclose(weights.sum(axis=2), 1.0)
    if kind != "quantised walk":  # its values return at once from half of its steps
        error, persistence = mse(
            value, said, 24, N // 4
        )  # one stream in a hundred looks otherwise for a while
        assert error.sum() <= 1.01 * persistence.sum()
        assert weights[:, :, 0].mean() > 0.95
    inside = (lower[N // 4 : -1, :, 0] <= value[N // 4 + 1 :]) & (
        value[N // 4 + 1 :] <= upper[N // 4 : -1, :, 0]
    )
    assert 0.88 <= inside.mean() <= 0.92


def office():
    """Return time and value of the Numenta benchmark's office temperatures, F."""
    with sample_path("ambient_temperature.csv").open(encoding="utf-8") as file:
        rows = [line.strip().split(",") for line in file][1:]
    time = np.array([time for time, _ in rows], "datetime64[s]").astype(float)
    return time, np.array([float(value) for _, value in rows])


@pytest.mark.parametrize(("horizons", "aim"), [((1,), 0.68), (tuple(range(1, 25)), 3.38)])
def test_the_office_temperatures_are_forecast_as_well_as_was_aimed_at(horizons, aim):
    time, value = office()
    engine = new_engine(GroupSettings("g", model=auto("m", horizons=horizons)), 1)
    samples = Samples(np.zeros(len(value), int), time, value)
    found = observe_in_pieces(engine, samples, range(0, len(value), 1024))
    origin = np.arange(len(value) // 4, len(value) - max(horizons))  # the last 75 %
    truth = np.stack([value[origin + h] for h in horizons], axis=1)
    assert ((found["forecast"][origin] - truth) ** 2).mean() <= aim  # F^2
    inside = (found["lower"][origin] <= truth) & (truth <= found["upper"][origin])
    assert 0.88 <= inside.mean() <= 0.92


def bytes_a_stream(model):
    """Return what the arrays of a group take for each further stream."""
    arrays = []
    for n_streams in (1000, 2000):
        engine = new_engine(GroupSettings("g", model=model), n_streams)
        arrays.append(sum(array.nbytes for array in state_of(engine).values()))
    return (arrays[1] - arrays[0]) / 1000


@pytest.mark.parametrize(("horizons", "kilobytes"), [((1,), 103), (tuple(range(1, 25)), 268)])
def test_the_memory_of_a_stream_with_a_model_of_its_own_is_bounded(horizons, kilobytes):
    assert bytes_a_stream(auto("m", horizons=horizons)) <= 1000 * kilobytes


@pytest.mark.parametrize("season", [None, 24])
def test_on_a_grid_lags_seasons_and_horizons_mean_time_however_irregular_the_feed(season):
    rng, hours, per_hour = np.random.default_rng(4), 400, 5
    time = (1.6e9 // HOUR + np.arange(hours).repeat(per_hour)) * HOUR
    time += np.sort(rng.uniform(0.0, HOUR, (hours, per_hour)), axis=1).ravel()
    value = temperatures(hours, 1).repeat(per_hour) + rng.normal(size=hours * per_hour)
    hourly = Samples(
        np.zeros(hours, int),
        (1.6e9 // HOUR + np.arange(hours)) * HOUR,
        value.reshape(hours, per_hour).mean(axis=1),
    )
    model = {"horizons": HORIZONS, "season": season}
    plain = new_engine(GroupSettings("g", model=auto("m", **model)), 1)
    grid = new_engine(GroupSettings("g", model=auto("m", every_seconds=HOUR, **model)), 1)
    expected = observe_in_pieces(plain, hourly)
    got = observe_in_pieces(grid, Samples(np.zeros(len(value), int), time, value), range(0, len(value), 300))
    first = np.arange(1, hours) * per_hour  # the sample that closes the hour before
    for name in ("forecast", "lower", "upper"):
        np.testing.assert_allclose(got[name][first], expected[name][:-1], rtol=1e-6, err_msg=name)
