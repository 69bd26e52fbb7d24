"""[otlp] of a real daemon: what a receiver gets, during and after an outage, over TLS, and at the end."""

import re
from pathlib import Path
from random import Random

import pytest

from tests.system import daemon as daemons
from tests.system import kills, mosquitto
from tests.system.faketime import FakeClock
from tests.system.numbered import NumberedPublisher, sample
from tests.system.polling import until
from tests.system.publisher import publish
from tests.system.receiver import receiving

pytestmark = pytest.mark.system

SETTINGS = """
[[stream]]
name = "plant"
topic = "plant/{{room}}/t"
format = "json"
field = "v"
time_field = "ts"

[otlp]
endpoint = "http://127.0.0.1:{port}/v1/metrics"
interval = "100ms"
"""


@pytest.fixture
def broker(tmp_path: Path):
    with mosquitto.running(tmp_path / "broker") as started:
        yield started


def send(broker: mosquitto.Mosquitto, *pairs: tuple[float, float]) -> None:
    publish(
        broker.port, [("plant/hall/t", b'{"v":%r,"ts":%r}' % (value, time)) for time, value in pairs], qos=1
    )


def test_samples_are_pushed_with_the_times_of_their_payloads_over_an_outage(tmp_path, broker) -> None:
    with receiving() as receiver:
        settings = SETTINGS.format(port=receiver.port)
        with daemons.running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", settings) as daemon:
            send(broker, (1.7e9, 1.0), (1.7e9 + 1.5, 2.0))
            receiver.until_values("ewad_value", [1.0, 2.0])
            receiver.stop()
            send(broker, (1.7e9 + 3, 3.0))
            daemon.until_value("ewad_sink_waiting_samples", 1, sink="otlp")
            send(broker, (1.7e9 + 4, 4.0))
            daemon.until_value("ewad_sink_waiting_samples", 2, sink="otlp")
            receiver.start()
            receiver.until_values("ewad_value", [1.0, 2.0, 3.0, 4.0])
            daemon.until_value("ewad_sink_samples_total", 4, sink="otlp")
            assert daemon.value("ewad_sink_failures_total", sink="otlp") >= 1
            assert daemon.value("ewad_sink_lost_samples_total", sink="otlp") == 0
            assert "otlp: push failed" in daemon.stderr and "otlp: push works again" in daemon.stderr
        assert [time for time, _ in receiver.values("ewad_value")] == [
            1.7e9,
            1.7e9 + 1.5,
            1.7e9 + 3,
            1.7e9 + 4,
        ]
        assert receiver.values("ewad_value", stream="plant/hall/t", room="hall", group="plant")


def test_a_kill_during_an_outage_costs_no_sample(tmp_path, broker) -> None:
    """Nor do two; and all has its own time. What was not acknowledged before a kill may come twice."""
    with receiving() as receiver:
        settings = SETTINGS.format(port=receiver.port) + "[state]\n"
        with daemons.running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", settings) as daemon:
            send(broker, (1.7e9, 1.0))
            receiver.until_values("ewad_value", [1.0])
            receiver.stop()
            for n in range(2, 12):
                before = daemon.value("ewad_sink_waiting_samples", sink="otlp")
                send(broker, (1.7e9 + n, float(n)))
                daemon.until_at_least("ewad_sink_waiting_samples", before + 1, sink="otlp")
                if n in (6, 9):
                    daemon.kill()
                    daemon.start()
                    daemon.until_ready()
            assert daemon.value("ewad_sink_lost_samples_total", sink="otlp") == 0
            kept = re.findall("otlp: samples of an earlier process wait samples=([0-9]+)", daemon.stderr)
            assert int(kept[-1]) >= 8
            receiver.start()
            expected = {(1.7e9, 1.0), *((1.7e9 + n, float(n)) for n in range(2, 12))}
            until(
                lambda: set(receiver.values("ewad_value")) == expected,
                lambda: f"{receiver.values('ewad_value')}, not {expected}\n{daemon.stderr}",
            )


