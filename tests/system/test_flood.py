"""Messages that come faster than the engine can take them: they wait in the broker, not in the daemon."""

from pathlib import Path

import pytest

from tests.system import daemon as daemons
from tests.system import kills, mosquitto
from tests.system.daemon import Daemon
from tests.system.mosquitto import Mosquitto
from tests.system.numbered import payload, topic
from tests.system.polling import until
from tests.system.publisher import publish

pytestmark = [pytest.mark.system, pytest.mark.slow]

# A network that learns from each sample: some 230 us of CPU each, many times what publishing takes.
SETTINGS = """
[[stream]]
name = "plant"
topic = "plant/{sensor}/value"
format = "json"
field = "v"
time_field = "ts"
model = "m"
[model.m]
experts = ["network"]
hidden = [256, 256]
batch_size = 1
[state]
path = "ewad.db"
"""
PADDING = b" " * 4000  # after each payload, so that a few thousand that wait would be seen in the memory
ROUND = 2000  # messages: 8 MB
BEHIND = 5000  # messages: 20 MB
GROWTH_MIB = 12.0  # some 5 are used: the network, its state file, scrapes

versions = pytest.mark.parametrize("version", ["5", "3.1.1"])


def flood(daemon: Daemon, port: int, qos: int) -> int:
    """Publish until the daemon is far behind, and see that it answers then; return how many messages."""
    sent = 0

    def behind() -> float:
        return sent - daemon.total("ewad_samples_total")

    def answers_while_behind() -> bool:
        nonlocal sent
        sent += publish(port, ((topic(i), payload(i) + PADDING) for i in range(sent, sent + ROUND)), qos=qos)
        if behind() < BEHIND:
            return False
        assert daemon.get("/healthz") == (200, "ok\n")
        assert daemon.get("/readyz")[0] == 200
        return behind() > 0

    until(answers_while_behind, lambda: f"{behind()} behind of {sent}\n{daemon.stderr}")
    return sent


@versions
def test_of_a_flood_at_qos_1_every_message_counts_in_its_turn(tmp_path: Path, version: str) -> None:
    with mosquitto.running(tmp_path / "mosquitto", options=["max_queued_messages 0"]) as broker:
        url, mqtt = f"mqtt://127.0.0.1:{broker.port}", [f'version = "{version}"']
        with daemons.running(tmp_path, url, SETTINGS, mqtt=mqtt) as daemon:
            before = daemon.rss_mib
            sent = flood(daemon, broker.port, qos=1)
            daemon.until_total("ewad_samples_total", sent)
            assert daemon.peak_rss_mib - before < GROWTH_MIB
            assert daemon.value("ewad_mqtt_reconnects_total") == 0
    kills.assert_equal(tmp_path, sent)


@versions
def test_of_a_flood_at_qos_0_the_broker_drops_and_all_else_counts(tmp_path: Path, version: str) -> None:
    """No subscriber can see what a broker drops; mosquitto tells it below $SYS."""
    options = ["max_queued_messages 1000", "sys_interval 1"]  # 1000: its default
    with mosquitto.running(tmp_path / "mosquitto", options=options) as broker:
        url, mqtt = f"mqtt://127.0.0.1:{broker.port}", [f'version = "{version}"', "qos = 0"]
        with daemons.running(tmp_path, url, SETTINGS, mqtt=mqtt) as daemon:
            before = daemon.rss_mib
            sent = flood(daemon, broker.port, qos=0)

            def counted_and_dropped() -> tuple[float, int]:
                return daemon.total("ewad_samples_total"), dropped(broker)

            until(lambda: sum(counted_and_dropped()) == sent, lambda: f"{counted_and_dropped()} of {sent}")
            assert dropped(broker) > 0
            assert daemon.total("ewad_messages_received_total") == daemon.total("ewad_samples_total")
            assert daemon.total("ewad_messages_rejected_total") == 0
            assert daemon.peak_rss_mib - before < GROWTH_MIB
            assert daemon.value("ewad_mqtt_reconnects_total") == 0


def dropped(broker: Mosquitto) -> int:
    """Return how many messages the broker has dropped, as of the last second."""
    return int(broker.told("$SYS/broker/publish/messages/dropped"))
