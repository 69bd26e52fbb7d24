"""Other streams of the block as inputs: worth having where they lead, free where they do not."""

from itertools import pairwise

import numpy as np
import pytest

from ewad.config import parse
from ewad.engine import Batch, Engine, GroupSettings
from ewad.engine.inputs import name_of
from ewad.engine.settings import auto
from ewad.ingest.files import RecordedMessage
from ewad.ingest.intake import Intake
from tests.engine.scenarios import state_of

HORIZONS = (1, 6, 24)
STEP = 600.0


def weather(seed, n):
    """Return a temperature outdoors: a day and slow changes that none can foresee."""
    rng, hours, drift = np.random.default_rng(seed), np.arange(n) / 6.0, np.zeros(n)
    for i in range(1, n):
        drift[i] = 0.995 * drift[i - 1] + 0.3 * rng.normal()
    return 10.0 + 5.0 * np.sin(2.0 * np.pi * hours / 24.0) + drift


def room_behind(outdoor, seed):
    """Return the temperature of a room whose walls follow the weather of half an hour before."""
    rng = np.random.default_rng(seed)
    room = np.full(len(outdoor), 20.0)
    for i in range(1, len(outdoor)):
        pull = outdoor[max(i - 3, 0)] - 10.0 - (room[i - 1] - 20.0)
        room[i] = room[i - 1] + 0.03 * pull + 0.03 * rng.normal()
    return room + 0.1 * rng.normal(size=len(outdoor))


def engine_of(streams, inputs, **chosen):
    engine = Engine([GroupSettings("house", model=auto("m", horizons=HORIZONS, inputs=inputs, **chosen))])
    for name, labels in streams.items():
        engine.add_stream(0, name, labels)
    return engine


def in_turn(*series):
    """Return a batch with a sample of each series at each time, the first series first."""
    n, k = len(series[0]), len(series)
    time = np.repeat(1.7e9 + STEP * np.arange(n), k)
    return Batch(0, np.tile(np.arange(k, dtype=np.int32), n), time, np.stack(series, axis=1).ravel())


def errors_of_the_last(engine, *series, skip=1000):
    """Return the mean squared error of the last series' forecasts for each horizon."""
    forecast = engine.observe(in_turn(*series)).forecast[len(series) - 1 :: len(series)]
    truth = series[-1]
    return np.array(
        [np.mean((truth[skip + h :] - forecast[skip:-h, i]) ** 2) for i, h in enumerate(HORIZONS)]
    )


BOTH = {"outdoor": (), "room": ()}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_stream_that_leads_makes_forecasts_better_by_15_percent_and_more(seed):
    outdoor = weather(seed, 5000)
    room = room_behind(outdoor, seed + 100)
    without, beside = (
        errors_of_the_last(engine_of(BOTH, inputs), outdoor, room) for inputs in ((), ("outdoor",))
    )
    assert (beside < [0.85, 0.6, 0.6] * without).all()  # measured: .81, .43, .50


@pytest.mark.parametrize("seed", [1, 2])
def test_a_stream_that_has_nothing_to_do_with_it_costs_nothing(seed):
    room = room_behind(weather(seed, 5000), seed + 100)
    other = weather(seed + 50, 5000)
    without, beside = (
        errors_of_the_last(engine_of(BOTH, inputs), other, room) for inputs in ((), ("outdoor",))
    )
    assert (beside < 1.01 * without).all()


def test_an_input_that_comes_later_changes_nothing_that_was_said_before():
    outdoor = weather(1, 400)
    room = room_behind(outdoor, 2)
    other = outdoor.copy()
    other[300:] = 1e6
    said, instead = (
        engine_of(BOTH, ("outdoor",)).observe(in_turn(each, room)).forecast[1::2] for each in (outdoor, other)
    )
    assert said[:300].tobytes() == instead[:300].tobytes()
    assert said[300:].tobytes() != instead[300:].tobytes()


def test_a_sample_after_the_streams_own_counts_from_the_next_one_on():
    outdoor = weather(1, 400)
    room = room_behind(outdoor, 2)
    other = outdoor.copy()
    other[300] = 30.0
    streams = {"room": (), "outdoor": ()}  # the room has its sample before the weather has
    said, instead = (
        engine_of(streams, ("outdoor",)).observe(in_turn(room, each)).forecast[::2]
        for each in (outdoor, other)
    )
    assert said[:301].tobytes() == instead[:301].tobytes()
    assert said[301].tobytes() != instead[301].tobytes()


@pytest.mark.parametrize("share", ["stream", "group"])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_any_split_gives_the_same_bytes(share, size):
    outdoor = weather(3, 150)
    whole = in_turn(outdoor, room_behind(outdoor, 4))
    dumps = []
    for cuts in ([0, 300], range(0, 300 + size, size)):
        engine = engine_of(BOTH, ("outdoor",), share=share, lags=4)
        for a, z in pairwise(cuts):
            engine.observe(Batch(0, whole.stream[a:z], whole.time[a:z], whole.value[a:z]))
        dumps.append(engine.dump())
    assert dumps[0] == dumps[1]


