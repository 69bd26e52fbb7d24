"""`hold = true`: a value stands until the next one, and averages move on at every look at them."""

import numpy as np

from ewad.config import parse
from ewad.daemon.parts import new_engine
from ewad.engine import Batch, Engine, EngineSettings
from ewad.outputs.http.history import PointHistory
from ewad.outputs.http.view import View
from ewad.outputs.prometheus.exposition import Exposition
from ewad.outputs.sinks import Standing

NOW = 1_800_000_000.0


def held_engine(*samples, **keys):
    block = {"name": "s", "topic": "t", "half_life": "10m", "hold": True, **keys}
    engine = new_engine(parse({"stream": [block]}, "test", {}))
    engine.add_stream(0, "t", ())
    for seconds, value in samples:
        time = np.array([NOW + seconds])
        engine.observe(Batch(0, np.zeros(1, dtype=np.int32), time, np.array([value]), NOW + seconds))
    return engine


def scraped(engine, seconds, metric="ewad_smoothed_value"):
    text = b"".join(Exposition(engine, [np.inf]).render(lambda: NOW + seconds, openmetrics=False)).decode()
    (line,) = (line for line in text.splitlines() if line.startswith(metric + "{"))
    return float(line.rsplit(" ", 1)[1])


def test_a_scrape_sees_the_average_of_its_moment():
    engine = held_engine((-3600, 10.0), (0, 20.0))
    assert [round(scraped(engine, seconds), 3) for seconds in (0, 600, 1200)] == [10.0, 15.039, 17.529]
    assert scraped(engine, 0, "ewad_smoothed_stddev") == 0.0
    assert round(scraped(engine, 600, "ewad_smoothed_stddev"), 2) == 5.0


def test_the_api_and_what_stands_at_a_start_tell_the_same():
    engine = held_engine((-3600, 10.0), (0, 20.0))
    view = View(engine, lambda group: np.ones(1, np.bool_), [None], PointHistory(), lambda: NOW + 600)
    (stream,) = view.streams([view.find("t")])
    assert stream.smoothed["half_life=10m"] == scraped(engine, 600)
    (mean,) = (
        values[0]
        for quantity, _, values in Standing.of(engine.groups[0], NOW + 600).columns
        if quantity.name == "smoothed_value"
    )
    assert mean == scraped(engine, 600)


def test_a_direction_goes_the_short_way_round():
    engine = held_engine((-86400, 350.0), (0, 30.0), kind="circular")
    assert round(scraped(engine, 600), 6) == 10.0


def test_the_state_goes_on_where_it_was():
    engine = held_engine((-3600, 10.0), (0, 20.0))
    settings = EngineSettings(tuple(group.settings for group in engine.groups))
    assert EngineSettings.from_json(settings.to_json()) == settings
    successor = Engine(settings.groups)
    loaded = successor.take_over(engine.snapshot())
    assert not loaded.dropped
    assert scraped(successor, 600) == scraped(engine, 600)


def test_an_average_that_is_held_from_now_on_begins_anew():
    engine = held_engine((-3600, 10.0), (0, 20.0), hold=False)
    successor = Engine(tuple(group.settings for group in held_engine().groups))
    loaded = successor.take_over(engine.snapshot())
    assert loaded.dropped
    assert np.isnan(successor.groups[0].averages[0].smoothed()[0])
    assert successor.groups[0].value[0] == 20.0
