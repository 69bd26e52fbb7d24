"""Records of how models have learned: true from the first sample, bounded, over the whole time."""

import numpy as np
import pytest

from ewad.engine import Batch, ByCount, Engine, GroupSettings
from ewad.engine.settings import auto
from ewad.outputs.http import learning as module
from ewad.outputs.http.learning import LearningHistory
from ewad.outputs.registry import QUANTITIES
from tests.outputs.engines import mixture_engine, model_engine, smoothing_engine

TOLD = {quantity.name: quantity for quantity in QUANTITIES}


def observe(engine, values, row=0, at=1000.0):
    n = len(values)
    engine.observe(Batch(0, np.full(n, row, np.int32), at + np.arange(n), np.array(values, float)))


def standing(engine, name, row, **labels):
    """Return what the registry tells of a row now."""
    (found,) = [
        values[row]
        for further, values in TOLD[name].standing(engine.groups[0])
        if labels.items() <= dict(further).items()
    ]
    return pytest.approx(float(found)) if np.isfinite(found) else None


def test_a_record_is_what_stands_at_its_time():
    engine, history = mixture_engine(), LearningHistory()
    for at in (1000.0, 1010.0):
        observe(engine, [21.0, 22.0], at=at)
        history.look(engine, [(0, "a")])
    found = history.of("temperature", "a")
    assert found.time == [1001.0, 1011.0]
    assert [each.name for each in found.experts] == ["persistence", "linear", "rls"]
    for each in found.experts:
        assert each.weight[-1] == standing(engine, "expert_weight", 0, horizon="1", expert=each.name)
    linear = found.experts[1]
    assert linear.loss[-1] == standing(engine, "loss", 0)
    assert linear.learning_rate[-1] == standing(engine, "learning_rate", 0)
    assert linear.plateau == [0.0, 0.0]
    assert found.experts[0].loss == []
    assert found.coverage[-1] == standing(engine, "forecast_coverage_ratio", 0, horizon="1")


def test_a_stream_without_news_gets_no_record():
    engine, history = mixture_engine(), LearningHistory()
    for _ in range(3):
        history.look(engine, [(0, "a")])
    assert len(history.of("temperature", "a").time) == 1


def test_records_reach_back_to_the_first_sample_in_bounded_memory(monkeypatch):
    monkeypatch.setattr(module, "RECORDS", 8)
    engine, history = mixture_engine(), LearningHistory()
    for second in range(100):
        observe(engine, [20.0], at=1000.0 + second)
        history.look(engine, [(0, "a")])
    times = history.of("temperature", "a").time
    assert times[0] == 1000.0 and len(times) <= 8
    assert set(np.diff(times)) == {16.0}
    assert times[-1] > 1100.0 - 2 * 16.0


def test_a_shared_model_and_one_expert_alone_are_told_too():
    engine, history = model_engine("group"), LearningHistory()
    history.look(engine, [(0, "a"), (0, "b")])
    (a,), (b,) = (history.of("temperature", name).experts for name in "ab")
    assert a.weight == [] and a.loss == b.loss == [standing(engine, "loss", 0)]


def test_streams_that_are_watched_no_more_or_have_no_model_have_no_records():
    history = LearningHistory()
    history.look(smoothing_engine(), [(0, "a"), (3, "b")])
    engine = mixture_engine()
    history.look(engine, [(0, "a")])
    history.look(engine, [(0, "b")])
    assert history.of("temperature", "a").time == []
    assert history.of("temperature", "b").time == [0.0]


def test_another_model_begins_anew():
    history = LearningHistory()
    history.look(mixture_engine(), [(0, "a")])
    engine = Engine([GroupSettings("temperature", (ByCount(0.9),), model=auto("auto"))])
    engine.add_stream(0, "a", ())
    observe(engine, [1.0], at=5.0)
    history.look(engine, [(0, "a")])
    assert history.of("temperature", "a").time == [5.0]