def test_a_dump_goes_on_as_if_nothing_had_happened():
    outdoor = weather(3, 300)
    whole = in_turn(outdoor, room_behind(outdoor, 4))
    stayed, loaded = (engine_of(BOTH, ("outdoor",), lags=4) for _ in range(2))
    loaded = Engine([stayed.groups[0].settings])
    stayed.observe(Batch(0, whole.stream[:400], whole.time[:400], whole.value[:400]))
    assert loaded.load(stayed.dump()).dropped == []
    for engine in (stayed, loaded):
        engine.observe(Batch(0, whole.stream[400:], whole.time[400:], whole.value[400:]))
    assert loaded.dump() == stayed.dump()


def links_of(engine):
    """Return the inputs of each stream by name, after a batch of nothing."""
    group = engine.groups[0]
    engine.observe(Batch(0, np.zeros(0, np.int32), np.zeros(0), np.zeros(0)))
    names = group.streams.names
    return {
        name: [names[row] if row >= 0 else None for row in group.forecaster.inputs.links[at].tolist()]
        for at, name in enumerate(names)
    }


def test_labels_of_a_stream_tell_its_inputs():
    streams = {
        f"{room}/{what}": (("room", room),) for room in ("attic", "cellar") for what in ("air", "wall")
    }
    assert links_of(engine_of(streams, ("{room}/wall", "weather"))) == {
        "attic/air": ["attic/wall", None],
        "attic/wall": [None, None],  # no stream is its own input
        "cellar/air": ["cellar/wall", None],
        "cellar/wall": [None, None],
    }


def test_inputs_are_found_whenever_they_come_and_wherever_they_move():
    engine = engine_of({"room": (), "hall": ()}, ("weather",))
    assert links_of(engine) == {"room": [None], "hall": [None]}
    assert [*engine.groups[0].forecaster.inputs.missing] == ["weather"]
    engine.add_stream(0, "weather")
    assert links_of(engine) == {"room": ["weather"], "hall": ["weather"], "weather": [None]}
    assert not engine.groups[0].forecaster.inputs.missing
    engine.forget_streams(0, ["room"])  # the weather takes its row
    assert links_of(engine) == {"weather": [None], "hall": ["weather"]}
    engine.forget_streams(0, ["weather"])
    assert links_of(engine) == {"hall": [None]}


def test_two_streams_may_be_inputs_of_each_other():
    streams = {"a": (), "b": ()}
    engine = engine_of(streams, ("a", "b"))
    assert links_of(engine) == {"a": [None, "b"], "b": ["a", None]}


def test_an_input_that_never_comes_leaves_the_forecast_to_the_others():
    ratios = []
    for seed in range(5, 11):  # of one series a few per cent are chance
        room = room_behind(weather(seed, 3000), 6)
        without, waiting = (
            errors_of_the_last(engine_of({"room": ()}, inputs), room) for inputs in ((), ("weather",))
        )
        ratios.append(waiting / without)
    assert (np.exp(np.log(ratios).mean(axis=0)) < 1.01).all()


def test_a_name_needs_all_the_labels_of_its_template():
    labels = (("room", "attic"), ("floor", "3"))
    assert name_of("weather/{floor}/{room}", labels) == "weather/3/attic"
    assert name_of("weather/outdoor", ()) == "weather/outdoor"
    assert name_of("weather/{house}", labels) is None


def test_the_state_has_no_links_of_rows():
    engine = engine_of(BOTH, ("outdoor",))
    assert not any(name.endswith("/links") for name in state_of(engine))


def test_an_input_that_does_not_come_is_told_once(caplog):
    settings = parse(
        '[[stream]]\nname = "house"\ntopic = "house/+"\nmodel = "m"\n[model.m]\ninputs = ["weather"]', "t", {}
    )
    engine = Engine(settings.group_settings())
    intake = Intake(engine, settings.streams)
    for i in range(100):
        assert engine.groups[0].missing_inputs() == []
        intake.consume([RecordedMessage(1.7e9 + i, "house/attic", b"%d" % i)], 1.7e9 + i)
        intake.observe()
    assert engine.groups[0].missing_inputs() == ["weather"]
    list(intake.leaving(1.7e9 + 200))
    list(intake.leaving(1.7e9 + 300))
    told = [record.getMessage() for record in caplog.records]
    assert [line[: line.index(" why")] for line in told] == ['input missing block="house" input="weather"']


@pytest.mark.parametrize("horizons", [(1,), (1, 48)])
def test_a_state_of_other_horizons_goes_on_with_what_it_knows_of_the_inputs(horizons):
    outdoor = weather(1, 300)
    old = engine_of(BOTH, ("outdoor",))
    old.observe(in_turn(outdoor, room_behind(outdoor, 2)))
    model = auto("m", horizons=horizons, inputs=("outdoor",))
    new = Engine([GroupSettings("house", model=model)])
    assert not any("inputs dropped" in line for line in new.load(old.dump()).dropped)
    mine, theirs = (engine.groups[0].forecaster.inputs for engine in (new, old))
    for name in ("last", "sums", "weights", "square", "square_weight"):
        np.testing.assert_array_equal(getattr(mine, name)[:2], getattr(theirs, name)[:2])
    batch = in_turn(outdoor, room_behind(outdoor, 2))
    later = Batch(0, batch.stream, batch.time + 1e6, batch.value)
    assert np.isfinite(new.observe(later).forecast[-2:]).all()
