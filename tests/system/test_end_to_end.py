"""MQTT in, Prometheus out: the daemon between a real mosquitto and a real Prometheus."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.daemon import Daemon
from tests.system.mosquitto import Mosquitto
from tests.system.polling import until
from tests.system.prometheus import Prometheus, scraping
from tests.system.publisher import publish

pytestmark = pytest.mark.system

TEMPERATURE = """
[[stream]]
name = "temperature"
topic = "site/{room}/temperature"
beta = [0.9, 0.98]
"""
MODEL = (
    'model = "linear"\n[model.linear]\nexperts = ["linear"]\nlags = 4\nhorizons = [1, 3]\nbatch_size = 8\n'
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    directory = tmp_path_factory.mktemp("mosquitto")
    with mosquitto.running(directory, websockets=True, options=["max_queued_messages 0"]) as started:
        yield started
        # a daemon that is told to end says so: none of them just vanished
        assert not re.search("Client ewad-.* closed its connection", started.log)


@pytest.fixture(scope="module")
def url(broker: Mosquitto) -> str:
    return f"mqtt://127.0.0.1:{broker.port}"


WATCHED = """
[[stream]]
name = "temperature"
topic = "site/{room}/temperature"
beta = [0.9, 0.98]
[[stream]]
name = "hostile"
topic = "hostile/{room}/temperature"
[[stream]]
name = "short"
topic = "stale/{room}/temperature"
stale_after = "1s"
[[stream]]
name = "long"
topic = "stale/{room}/+"
"""


class Watched(NamedTuple):
    daemon: Daemon
    prometheus: Prometheus

    def groups(self, metric: str) -> set[str]:
        """Return the groups that have series of this metric in Prometheus."""
        return {dict(labels)["group"] for labels in self.prometheus.query(metric)}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[Watched]:
    # one for several tests: Prometheus looks at its targets 5 s after its start
    directory = tmp_path_factory.mktemp("watched")
    with (
        daemons.running(directory / "ewad", url, WATCHED) as daemon,
        scraping(directory / "prometheus", daemon.address) as prometheus,
    ):
        yield Watched(daemon, prometheus)


# 40, 49, 45 by hand: v_t = beta v_{t-1} + (1 - beta) x_t, corrected by 1 - beta^t
BY_HAND = {
    "0.98": [40.0, (0.98 * 0.8 + 0.02 * 49) / (1 - 0.98**2), 2.62872 / (1 - 0.98**3)],
    "0.9": [40.0, (0.9 * 4 + 0.1 * 49) / (1 - 0.81), (0.81 * 4 + 0.09 * 49 + 0.1 * 45) / (1 - 0.729)],
}


def test_averages_come_back_through_prometheus_as_computed_by_hand(
    watched: Watched, broker: Mosquitto
) -> None:
    assert [round(value, 6) for value in BY_HAND["0.98"]] == [40.0, 44.545455, 44.700041]
    query = watched.prometheus.query
    own = ("group", "temperature"), ("room", "hall"), ("stream", "site/hall/temperature")
    for t, payload in enumerate(("40", "49", "45")):
        broker.publish("site/hall/temperature", payload)
        key = (("__name__", "ewad_samples_total"), *own)
        until(lambda key=key, n=t + 1: query("ewad_samples_total").get(key) == n)
        assert query('ewad_smoothed_value{group="temperature"}') == {
            (("__name__", "ewad_smoothed_value"), ("beta", beta), *own): pytest.approx(expected[t], rel=1e-12)
            for beta, expected in BY_HAND.items()
        }
    assert query('ewad_value{room="hall", group="temperature"}') == {(("__name__", "ewad_value"), *own): 45.0}
    assert query("up") == {(("__name__", "up"),): 1.0}
    assert query("ewad_mqtt_connected") == {(("__name__", "ewad_mqtt_connected"),): 1.0}
    assert set(query("ewad_build_info").values()) == {1.0}


# no control characters: mosquitto closes the connection of who publishes them
HOSTILE = [
    'quote"back\\slash',
    "ends in a backslash\\",
    "emoji\N{SNOWMAN}\U0001f321",
    "{braces}=,~",
    "<script>alert('&')<!--",
    "line\N{LINE SEPARATOR}separator",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnorw",
    "a" * 1000,
]


def test_hostile_topics_arrive_in_prometheus_letter_by_letter(
    watched: Watched, broker: Mosquitto, promtool_check: Callable[[str], str]
) -> None:
    publish(broker.port, [(f"hostile/{room}/temperature", b"7") for room in HOSTILE])
    query = watched.prometheus.query
    until(lambda: len(query('ewad_value{group="hostile"}')) == len(HOSTILE), lambda: watched.daemon.stderr)
    found = [dict(labels) for labels in query('ewad_value{group="hostile"}')]
    assert {labels["room"]: labels["stream"] for labels in found} == {
        room: f"hostile/{room}/temperature" for room in HOSTILE
    }
    assert promtool_check(watched.daemon.get("/metrics")[1]) == ""


def test_a_stale_stream_leaves_prometheus_and_a_lively_one_stays(watched: Watched, broker: Mosquitto) -> None:
    metric, told = 'ewad_value{room="attic"}', 0

    def lively() -> bool:
        """Whether Prometheus has both; a value is told each time, for a scrape may come too late for one."""
        nonlocal told
        told += 1
        broker.publish("stale/attic/temperature", str(told))
        return watched.groups(metric) == {"short", "long"}

    until(lively)
    until(lambda: watched.groups(metric) == {"long"})
    until(lively)
    # not forgotten: its average goes on
    until(lambda: told in watched.prometheus.query('ewad_samples_total{group="short"}').values())


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("transport", ["mqtt", "ws"])
def test_every_protocol_and_qos_2_count_each_message_once(
    tmp_path: Path, broker: Mosquitto, version: str, transport: str
) -> None:
    port = broker.websocket_port if transport == "ws" else broker.port
    mqtt = [f'version = "{version}"', "qos = 2"]
    settings = '[[stream]]\nname = "a"\ntopic = "once/{room}"\nbeta = 0.9\n'
    with daemons.running(tmp_path, f"{transport}://127.0.0.1:{port}", settings, mqtt=mqtt) as daemon:
        broker.publish("once/hall", *(str(i) for i in range(500)), qos=2)
        daemon.until_value("ewad_samples_total", 500.0, stream="once/hall")
        assert daemon.value("ewad_messages_received_total") == 500
        assert daemon.value("ewad_value", stream="once/hall") == 499


def test_one_json_message_feeds_several_streams_in_two_groups(
    tmp_path: Path, broker: Mosquitto, url: str
) -> None:
    settings = """
    [[stream]]
    name = "climate"
    topic = "json/{room}/climate"
    format = "json"
    field = { "t" = "temperature", "/deep/h~1r" = "humidity" }
    scale = 2.0
    offset = 1.0
    beta = 0.9
    [[stream]]
    name = "power"
    topic = ["json/{room}/climate", "json/{room}/power"]
    format = "json"
    field = "watts"
    half_life = "10m"
    """
    with daemons.running(tmp_path, url, settings) as daemon:
        broker.publish("json/hall/climate", json.dumps({"t": 20, "deep": {"h/r": "55.5"}, "watts": 3}))
        broker.publish("json/hall/power", '{"watts": 5e1}')
        daemon.until_value("ewad_value", 50.0, stream="json/hall/power")
        values = {
            tuple(dict(labels)[key] for key in ("group", "stream", "room")): value
            for labels, value in daemon.samples()["ewad_value"].items()
        }
        assert values == {
            ("climate", "json/hall/climate/temperature", "hall"): 41.0,
            ("climate", "json/hall/climate/humidity", "hall"): 112.0,
            ("power", "json/hall/climate", "hall"): 3.0,
            ("power", "json/hall/power", "hall"): 50.0,
        }
        betas = {dict(labels)["beta"] for labels in daemon.samples()["ewad_smoothed_value"]}
        assert "0.9" in betas
        assert len(betas) == 2


def test_retained_messages_are_samples_once_and_not_again_after_a_restart_of_the_connection(
    tmp_path: Path,
) -> None:
    settings = """
    [[stream]]
    name = "use"
    topic = "r/{room}/t"
    [[stream]]
    name = "ignore"
    topic = "i/{room}/t"
    retained = "ignore"
    """
    with mosquitto.running(tmp_path / "mosquitto", persistence=True) as broker:
        for topic in ("r/a/t", "r/b/t", "i/a/t"):
            broker.publish(topic, "20", retain=True)
        # a broker that kept the session would not even send the copies
        url, mqtt = f"mqtt://127.0.0.1:{broker.port}", ['session_expiry = "0s"']
        with daemons.running(tmp_path, url, settings, mqtt=mqtt) as daemon:
            daemon.until_value("ewad_messages_received_total", 2.0)  # the broker does not send the ignored
            assert daemon.value("ewad_streams") == 2
            broker.publish("r/a/t", "21", retain=True)
            broker.publish("i/a/t", "21", retain=True)  # live: the flag is for later subscribers
            daemon.until_value("ewad_samples_total", 1.0, stream="i/a/t")
            broker.stop()
            broker.start()
            daemon.until_value("ewad_mqtt_reconnects_total", 1.0)
            daemon.until_value("ewad_messages_rejected_total", 2.0, reason="retained")
            assert daemon.value("ewad_samples_total", stream="r/a/t") == 2
            assert daemon.value("ewad_samples_total", stream="r/b/t") == 1
            assert daemon.value("ewad_samples_total", stream="i/a/t") == 1


def test_a_model_learns_from_the_broker_and_says_so(tmp_path: Path, broker: Mosquitto, url: str) -> None:
    settings = TEMPERATURE.replace("site/", "model/") + MODEL
    with daemons.running(tmp_path, url, settings) as daemon:
        publish(broker.port, [(f"model/{'ab'[i % 2]}/temperature", b"%d" % (i % 10)) for i in range(400)])
        daemon.until_value("ewad_samples_total", 200.0, stream="model/a/temperature")
        found = daemon.samples()
        assert len(found["ewad_forecast_value"]) == 4  # 2 streams x 2 horizons
        shared = (("group", "temperature"), ("model", "linear"))
        # each stream warms up over 4 lags + 3 steps ahead; the rest are examples
        assert found["ewad_batches_total"] == {shared: (2 * (200 - 7)) // 8}
        for name in (
            "ewad_loss",
            "ewad_batch_loss",
            "ewad_learning_rate",
            "ewad_gradient_norm",
            "ewad_epoch",
        ):
            assert list(found[name]) == [shared]
