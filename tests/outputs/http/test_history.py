"""The recent points of streams: those that results had, in their order, of the streams that are looked at."""

import numpy as np
import pytest

from ewad.engine import Batch
from ewad.outputs.http import history as module
from ewad.outputs.http.history import POINTS, PointHistory
from ewad.outputs.registry import result_values
from tests.outputs.engines import mixture_engine, smoothing_engine


def observe(history, engine, rows, values, at=1000.0, group=0):
    n = len(values)
    batch = Batch(group, np.array(rows, np.int32), at + np.arange(n), np.array(values, float))
    results = engine.observe(batch)
    history.observed(engine, batch, results)
    return results


def test_points_are_what_results_had_in_the_order_of_the_samples():
    engine, history = mixture_engine(), PointHistory()
    results = observe(history, engine, [0, 1, 0], [21.0, 5.0, 22.0])
    told = result_values(engine.groups[0].settings, results)
    points = history.points(0, "a")
    assert points.value.tolist() == [21.0, 22.0]
    assert points.time.tolist() == [1000.0, 1002.0]
    assert points.number.tolist() == [1.0, 3.0]
    np.testing.assert_array_equal(points.smoothed["0.9"], told["smoothed_0.9"][[0, 2]])
    np.testing.assert_array_equal(points.score, results.anomaly[[0, 2]])
    np.testing.assert_array_equal(points.forecast, told["forecast_1"][[0, 2]])
    np.testing.assert_array_equal(points.upper, told["upper_1"][[0, 2]])
    assert history.points(0, "b").value.tolist() == [5.0]


@pytest.mark.parametrize("size", [1, 7, POINTS - 1, POINTS, 3 * POINTS])
def test_the_newest_points_stay_in_their_order(size):
    engine, history = smoothing_engine(), PointHistory()
    row = engine.add_stream(0, "a")
    values = np.arange(2.5 * POINTS)
    for start in range(0, len(values), size):
        part = values[start : start + size]
        observe(history, engine, [row] * len(part), part, at=float(start))
    np.testing.assert_array_equal(history.points(0, "a").value, values[-POINTS:])


def test_who_is_looked_at_stays_and_who_is_not_gives_way(monkeypatch):
    monkeypatch.setattr(module, "STREAMS", 2)
    engine, history = smoothing_engine(), PointHistory()
    rows = [engine.add_stream(0, name) for name in "abc"]
    observe(history, engine, rows, [1.0, 2.0, 3.0])
    assert history.points(0, "c") is None
    history.look(0, "a")
    history.look(0, "c")
    observe(history, engine, rows, [4.0, 5.0, 6.0], at=2000.0)
    assert history.points(0, "a").value.tolist() == [1.0, 4.0]
    assert history.points(0, "b") is None
    assert history.points(0, "c").value.tolist() == [6.0]


def test_rows_that_move_take_their_points_along():
    engine, history = smoothing_engine(), PointHistory()
    rows = [engine.add_stream(0, name) for name in "abc"]
    observe(history, engine, rows, [1.0, 2.0, 3.0])
    engine.forget_streams(0, ["a"])
    observe(history, engine, [engine.groups[0].streams.find("c")], [9.0], at=2000.0)
    assert history.points(0, "c").value.tolist() == [3.0, 9.0]


def test_samples_that_came_too_late_are_no_points():
    engine, history = smoothing_engine(), PointHistory()
    row = engine.add_stream(0, "a")
    observe(history, engine, [row], [1.0], at=1000.0)
    observe(history, engine, [row, row], [2.0, 3.0], at=999.5)
    assert history.points(0, "a").value.tolist() == [1.0, 3.0]


def test_points_go_on_over_a_reload_where_their_group_stays_as_it_was():
    engine, history = smoothing_engine("one", "two"), PointHistory()
    observe(history, engine, [engine.add_stream(1, "a")], [1.0], group=1)
    observe(history, engine, [engine.add_stream(0, "a")], [7.0], group=0)
    other = smoothing_engine("two", "three")
    observe(history, other, [other.add_stream(0, "a")], [2.0], at=2000.0)
    observe(history, other, [other.add_stream(1, "a")], [3.0], group=1)
    assert history.points(0, "a").value.tolist() == [1.0, 2.0]
    assert history.points(1, "a").value.tolist() == [3.0]


@pytest.mark.parametrize("one_by_one", [True, False])
def test_the_first_streams_are_watched_until_there_is_no_room(monkeypatch, one_by_one):
    monkeypatch.setattr(module, "STREAMS", 6)
    engine, history = smoothing_engine(), PointHistory()
    rows = [engine.add_stream(0, f"s{i}") for i in range(9)]
    for part in [[row] for row in rows] if one_by_one else [rows]:
        observe(history, engine, part, [1.0] * len(part))
    watched = [history.points(0, f"s{i}") is not None for i in range(9)]
    assert watched == [True] * 6 + [False] * 3


def test_another_engine_with_other_streams_begins_anew():
    engine, history = smoothing_engine(), PointHistory()
    observe(history, engine, [engine.add_stream(0, "a")], [1.0])
    other = smoothing_engine()
    observe(history, other, [other.add_stream(0, "b")], [2.0])
    assert history.points(0, "a") is None
    assert history.points(0, "b").value.tolist() == [2.0]
