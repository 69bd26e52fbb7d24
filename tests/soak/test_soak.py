"""Millions of messages through a real mosquitto: nothing grows. SOAK_MESSAGES=20000000 is the long form."""

import os
import re
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from ewad.store.reading import open_log
from tests.soak.publisher import publish_many
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.daemon import Daemon
from tests.system.polling import until

MESSAGES = int(os.environ.get("SOAK_MESSAGES", "300000"))
LONG = MESSAGES >= 20_000_000
ROUNDS = 20
ROUND = MESSAGES // ROUNDS  # a million in the long form
STEP = min(5_000, ROUND)  # the daemon may be so much behind: what waits is memory too
TOPICS = 250
# Two files of 1.5 times the state and 1 MiB each, with what came until that was seen.
STATE_MIB = 8
RSS_GROWTH = 1.05 if LONG else 1.15  # buffers come and go
STEADY = 0 if LONG else ROUNDS // 2  # the round from whose end on nothing may grow
SETTINGS = """
[[stream]]
name = "soak"
topic = "soak/{sensor}/v"
model = "m"
[model.m]
experts = ["linear"]
lags = 8
[state]
path = "soak.db"
snapshot_interval = "1s"
"""
OBSERVED = (sys.executable, "-W", "error", "-m", "tests.soak.observed")


class Footprint(NamedTuple):
    """What a process holds."""

    rss_mib: float
    state_mib: float
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
    state_mib = (daemon.value("ewad_state_file_bytes") or 0.0) / 2**20
    return Footprint(daemon.rss_mib, state_mib, files, threads, tasks)


def cut_journal(path: Path) -> bool:
    """Whether the file has a snapshot, and no more of the journal than a file may have."""
    with closing(open_log(path)) as file:
        return bool(file.snapshots) and file.samples * 20 <= STATE_MIB * 2**20


@pytest.mark.system
@pytest.mark.slow
def test_memory_files_and_tasks_stay_as_they_were(tmp_path: Path) -> None:
    seen: list[Footprint] = []
    with (
        mosquitto.running(tmp_path / "mosquitto", options=["max_queued_messages 0"]) as broker,
        daemons.running(
            tmp_path / "ewad", f"mqtt://127.0.0.1:{broker.port}", SETTINGS, command=OBSERVED
        ) as daemon,
    ):
        for received in range(STEP, MESSAGES + 1, STEP):
            publish_many(broker.port, TOPICS, STEP)
            daemon.until_value("ewad_messages_received_total", float(received))
            if received % ROUND == 0:
                until(lambda: cut_journal(tmp_path / "ewad" / "soak.db"), lambda: daemon.stderr)
                seen.append(footprint(daemon))
                print(f"{received:,} messages: {seen[-1]}", flush=True)
        counts = daemon.samples()["ewad_samples_total"].values()
    assert set(counts) == {MESSAGES / TOPICS}  # none lost, none doubled
    first, last = seen[STEADY], seen[-1]
    assert last.rss_mib <= RSS_GROWTH * first.rss_mib
    for what in ("files", "threads", "tasks"):
        assert getattr(last, what) <= max(getattr(entry, what) for entry in seen[: STEADY + 2])
    assert all(0.0 < entry.state_mib <= STATE_MIB for entry in seen)