def test_what_waits_grows_no_older_when_the_system_clock_is_set(tmp_path, broker) -> None:
    clock = FakeClock(tmp_path / "clock")
    with receiving() as receiver:
        settings = SETTINGS.format(port=receiver.port)
        url = f"mqtt://127.0.0.1:{broker.port}"
        with daemons.running(tmp_path, url, settings, environ=clock.environ) as daemon:
            receiver.stop()
            send(broker, (1.7e9, 1.0))
            daemon.until_at_least("ewad_sink_failures_total", 1, sink="otlp")
            clock.set(10 * 365 * 86_400.0)
            send(broker, (1.7e9 + 1.0, 2.0))
            failures = daemon.value("ewad_sink_failures_total", sink="otlp")
            daemon.until_at_least("ewad_sink_failures_total", failures + 1, sink="otlp")
            clock.set(0.0)
            receiver.start()
            receiver.until_values("ewad_value", [1.0, 2.0])
            assert daemon.value("ewad_sink_lost_samples_total", sink="otlp") == 0


@pytest.mark.parametrize("point", ["before_draft:1", "after_commit:1"])
def test_a_kill_between_journal_and_sink_costs_no_sample(tmp_path, broker, point) -> None:
    """Whichever of them has it: the journal is the second, so that what it knows the sink knows."""
    with receiving() as receiver:
        settings = SETTINGS.format(port=receiver.port) + "[state]\n"
        command = (*daemons.EWAD[:-1], "tests.system.crashing")
        url = f"mqtt://127.0.0.1:{broker.port}"
        with daemons.running(tmp_path, url, settings, command=command, environ={"CRASH_AT": point}) as daemon:
            send(broker, (1.7e9, 1.0), (1.7e9 + 1.0, 2.0))
            until(lambda: daemon.process.poll() is not None, lambda: daemon.stderr)
            assert daemon.process.returncode == -9, daemon.stderr
            del daemon.environ["CRASH_AT"]
            daemon.start()
            expected = {(1.7e9, 1.0), (1.7e9 + 1.0, 2.0)}
            until(
                lambda: set(receiver.values("ewad_value")) == expected,
                lambda: f"{receiver.values('ewad_value')}, not {expected}\n{daemon.stderr}",
            )
            assert daemon.value("ewad_samples_total") == 2


@pytest.mark.slow
def test_kills_at_any_moment_cost_no_sample(tmp_path) -> None:
    """Of numbered samples each comes at least once, with its own time and value."""
    points = ("before_draft", "after_commit", None, "before_commit", "before_draft", "before_snapshot_ends")
    random = Random(18)
    with (
        mosquitto.running(tmp_path / "broker", options=["max_queued_messages 0"]) as broker,
        receiving() as receiver,
    ):
        otlp = f'[otlp]\nendpoint = "http://127.0.0.1:{receiver.port}"\ninterval = "200ms"\n'
        command = (*daemons.EWAD[:-1], "tests.system.crashing")
        url = f"mqtt://127.0.0.1:{broker.port}"
        daemon = daemons.Daemon(tmp_path, url, kills.SETTINGS + otlp, client_id="kills", command=command)
        try:
            daemon.start()
            daemon.until_ready()
            with NumberedPublisher(broker.port, pause_seconds=0.1) as publisher:
                for point in points:
                    kills.kill_once(daemon, point, random, most=200)
            daemon.start()
            daemon.until_total("ewad_samples_total", publisher.sent)
            daemon.until_value("ewad_sink_waiting_samples", 0, sink="otlp")
            assert daemon.value("ewad_sink_lost_samples_total", sink="otlp") == 0
            assert daemon.end() == 0, daemon.stderr
        finally:
            daemon.kill()
    assert set(receiver.values("ewad_value")) == {sample(number) for number in range(publisher.sent)}


def test_what_waits_is_pushed_when_the_daemon_ends(tmp_path, broker) -> None:
    with receiving() as receiver:
        settings = SETTINGS.format(port=receiver.port).replace("100ms", "1h")
        with daemons.running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", settings) as daemon:
            send(broker, (1.7e9, 1.0))
            daemon.until_value("ewad_sink_waiting_samples", 1, sink="otlp")
            assert receiver.points == []
            assert daemon.end() == 0
        assert receiver.values("ewad_value") == [(1.7e9, 1.0)]
