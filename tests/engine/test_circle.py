"""Values on a circle: averages and forecasts go the short way round, in whatever batches they come."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.config import parse
from ewad.engine import Batch, Engine, GroupSettings, ModelSettings
from ewad.engine.circle import nearest
from ewad.errors import ConfigError
from ewad.ingest.files.messages import RecordedMessage
from ewad.ingest.intake import Intake
from ewad.outputs.registry import QUANTITIES
from tests.console import ewad

WIND = [350.0, 355, 5, 10, 2, 358, 1, 359]
MODEL = ModelSettings(
    experts=("persistence", "linear"), lags=3, horizons=(1, 2), interval=0.9, share="stream"
)


def engine(model=None, streams=1):
    made = Engine([GroupSettings("wind", model=model, period=360.0)])
    for i in range(streams):
        made.add_stream(0, f"s{i}")
    return made


def batch(values, start=0, stream=None):
    n = len(values)
    rows = np.zeros(n, np.int32) if stream is None else np.asarray(stream, np.int32)
    return Batch(0, rows, np.arange(start, start + n, dtype=np.float64), np.asarray(values, dtype=np.float64))


def test_the_mean_direction_lies_between_the_directions():
    weights = 0.9 ** np.arange(len(WIND))[::-1]
    short = [value - 360.0 if value > 180.0 else value for value in WIND]
    expected = np.average(short, weights=weights)
    assert expected == pytest.approx(0.32, abs=0.01)
    results = engine().observe(batch(WIND))
    assert results.mean[-1, 0] == pytest.approx(expected % 360.0)
    assert results.stddev[-1, 0] < 8.0  # on a line: 189
    assert ((results.mean >= 0.0) & (results.mean < 360.0)).all()


@given(st.lists(st.floats(0, 359.9), min_size=1, max_size=40), st.integers(1, 7), st.data())
def test_any_split_gives_the_same_bits(values, size, data):
    stream = data.draw(st.lists(st.integers(0, 1), min_size=len(values), max_size=len(values)))
    whole, parts = engine(MODEL, 2), engine(MODEL, 2)
    found = whole.observe(batch(values, stream=stream)).found
    pieces = [
        parts.observe(batch(values[i : i + size], i, stream[i : i + size])).found
        for i in range(0, len(values), size)
    ]
    assert np.array_equal(found, np.concatenate(pieces), equal_nan=True)
    assert whole.dump() == parts.dump()


@given(st.floats(-1e4, 1e4), st.floats(0, 360))
def test_nearest_is_less_than_half_a_circle_away_and_means_the_same(last, value):
    found = nearest(value, last, 360.0)
    assert abs(found - last) <= 180.0 + 1e-9
    assert math.isclose(math.remainder(found - value, 360.0), 0.0, abs_tol=1e-8)


def test_a_vane_that_turns_is_forecast_on():
    turning = [(10.0 * i) % 360.0 for i in range(300)]
    made = engine(ModelSettings(experts=("rls",), lags=3, horizons=(1,)))
    results = made.observe(batch(turning))
    missed = np.abs((results.forecast[200:-1, 0] - turning[201:] + 180.0) % 360.0 - 180.0)
    assert missed.max() < 2.0  # persistence misses by 10, and on a line by 350 once a turn


def test_what_is_told_lies_on_the_circle():
    made = engine(MODEL)
    made.observe(batch([*WIND, *np.arange(0.0, 2000.0, 30.0) % 360.0]))
    group = made.groups[0]
    assert group.value[0] > 360.0  # within, it has gone round
    for name in ("value", "smoothed_value", "forecast_value", "forecast_lower_value", "forecast_upper_value"):
        quantity = next(each for each in QUANTITIES if each.name == name)
        for _, column in quantity.standing(group):
            assert 0.0 <= column[0] < 360.0, name


BLOCK = {"name": "wind", "topic": "wind/{mast}", "kind": "circular", "period": 360.0}


def test_a_block_is_circular_and_knows_a_retained_copy():
    settings = parse({"stream": [BLOCK]}, "test", {})
    assert settings.group_settings()[0].period == 360.0
    intake = Intake(Engine(settings.group_settings()), settings.streams)
    for value in (b"350", b"10"):
        intake.consume([RecordedMessage(1.0, "wind/a", value)], 1.0)
        intake.observe()
    intake.consume([RecordedMessage(1.0, "wind/a", b"10", retain=True)], 2.0)
    assert intake.take_batch() is None  # it is the last value again


def test_period_needs_a_circle():
    with pytest.raises(ConfigError, match=r'period: needs kind = "circular" in the same block'):
        parse({"stream": [{**BLOCK, "kind": "gauge"}]}, "test", {})
    with pytest.raises(ConfigError, match="thresholds: expected none with circular values"):
        parse({"stream": [{**BLOCK, "model": "auto", "thresholds": {"north": "< 10"}}]}, "test", {})


def test_a_replay_tells_directions(tmp_path):
    pd.DataFrame({"time": 1.7e9 + 60.0 * np.arange(8), "wind/a": WIND}).to_csv(
        tmp_path / "w.csv", index=False
    )
    (tmp_path / "ewad.toml").write_text(
        '[[stream]]\nname = "wind"\ntopic = "wind/{mast}"\nkind = "circular"\nbeta = [0.9]\n'
    )
    done = ewad("replay", tmp_path / "w.csv", "-c", tmp_path / "ewad.toml", "-o", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    out = pd.read_csv(tmp_path / "out.csv")
    assert out["value"].tolist() == WIND
    assert out["smoothed_0.9"].iloc[-1] == pytest.approx(0.32, abs=0.01)
