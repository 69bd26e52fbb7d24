"""What holds of every expert of the table, whatever it does: tried on arrival."""

import numpy as np
import pytest

from ewad.engine import ByCount, Engine, GroupSettings, ModelSettings
from ewad.engine.settings import auto
from ewad.numeric.experts import EXPERTS
from tests.engine.scenarios import Samples, new_engine, observe_in_pieces, random_samples

HOSTILE = {
    "constant": np.full(400, 21.5),
    "zeros": np.zeros(400),
    "huge": np.tile([1e149, -1e149, 0.0, 1e-300], 100),
    "spikes": np.where(np.arange(400) % 37, 20.0, 1e12),
    "one step": np.where(np.arange(400) < 200, 1.0, 1e9),
    "coarse": np.round(np.random.default_rng(1).normal(size=400).cumsum()),
}


def group_of(expert, share="stream", **further):
    model = ModelSettings(
        share=share, experts=(expert,), features="full", lags=4, horizons=(1, 5), season=6, interval=0.9,
        batch_size=3, **further,
    )  # fmt: skip
    return GroupSettings("plant", (ByCount(0.9),), model=model)


def one_stream(value):
    return Samples(np.zeros(len(value), int), 1.6e9 + 60.0 * np.arange(len(value)), np.asarray(value, float))


@pytest.mark.parametrize("share", ["stream", "group"])
@pytest.mark.parametrize("expert", EXPERTS)
class TestEveryExpert:
    def test_what_comes_later_changes_nothing_that_was_said_before(self, expert, share):
        value = np.random.default_rng(1).normal(size=300).cumsum()
        other = value.copy()
        other[150:] = 1e6
        said, instead = (
            observe_in_pieces(new_engine(group_of(expert, share), 1), one_stream(x))["forecast"]
            for x in (value, other)
        )
        assert said[:150].tobytes() == instead[:150].tobytes()

    @pytest.mark.parametrize("series", HOSTILE)
    def test_forecasts_are_finite_on_hostile_series(self, expert, share, series):
        engine = new_engine(group_of(expert, share), 1)
        forecast = observe_in_pieces(engine, one_stream(HOSTILE[series]))["forecast"]
        assert np.isfinite(forecast[4:]).all()

    def test_a_dump_goes_on_as_if_nothing_had_happened(self, expert, share):
        samples = random_samples(3, 400, 3)
        stayed, loaded = new_engine(group_of(expert, share), 3), Engine([group_of(expert, share)])
        stayed.observe(samples.batch(0, 200))
        assert loaded.load(stayed.dump()).dropped == []
        for engine in (stayed, loaded):
            engine.observe(samples.batch(200))
        assert loaded.dump() == stayed.dump()

    @pytest.mark.parametrize("size", [1, 2, 7])
    def test_any_split_gives_the_same_bytes(self, expert, share, size):
        samples, dumps = random_samples(4, 300, 3), []
        for cuts in ((), range(0, 300, size)):
            engine = new_engine(group_of(expert, share), 3)
            observe_in_pieces(engine, samples, cuts)
            dumps.append(engine.dump())
        assert dumps[0] == dumps[1]

    def test_rows_move_and_leave_with_their_streams(self, expert, share):
        samples = random_samples(5, 300, 3)
        engine = new_engine(group_of(expert, share), 3)
        engine.observe(samples.batch(0, 150))
        engine.forget_streams(0, ["stream 0"])  # the last one takes its row
        for i in range(20):
            engine.add_stream(0, f"later {i}")
        results = observe_in_pieces(engine, Samples(*(part[150:] for part in vars(samples).values())))
        assert np.isfinite(results["forecast"][-20:]).any()

    def test_it_is_mixed_with_others_by_its_track_record(self, expert, share):
        others = tuple(name for name in ("persistence", "ses") if name != expert)
        model = auto("m", share=share, experts=(expert, *others), lags=4, season=6)
        engine = new_engine(GroupSettings("plant", model=model), 1)
        observe_in_pieces(engine, one_stream(np.random.default_rng(2).normal(size=300)))
        weights = engine.groups[0].forecaster.weights()
        np.testing.assert_allclose(weights[0].sum(axis=1), 1.0)


def test_exponential_smoothing_finds_the_level_under_noise():
    value = 20.0 + np.random.default_rng(6).normal(size=2000)
    engine = new_engine(group_of("ses"), 1)
    forecast = observe_in_pieces(engine, one_stream(value))["forecast"]
    assert np.std(forecast[500:, 0]) < 0.4
    assert engine.groups[0].forecaster.skill()[0, 0] > 0.4  # half of persistence's squared error is noise


def test_holt_follows_a_trend_ahead():
    value = 0.5 * np.arange(600.0) + 0.1 * np.random.default_rng(7).normal(size=600)
    ahead = {}
    for expert in ("ses", "holt"):
        forecast = observe_in_pieces(new_engine(group_of(expert), 1), one_stream(value))["forecast"]
        ahead[expert] = np.abs(forecast[300:-5, 1] - value[305:]).mean()
    assert ahead["holt"] < 0.6 * ahead["ses"]
