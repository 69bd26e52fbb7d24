"""The report of a replay: against scores computed from the whole series at once."""

import re

import numpy as np
import pytest

from ewad.engine import Batch, Engine, GroupSettings, ModelSettings
from ewad.engine.settings import auto
from ewad.numeric.optimizers import GradientDescent
from ewad.numeric.schedules import Constant
from ewad.outputs.files.report import ScoreReport

LINEAR = {"experts": ("linear",), "lags": 3}


def replayed(model, time, value, batch=50, score_from=0.25, out_of_order="drop"):
    """Return the report on one stream, its rows as lists of cells, and the forecasts."""
    engine = Engine([GroupSettings("office", model=model, out_of_order=out_of_order)])
    report = ScoreReport(engine, score_from)
    engine.add_stream(0, "a stream")
    forecasts = []
    for a in range(0, len(time), batch):
        part = slice(a, a + batch)
        batch_ = Batch(0, np.zeros(len(time[part]), dtype=np.int32), time[part], value[part])
        results = engine.observe(batch_)
        report.observe(batch_, results)
        forecasts.append(results.forecast)
    text = str(report)
    rows = [line.split("  ") for line in text.splitlines() if line.startswith("a stream")]
    return text, [[cell.strip() for cell in row if cell.strip()] for row in rows], np.concatenate(forecasts)


def walk(n, step=3600.0):
    rng = np.random.default_rng(3)
    return 1_600_000_020.0 + step * np.arange(n), np.cumsum(rng.normal(size=n))


@pytest.mark.parametrize("batch", [1, 50, 400])
def test_the_numbers_are_those_of_the_forecasts(batch):
    time, value = walk(100)
    text, rows, forecast = replayed(ModelSettings("m", horizons=(1, 2), **LINEAR), time, value, batch)
    for row, horizon in zip(rows, (1, 2), strict=True):
        target = np.arange(25, 100)
        error = value[target] - forecast[target - horizon, horizon - 1]
        naive = value[target] - value[target - horizon]
        change = value[target] - value[target - 1]
        assert row[:3] == ["a stream", str(horizon), "75"]
        assert float(row[3]) == pytest.approx(np.mean(error**2), rel=1e-4)
        assert float(row[4]) == pytest.approx(np.mean(np.abs(error)), rel=1e-4)
        assert float(row[5]) == pytest.approx(np.mean(np.abs(error)) / np.mean(np.abs(change)), abs=1e-3)
        assert float(row[6]) == pytest.approx(1 - np.sum(error**2) / np.sum(naive**2), abs=1e-3)
        seasonal = value[target] - value[target - 24]
        assert float(row[7]) == pytest.approx(1 - np.sum(error**2) / np.sum(seasonal**2), abs=1e-3)
        assert row[8:] == ["-", "-"]
    assert "24 samples, a day at the median interval of 3600 s" in text


@pytest.mark.parametrize(
    ("step", "season", "expected"),
    [
        (86400.0, None, "7 samples, a week"),
        (1.0, None, "none is known"),
        (3600.0, 12, "12 samples, as configured"),
    ],
)
def test_the_season_is_said(step, season, expected):
    text, _, _ = replayed(ModelSettings("m", season=season, **LINEAR), *walk(30, step))
    assert f"seasonal naive forecast ({expected}" in text


def test_weights_and_coverage_of_a_mixture_are_shown():
    text, rows, _ = replayed(auto("auto", lags=5), *walk(300))
    scores, weights, intervals = rows
    assert 0.7 < float(scores[8]) < 1.0
    assert float(scores[9]) > 0.0
    assert sum(map(float, weights[2:])) == pytest.approx(1.0, abs=0.003)
    assert "persistence  linear    rls  network  seasonal" in text
    assert intervals[2] == scores[8]
    assert 0.0 <= float(intervals[4]) <= float(scores[8])
    assert float(intervals[5]) > float(scores[9])  # the Winkler score: what is outside costs more


