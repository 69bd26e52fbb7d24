import asyncio
import os
import sys
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random

import mqtt5
import pytest

from tests.chaos.proxy import Boundaries, ChaosProxy, chaos
from tests.chaos.publisher import publish_numbered
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.certificates import make_certificates
from tests.system.daemon import Daemon, Samples

FAULTS = int(os.environ.get("CHAOS_FAULTS", "8"))  # of each form; `make chaos` does 250
TOPICS = [f"chaos/{number}/v" for number in range(50)]
KINDS = ("cut", "reset", "stall", "corrupt")
FAULT_SECONDS = 120.0  # an upper bound
HALF_OPEN_EACH = 50  # faults; it takes 15 s to notice one
SETTINGS = """
[[stream]]
name = "chaos"
topic = "chaos/{sensor}/v"
format = "json"
field = "n"
time_field = "n"
beta = [0.9, 0.98]
model = "m"
[model.m]
experts = ["linear"]
lags = 4
batch_size = 16
learning_rate = 0.01
"""
MEANT = (  # all that samples decide, and nothing that connections do
    "ewad_samples_total",
    "ewad_value",
    "ewad_smoothed_value",
    "ewad_smoothed_stddev",
    "ewad_forecast_value",
    "ewad_loss",
    "ewad_batches_total",
    "ewad_epoch",
    "ewad_learning_rate",
    "ewad_gradient_norm",
    "ewad_forecast_skill_ratio",
)


def test_boundaries_are_where_packets_begin_however_the_stream_is_cut() -> None:
    packets = [
        mqtt5.PublishPacket("t", b"x" * size, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1).write()
        for size in (0, 1, 117, 118, 119, 120, 16_380, 20_000)
    ]
    stream = b"".join(packets)
    expected = [sum(map(len, packets[:index])) for index in range(len(packets))]
    for step in (1, 2, 3, 127, len(stream)):
        boundaries, found = Boundaries(), []
        for start in range(0, len(stream), step):
            found += [start + offset for offset in boundaries.starts(stream[start : start + step])]
        assert found == expected


@pytest.mark.system
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
@pytest.mark.slow
async def test_nothing_is_lost_or_doubled_by_faults_of_the_network(tmp_path: Path, encrypted: bool) -> None:
    """Against a daemon with an untroubled connection that hears the same messages."""
    random = Random(f"chaos {encrypted}")
    faults = [KINDS[index % len(KINDS)] for index in range(FAULTS)] + ["half_open"] * (
        FAULTS // HALF_OPEN_EACH
    )
    random.shuffle(faults)
    options = ["max_queued_messages 0", "max_keepalive 10"]
    made = make_certificates(tmp_path)
    tls = {"ca": made.ca, "cert": made.server_cert, "key": made.server_key} if encrypted else {}
    options.append(f"listener {(plain := mosquitto.free_port())} 127.0.0.1")
    scheme, mqtt = ("mqtts", [f'ca_file = "{made.ca}"']) if encrypted else ("mqtt", [])
    with mosquitto.running(tmp_path / "mosquitto", options=options, **tls) as broker:
        async with chaos(broker.port, faults, random, encrypted=encrypted) as proxy:
            with (
                impatient(tmp_path / "troubled", f"{scheme}://localhost:{proxy.port}", mqtt) as troubled,
                impatient(tmp_path / "reference", f"{scheme}://localhost:{broker.port}", mqtt) as reference,
            ):
                for daemon in (reference, troubled):
                    await asyncio.to_thread(daemon.until_value, "ewad_mqtt_connected", 1.0)
                enough = asyncio.Event()
                publishing = asyncio.create_task(publish_numbered(plain, TOPICS, enough))
                await all_done(proxy, len(faults))
                enough.set()
                published = await publishing
                for daemon in (reference, troubled):
                    await asyncio.to_thread(daemon.until_total, "ewad_samples_total", published)
                expected, found = meant(reference), meant(troubled)
                reconnects = troubled.value("ewad_mqtt_reconnects_total")
        assert reference.process.returncode == troubled.process.returncode == 0
    assert found == {name: pytest.approx(series, rel=1e-9) for name, series in expected.items()}
    assert proxy.done == Counter(faults)
    assert reconnects > 0


IMPATIENT = (sys.executable, "-W", "error", "-m", "tests.chaos.impatient")


def impatient(directory: Path, url: str, mqtt: list[str]) -> AbstractContextManager[Daemon]:
    """Return a daemon that hurries back after each fault."""
    return daemons.running(directory, url, SETTINGS, mqtt=mqtt, ready=False, command=IMPATIENT)


async def all_done(proxy: ChaosProxy, number: int) -> None:
    """Wait until so many faults have been done. The slowest, unnoticed for a keep-alive, take 15 s."""
    while proxy.done.total() < number:
        proxy.struck.clear()
        async with asyncio.timeout(FAULT_SECONDS):
            await proxy.struck.wait()


def meant(daemon: Daemon) -> Samples:
    scraped = daemon.samples()
    return {name: scraped[name] for name in MEANT}
