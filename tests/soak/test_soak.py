"""Millions of messages through a real mosquitto: nothing grows. SOAK_MESSAGES=20000000 is the long form."""

import os
import re
import signal
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.soak.publisher import publish_many
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.daemon import Daemon
from tests.system.polling import until

MESSAGES = int(os.environ.get("SOAK_MESSAGES", "300000"))
ROUNDS = 20  # what holds after the first has to hold after the last
TOPICS = 250
RSS_GROWTH = 1.05 if MESSAGES >= 20_000_000 else 1.15  # buffers come and go: 10 % within the first second
SETTINGS = """
[[stream]]
name = "soak"
topic = "soak/{sensor}/v"
model = "m"
[model.m]
lags = 8
"""
OBSERVED = (sys.executable, "-W", "error", "-m", "tests.soak.observed")


class Footprint(NamedTuple):
    """What a process holds."""

    rss_mib: float
    files: int
    threads: int
    tasks: int


def footprint(daemon: Daemon) -> Footprint:
    told = len(re.findall(r"tasks=", daemon.stderr))
    daemon.process.send_signal(signal.SIGUSR1)
    until(lambda: len(found := re.findall(r"tasks=(\d+)\n", daemon.stderr)) > told and found, daemon.stderr)
    process = Path(f"/proc/{daemon.process.pid}")
    tasks = int(re.findall(r"tasks=(\d+)\n", daemon.stderr)[-1])
    files, threads = (len(list((process / name).iterdir())) for name in ("fd", "task"))
    return Footprint(daemon.rss_mib, files, threads, tasks)


@pytest.mark.system
def test_memory_files_and_tasks_stay_as_they_were_after_the_first_twentieth(tmp_path: Path) -> None:
    seen: list[Footprint] = []
    with (
        mosquitto.running(tmp_path / "mosquitto", options=["max_queued_messages 0"]) as broker,
        daemons.running(
            tmp_path / "ewad", f"mqtt://127.0.0.1:{broker.port}", SETTINGS, command=OBSERVED
        ) as daemon,
    ):
        for turn in range(1, ROUNDS + 1):
            publish_many(broker.port, TOPICS, MESSAGES // ROUNDS)
            received = turn * (MESSAGES // ROUNDS)
            daemon.until_value("ewad_messages_received_total", float(received))
            seen.append(footprint(daemon))
            print(f"{received:,} messages: {seen[-1]}")
        counts = daemon.samples()["ewad_samples_total"].values()
    assert set(counts) == {MESSAGES / TOPICS}  # none lost, none doubled
    first, last = seen[0], seen[-1]
    assert last.rss_mib <= RSS_GROWTH * first.rss_mib
    assert last[1:] <= tuple(max(each) for each in zip(*(entry[1:] for entry in seen[:2]), strict=True))
