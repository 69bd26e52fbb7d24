"""What others know, through a real broker: forecasts of other programs, and other streams as inputs."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ewad.config import parse
from ewad.engine import Engine
from ewad.ingest.files import RecordedMessage
from ewad.ingest.intake import Intake
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.daemon import Daemon
from tests.system.mosquitto import Mosquitto
from tests.system.polling import until
from tests.system.publisher import publish
from tests.system.test_reload import reload

pytestmark = pytest.mark.system

Messages = list[tuple[str, bytes]]
START, STEP = 1.7e9, 600.0
N = 900  # samples of each stream
HORIZONS = (1, 6)
BLOCK = """
[[stream]]
name = "site"
topic = "site/{room}/power"
format = "json"
field = "v"
time_field = "t"
beta = [0.9]
model = "m"
"""
MODEL = "horizons = [1, 6]\nlags = 12\n"
SETTINGS = {
    "external": f'{BLOCK}[model.m]\n{MODEL}external = ["forecast/{{stream}}"]\n',
    "inputs": f'{BLOCK}[model.m]\n{MODEL}inputs = ["site/lead/power"]\n',
}
STATE = '[state]\npath = "ewad.db"\n'


def wandering(seed: int) -> np.ndarray:
    """Return a walk that is drawn back: what comes next nobody can tell from what was."""
    rng, value = np.random.default_rng(seed), np.full(N, 20.0)
    for i in range(1, N):
        value[i] = 20.0 + 0.99 * (value[i - 1] - 20.0) + rng.normal()
    return value


def sample(room: str, i: int, value: float) -> tuple[str, bytes]:
    return f"site/{room}/power", json.dumps({"t": START + STEP * i, "v": value}).encode()


def forecast(room: str, i: int, values: np.ndarray) -> tuple[str, bytes]:
    """Return a forecast of a room: values from its i-th sample on."""
    points = [{"time": START + STEP * (i + k), "value": value} for k, value in enumerate(values.tolist())]
    return f"forecast/site/{room}/power", json.dumps(points).encode()


def with_forecasts() -> Iterator[tuple[str, bytes]]:
    """Yield messages of three rooms whose values are the same: each hour a good forecast of the first one
    and a wrong one of the second, none of the third.
    """
    value, noise = wandering(1), np.random.default_rng(2).normal(size=(2, N))
    for i in range(N):
        for room in ROOMS:
            yield sample(room, i, value[i])
        if i % 6 == 0:
            yield forecast("told", i, (value + 0.3 * noise[0])[i : i + 24])
            yield forecast("misled", i, (20.0 + 40.0 * noise[1])[i : i + 24])


def with_a_lead() -> Iterator[tuple[str, bytes]]:
    """Yield messages of two rooms; the second has what the first had four samples before."""
    value, noise = wandering(3), np.random.default_rng(4).normal(size=N)
    for i in range(N):
        yield sample("lead", i, value[i])
        yield sample("behind", i, value[max(i - 4, 0)] + 0.1 * noise[i])


ROOMS = ("told", "misled", "alone")
TOLD = "forecast/site/told/power"
HOSTILE = [  # topic, payload, the reason of its rejection
    (TOLD, b"", "empty"),
    (TOLD, b"\xff\x00[", "invalid_json"),
    (TOLD, b"[" * 60_000, "unsupported"),
    (TOLD, b'[{"time": 1700000000, "value": NaN}]', "wrong_type"),
    (TOLD, b'{"forecast": 3}', "invalid_payload"),
    (TOLD, b'[{"time": 1700000000}]', "invalid_payload"),
    (TOLD, b'[{"time": "soon", "value": 1}]', "invalid_time"),
    (TOLD, b'[{"time": 1e300, "value": 1}]', "invalid_time"),
    (TOLD, b'[{"time": 1700000000, "value": "much"}]', "wrong_type"),
    (TOLD, b'[{"time": 1700000000, "value": 1e300}]', "out_of_range"),
    (TOLD, b"[" + b",".join([b'{"time":1,"value":1}'] * 513) + b"]", "too_many_points"),
    (TOLD, b" " * 70_000, "too_large"),
    ("forecast/site/nobody/power", b'[{"time": 1700000000, "value": 1}]', "unknown_stream"),
]
MESSAGES = {"external": with_forecasts, "inputs": with_a_lead}


def undisturbed(settings: str, messages: Messages) -> dict[tuple[str, str], float]:
    """Return what an engine forecasts after all messages, by stream and horizon."""
    parsed = parse(settings, "ewad.toml", {})
    engine = Engine(parsed.group_settings())
    intake = Intake(engine, parsed.streams)
    arrival = START + STEP * N
    intake.consume([RecordedMessage(arrival, topic, payload, False) for topic, payload in messages], arrival)
    list(intake.observe())
    (group,) = engine.groups
    return {
        (name, str(horizon)): group.forecaster.forecast[row, i]
        for row, name in enumerate(group.streams.names)
        for i, horizon in enumerate(HORIZONS)
    }


def told(daemon: Daemon, metric: str, **labels: str) -> dict[tuple[str, str], float]:
    """Return the series of a metric that have these labels, by stream and horizon."""
    found = ((dict(key), value) for key, value in daemon.samples()[metric].items())
    return {(of["stream"], of["horizon"]): value for of, value in found if labels.items() <= of.items()}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto.running(tmp_path / "broker", options=["max_queued_messages 0"]) as started:
        yield started


@pytest.mark.parametrize("what", SETTINGS)
def test_what_others_know_outlives_a_kill_and_a_reload(tmp_path: Path, broker: Mosquitto, what: str) -> None:
    messages = list(MESSAGES[what]())
    n, third = sum(topic.startswith("site/") for topic, _ in messages), len(messages) // 3
    url = f"mqtt://127.0.0.1:{broker.port}"
    with daemons.running(tmp_path, url, SETTINGS[what] + STATE) as daemon:
        publish(broker.port, messages[:third], qos=1)
        until(lambda: daemon.total("ewad_samples_total") > n / 6, lambda: daemon.stderr)
        reload(daemon, "beta = [0.9]", "beta = [0.98]")
        publish(broker.port, messages[third : 2 * third], qos=1)
        until(lambda: daemon.total("ewad_samples_total") > n / 3, lambda: daemon.stderr)
        daemon.kill()
        publish(broker.port, messages[2 * third :], qos=1)
        daemon.start()
        daemon.until_total("ewad_samples_total", n)
        assert told(daemon, "ewad_forecast_value") == undisturbed(SETTINGS[what], messages)
        assert daemon.total("ewad_messages_rejected_total") == 0.0


def test_a_good_forecast_is_followed_and_a_wrong_one_costs_nothing(tmp_path: Path, broker: Mosquitto) -> None:
    messages = list(with_forecasts())
    url = f"mqtt://127.0.0.1:{broker.port}"
    with daemons.running(tmp_path, url, SETTINGS["external"]) as daemon:
        publish(broker.port, messages)
        daemon.until_total("ewad_samples_total", 3.0 * N)
        skill = told(daemon, "ewad_forecast_skill_ratio")
        weight = told(daemon, "ewad_expert_weight", expert="external")
    for horizon in map(str, HORIZONS):
        error = {room: 1.0 - skill[f"site/{room}/power", horizon] for room in ROOMS}
        assert error["told"] < 0.5 * error["alone"]
        assert error["misled"] < 1.01 * error["alone"]
        assert weight["site/misled/power", horizon] < 0.01 < weight["site/told/power", horizon]


def test_hostile_forecasts_are_refused_with_a_reason_and_change_nothing(
    tmp_path: Path, broker: Mosquitto
) -> None:
    messages = list(with_forecasts())[:600]
    n = sum(topic.startswith("site/") for topic, _ in messages)
    hostile = [(topic, payload) for topic, payload, _ in HOSTILE]
    url = f"mqtt://127.0.0.1:{broker.port}"
    with daemons.running(tmp_path, url, SETTINGS["external"]) as daemon:
        publish(broker.port, [*messages[:400], *hostile, *messages[400:]])
        daemon.until_total("ewad_samples_total", n)
        rejected = daemon.samples()["ewad_messages_rejected_total"]
        counted = {dict(labels)["reason"]: count for labels, count in rejected.items() if count}
        assert counted == Counter(reason for _, _, reason in HOSTILE)
        assert told(daemon, "ewad_forecast_value") == undisturbed(SETTINGS["external"], messages)
        for _, _, reason in HOSTILE:
            assert f"reason={reason}" in daemon.stderr
