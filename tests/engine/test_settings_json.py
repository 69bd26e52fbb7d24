"""The settings of an engine as JSON: equal when they come back, with a digest that tells them apart."""

import dataclasses

import pytest

from ewad.config import parse
from ewad.engine import EngineSettings
from ewad.numeric.optimizers import OPTIMIZERS
from ewad.numeric.schedules import SCHEDULES, Manual

DOCUMENT = {
    "stream": [
        {"name": "a", "topic": "site/{room}/t", "model": "m", "forget_after": "7d"},
        {"name": "b", "topic": ["x", "y/#"], "half_life": ["10m", "1h"], "model": "auto"},
        {"name": "c", "topic": "z", "beta": 0.1},
    ],
    "model": {"m": {"experts": ["network"], "hidden": [8, 8], "every": "1m", "start_from": "model.npz"}},
    "limits": {"max_streams": 7},
}


def settings(tmp_path, **model):
    (tmp_path / "model.npz").write_bytes(b"")
    document = DOCUMENT | {"model": {"m": DOCUMENT["model"]["m"] | model}}
    return parse(document, "test", {}, base=tmp_path).engine_settings()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_settings_come_back_equal(optimizer, schedule, tmp_path):
    kind = {"kind": schedule} | ({"rates": [[0, 0.1], [3, 0.01]]} if SCHEDULES[schedule] is Manual else {})
    found = settings(tmp_path, optimizer=optimizer, schedule=kind)
    again = EngineSettings.from_json(found.to_json())
    assert again == found
    assert again.digest == found.digest


def test_the_digest_of_known_settings_stays_what_it_is():
    found = parse({"stream": [{"name": "a", "topic": "a", "beta": 0.5}]}, "test", {}).engine_settings()
    assert found.digest == "49783e33dd158550b2aea278aeebf09a3e44e5946e49fcd5b401feadc9e29f6e"


def test_every_difference_gives_another_digest(tmp_path):
    found = settings(tmp_path)
    others = [
        dataclasses.replace(found, max_streams=8),
        dataclasses.replace(found, groups=found.groups[::-1]),
        settings(tmp_path, learning_rate=0.1),
    ]
    assert len({each.digest for each in (found, *others)}) == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "truncated"),
        (b'{"version": 2, "max_streams": 1, "groups": []}', "version 1, got 2"),
        (b'{"version": 1, "max_streams": 1, "groups": [{"kind": "x"}]}', "unknown kind"),
        (b'{"version": 1, "max_streams": 1, "groups": [{"kind": "group", "nme": 1}]}', "nme"),
        (b'{"version": 1, "max_streams": 1, "groups": [{"kind": "by_count", "beta": 0.5}]}', "groups only"),
    ],
)
def test_what_are_no_settings_are_refused(text, says):
    with pytest.raises(ValueError, match=says):
        EngineSettings.from_json(text)