def test_a_model_on_a_grid_is_scored_on_its_intervals():
    # four samples a minute, of which the model sees the last alone: as if only it had come
    time, value = walk(400, 15.0)
    model = ModelSettings("m", every_seconds=60.0, resample="last", **LINEAR)
    _, [on_grid], _ = replayed(model, time, value)
    _, [alone], _ = replayed(ModelSettings("m", season=1440, **LINEAR), time[3:-1:4], value[3:-1:4])
    assert on_grid == alone


def test_a_gap_is_not_scored_across():
    time, value = walk(60)
    time[30:] += 1e6
    model = ModelSettings("m", max_gap_seconds=7200.0, **LINEAR)
    _, [row], forecast = replayed(model, time, value, score_from=0.0)
    known = ~np.isnan(forecast[:-1, 0])
    known[29] = False
    assert row[2] == str(known.sum())
    assert float(row[3]) == pytest.approx(np.mean((value[1:] - forecast[:-1, 0])[known] ** 2), rel=1e-4)


def test_late_samples_that_are_accepted_are_scored_when_they_count():
    time, value = walk(200, 600.0)
    late = time.copy()
    late[50::10] -= 1500.0
    for further in ({"max_gap_seconds": 1200.0}, {"every_seconds": 600.0}):
        model = ModelSettings("m", **further, **LINEAR)
        newest, _, _ = replayed(model, np.maximum.accumulate(late), value)
        for batch in (1, 50):
            text, _, _ = replayed(model, late, value, batch, out_of_order="accept")
            assert text == newest


def test_what_there_is_nothing_to_say_of_is_said():
    assert (
        str(ScoreReport(Engine([GroupSettings("g")]), 0.25))
        == "no group has a model: there are no forecasts to report on"
    )
    assert "g: no samples" in str(ScoreReport(Engine([GroupSettings("g", model=ModelSettings("m"))]), 0.25))
    _, [row], _ = replayed(ModelSettings("m", **LINEAR), *walk(2))
    assert row == ["a stream", "1", "0", *"-------"]


def test_a_skill_that_rounds_to_zero_has_no_sign():
    time, value = walk(60)
    model = ModelSettings("m", learning_rate=1e-5, batch_size=1, **LINEAR)  # persistence, or worse by a hair
    _, [row], forecast = replayed(model, time, value, score_from=0.0)
    target = np.arange(4, 60)
    skill = 1 - np.sum((value[target] - forecast[target - 1, 0]) ** 2) / np.sum(np.diff(value)[3:] ** 2)
    assert -0.0005 < skill < 0.0
    assert row[6] == "0.000"


def test_what_a_series_is_too_short_for_is_said_once():
    needed = "every horizon needs at least 6 samples in a row: 3 lags, 1 to forecast from, 2 ahead"
    model = ModelSettings("m", horizons=(1, 2), **LINEAR)
    text, [near, far], _ = replayed(model, *walk(5))
    assert (near[2], far[2]) == ("1", "0")
    assert f"{needed}; a stream has 5" in text
    text, [_, far], _ = replayed(model, *walk(6))
    assert far[2] == "1"
    assert "every horizon needs" not in text
    on_grid, _, _ = replayed(ModelSettings("m", every_seconds=7200.0, **LINEAR), *walk(5))
    assert "at least 5 intervals in a row: 3 lags, 1 to forecast from, 1 ahead; a stream has 2" in on_grid
    text, _, _ = replayed(model, *walk(60), score_from=0.99999)
    assert f"{needed}, which is in the part that is scored; a stream has 60" in text


def test_models_that_diverged_are_told():
    time, value = walk(400)
    model = ModelSettings(
        "m", batch_size=4, optimizer=GradientDescent(), learning_rate=50.0, schedule=Constant(), **LINEAR
    )
    text, _, _ = replayed(model, time, value)
    assert re.search(r"diverged, and started anew: linear \d+ times; try a learning_rate below 50\n?", text)
    assert "diverged" not in replayed(ModelSettings("m", **LINEAR), time, value)[0]
