"""What people ask of a stream, answered by the real daemon: unusual, why, for how long, stuck, and when."""

import json
from collections.abc import Iterator

import numpy as np
import pytest

from ewad.numeric.anomaly import REASONS
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.daemon import Daemon
from tests.system.publisher import publish

pytestmark = pytest.mark.system

START, STEP = 1.7e9, 600.0
N = 400
SETTINGS = """
[[stream]]
name = "any"
topic = "any/{room}"
format = "json"
field = "v"
time_field = "t"
stuck_after = "6h"

[[stream]]
name = "lasting"
topic = "lasting/{room}"
format = "json"
field = "v"
time_field = "t"
[stream.anomaly]
direction = "up"
min_deviation = 5
for = "1h"

[[stream]]
name = "tank"
topic = "tank/{room}"
format = "json"
field = "v"
time_field = "t"
model = "m"
thresholds = { low = "< 20", never = "> 200" }
[model.m]
horizons = [1, 6, 12]
"""
RNG = np.random.default_rng(11)
QUIET = 20.0 + RNG.normal(size=(4, N))
AT_THE_END = np.arange(N) >= N - 10


def ends(values: np.ndarray, other: float) -> np.ndarray:
    """Return the values, but the last one another."""
    return np.append(values[:-1], other)


SERIES = {
    "any/spike": ends(QUIET[0], 60.0),
    "any/quiet": QUIET[1],
    "any/stuck": np.append(QUIET[2][:-37], np.full(37, 21.0)),  # six hours after its first
    "any/rests": np.append(QUIET[2][:-36], np.full(36, 21.0)),
    "lasting/spike": ends(QUIET[0], 60.0),
    "lasting/up": QUIET[1] + 40.0 * AT_THE_END,
    "lasting/down": QUIET[2] - 40.0 * AT_THE_END,
    "lasting/small": QUIET[3] * 0.01 + 1.0 * AT_THE_END,
    "tank/emptied": 91.0 - 0.18 * np.arange(N) + 0.1 * QUIET[0],  # at 21.2 now
    "tank/filled": 40.0 + 30.0 * (1.0 - np.arange(N) % 40 / 40.0) + 0.1 * QUIET[1],  # never below 40
}


def messages() -> Iterator[tuple[str, bytes]]:
    for i in range(N):
        for topic, value in SERIES.items():
            yield topic, json.dumps({"t": START + STEP * i, "v": value[i]}).encode()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    directory = tmp_path_factory.mktemp("answers")
    with (
        mosquitto.running(directory / "broker", options=["max_queued_messages 0"]) as broker,
        daemons.running(directory, f"mqtt://127.0.0.1:{broker.port}", SETTINGS) as started,
    ):
        publish(broker.port, messages())
        started.until_total("ewad_samples_total", float(N * len(SERIES)))
        yield started


def told(daemon: Daemon, metric: str) -> dict[str, float]:
    """Return the series of a metric by stream."""
    return {dict(labels)["stream"]: value for labels, value in daemon.samples().get(metric, {}).items()}


def now(daemon: Daemon, stream: str) -> dict:
    """Return what the API tells of a stream."""
    status, text = daemon.get(f"/api/v1/streams/{stream}")
    assert status == 200, text
    return json.loads(text)["now"]


def test_an_anomaly_says_what_raised_it(daemon: Daemon) -> None:
    (reasons,) = [
        [dict(labels)["part"]]
        for labels in daemon.samples()["ewad_anomaly_reason"]
        if ("stream", "any/spike") in labels
    ]
    assert set(reasons) <= set(REASONS)
    assert told(daemon, "ewad_anomaly_score")["any/spike"] > 1.0
    found = now(daemon, "any/spike")
    assert (found["anomalous"], found["reasons"]) == (True, reasons)
    assert (now(daemon, "any/quiet")["anomalous"], now(daemon, "any/quiet")["reasons"]) == (False, [])


def test_an_anomaly_is_large_goes_the_way_that_counts_and_lasts_as_long_as_is_set(daemon: Daemon) -> None:
    assert {stream for stream, value in told(daemon, "ewad_anomaly").items() if value} == {
        "any/spike",
        "lasting/up",
    }


def test_a_group_says_how_many_are_anomalous_and_which_most(daemon: Daemon) -> None:
    groups = {dict(labels)["group"]: n for labels, n in daemon.samples()["ewad_anomalous_streams"].items()}
    assert groups == {"any": 1.0, "lasting": 1.0, "tank": 0.0}
    listed = json.loads(daemon.get("/api/v1/groups")[1])["groups"]
    assert {each["group"]: (each["anomalous"], each["streams"]) for each in listed} == {
        "any": (1, 4),
        "lasting": (1, 4),
        "tank": (0, 2),
    }
    first = json.loads(daemon.get("/api/v1/streams?sort=anomaly&limit=3")[1])["streams"]
    scores = [each["anomaly"] for each in first]
    assert scores == sorted(scores, reverse=True)
    assert "any/spike" in {each["stream"] for each in first}


def test_a_stream_that_reports_one_value_for_longer_than_is_set_is_stuck(daemon: Daemon) -> None:
    assert {stream for stream, value in told(daemon, "ewad_stream_stuck").items() if value} == {"any/stuck"}
    assert now(daemon, "any/stuck")["stuck"]


def test_when_a_threshold_is_crossed_is_told_and_of_a_saw_that_turns_before_it_nothing(
    daemon: Daemon,
) -> None:
    value = now(daemon, "tank/emptied")["value"]
    steps = (value - 20.0) / 0.18
    found = told(daemon, "ewad_threshold_seconds")
    assert found.keys() == {"tank/emptied"}
    assert abs(found["tank/emptied"] / STEP - steps) < 1.0
    earliest, latest = (
        told(daemon, f"ewad_threshold_{end}_seconds").get("tank/emptied", np.inf)
        for end in ("earliest", "latest")
    )
    assert earliest <= found["tank/emptied"] <= latest
    low, never = now(daemon, "tank/emptied")["thresholds"]
    assert low["time"] == START + STEP * (N - 1) + found["tank/emptied"]
    assert (low["name"], never["name"], never["time"]) == ("low", "never", None)
