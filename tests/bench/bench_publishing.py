"""[publish] measured: its CPU beside that of receiving, and how soon a forecast is back on MQTT.

Run: python -m tests.bench.bench_publishing [seconds]
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench.measure import at_most
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.publisher import publish

STREAMS, RATE = 10_000, 2_000
ROUND_TRIP_RATE = 1_000
STEPS = 20  # a second: so many messages at a time
SETTINGS = """
[[stream]]
name = "bench"
topic = "in/{sensor}"
beta = [0.9, 0.98]
model = "m"
[model.m]
experts = ["persistence"]
lags = 1
[state]
[limits]
max_streams = 20000
"""
PUBLISH = '[publish]\ntopic = "out/{stream}"\navailability_topic = "there"\n'


class Listener:
    """A subscriber of out/#, which counts, and notes when each value came."""

    def __init__(self, port: int) -> None:
        self.count = 0
        self.delays: list[float] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe("out/#", qos=0)
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _take(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        now = time.time()
        self.count += 1
        value = message.payload.partition(b'"value":')[2].partition(b",")[0]
        self.delays.append(now - float(value))

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def paced(port: int, rate: int, seconds: float) -> int:
    """Publish values that are the time of their sending, at random streams; return how many."""
    generator, n, started = random.Random(1), rate // STEPS, time.monotonic()
    for step in range(round(seconds * STEPS)):
        pause = started + step / STEPS - time.monotonic()
        time.sleep(max(0.0, pause))
        publish(port, [(f"in/{generator.randrange(STREAMS)}", b"%.6f" % time.time()) for _ in range(n)])
    return n * round(seconds * STEPS)


@contextmanager
def running(settings: str) -> Iterator[tuple[mosquitto.Mosquitto, daemons.Daemon]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        mosquitto.running(Path(folder) / "broker", options=["max_queued_messages 0"]) as broker,
        daemons.running(Path(folder), f"mqtt://127.0.0.1:{broker.port}", settings) as daemon,
    ):
        publish(broker.port, [(f"in/{n}", b"1") for n in range(STREAMS)])  # all streams are there
        daemon.until_total("ewad_messages_received_total", STREAMS)
        yield broker, daemon


def cost(settings: str, seconds: float) -> float:
    """Return the daemon's CPU seconds a message, at RATE."""
    with running(settings) as (broker, daemon):
        assert daemon.process is not None
        time.sleep(2.0)  # what start-up has left to publish
        before = cpu_seconds(daemon.process.pid)
        n = paced(broker.port, RATE, seconds)
        daemon.until_total("ewad_messages_received_total", STREAMS + n)
        time.sleep(1.0)
        spent = cpu_seconds(daemon.process.pid) - before
        if "[publish]" in settings:
            superseded = daemon.value("ewad_sink_superseded_total", sink="publish")
            print(f"  of {n:,} states {superseded:,.0f} gave way to later ones of their stream")
        return spent / n


def round_trip(seconds: float) -> list[float]:
    """Return the seconds from a sample's sending to its state's arrival, each sample's that had one."""
    with running(SETTINGS + PUBLISH) as (broker, _):
        listener = Listener(broker.port)
        time.sleep(2.0)
        listener.delays.clear()
        paced(broker.port, ROUND_TRIP_RATE, seconds)
        time.sleep(1.0)
        listener.stop()
        return listener.delays


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    received, published = (cost(settings, seconds) for settings in (SETTINGS, SETTINGS + PUBLISH))
    print(f"{STREAMS:,} streams, {RATE:,} messages/s, CPU us a message:")
    print(f"  receiving {received * 1e6:.0f}, and publishing each state {published * 1e6:.0f}")
    at_most("with publishing, to receiving alone, CPU", published / received, 2.0)
    delays = sorted(round_trip(seconds))
    print(f"round trip at {ROUND_TRIP_RATE:,} messages/s, ms, of {len(delays):,}:")
    late = delays[len(delays) * 99 // 100]
    print(f"  median {statistics.median(delays) * 1e3:.1f}, 99 % within {late * 1e3:.1f}")
    at_most("median, ms", statistics.median(delays) * 1e3, 30.0)


if __name__ == "__main__":
    main()
