"""What happens to the demo's sensors, reading by reading."""

from itertools import chain, islice, repeat

import numpy as np
import pytest

from ewad import config
from ewad.demonstration import demo, story
from ewad.demonstration.publisher import SAMPLE_STREAMS, payloads
from ewad.engine import Batch, Engine

LEVEL = 20.0


def told(trouble, n=2 * story.CYCLE):
    return list(islice(trouble(repeat(LEVEL)), n))


@pytest.mark.parametrize("trouble", [story.spikes, story.steps, story.fails, story.sticks])
def test_a_trouble_comes_again_in_each_cycle(trouble):
    values = told(trouble)
    assert values[: story.CYCLE] == values[story.CYCLE :]


def test_spikes_are_single_readings():
    high = [at for at, text in enumerate(told(story.spikes, story.CYCLE)) if text == "29.00"]
    assert high == list(story.SPIKES)


def test_a_step_stays_for_a_while():
    values = told(story.steps, story.CYCLE)
    assert {values[at] for at in story.STEPPED} == {"24.00"}
    assert values[story.STEPPED.start - 1] == values[story.STEPPED.stop] == "20.00"


def test_a_sensor_fails_with_nan_then_with_silence_and_comes_back():
    values = told(story.fails, story.CYCLE)
    assert {values[at] for at in story.NOT_A_NUMBER} == {"nan"}
    assert {values[at] for at in story.SILENT} == {None}
    assert values[story.SILENT.stop] == "20.00"


def test_a_sensor_sticks_at_its_last_reading():
    values = list(islice(story.sticks(float(n) for n in range(story.CYCLE)), story.CYCLE))
    assert {values[at] for at in story.STUCK} == {f"{story.STUCK.start - 1}.00"}
    assert values[story.STUCK.stop] == f"{story.STUCK.stop}.00"


def test_a_door_reports_changes_alone():
    assert list(story.door(iter([1.0, 2.0, 9.0, 9.5, 1.0]))) == ["closed", None, "open", None, "closed"]


def test_each_trouble_happens_to_one_of_the_sensors_within_a_cycle():
    troubles = [stream.trouble for stream in SAMPLE_STREAMS if stream.trouble is not story.none]
    assert troubles == [story.spikes, story.steps, story.fails, story.sticks, story.door]
    events = (story.SPIKES, story.STEPPED, story.NOT_A_NUMBER, story.SILENT, story.STUCK)
    assert max(chain.from_iterable(events)) < story.CYCLE


def test_the_streams_are_quiet_but_for_the_spikes_of_the_hall():
    """A reader of the page sees one stream in an anomaly, most of the time none, and the banner names it."""
    streams = [each for each in SAMPLE_STREAMS if each.topic.endswith("temperature")]
    engine = Engine(config.parse(demo.SETTINGS, "demo", {}).engine_settings().groups)
    rows = np.array([engine.add_stream(0, each.topic) for each in streams], dtype=np.int32)
    hall = [each.topic for each in streams].index("site/hall/temperature")
    anomalies, seen = engine.groups[0].anomalies, []
    for at, texts in enumerate(islice(zip(*map(payloads, streams), strict=True), story.CYCLE)):
        values = np.array([float(text or "nan") for text in texts])
        told = np.isfinite(values)
        engine.observe(Batch(0, rows[told], np.full(told.sum(), at / demo.SAMPLES_PER_SECOND), values[told]))
        seen.append(anomalies.left[: len(rows)] > 0)
    lasts = np.array(seen)
    assert not lasts[: story.SPIKES[0]].any()
    began = np.flatnonzero(np.diff(lasts[:, hall].astype(int)) == 1) + 1
    assert began.tolist() == list(story.SPIKES)
    others = np.delete(lasts, hall, axis=1)
    assert others.mean() < 0.05
    assert lasts.sum(axis=1).mean() < 0.6
