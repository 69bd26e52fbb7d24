"""Signals at any moment of the real daemon's life: a stop ends with status 0, SIGHUP never ends it."""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.polling import until

pytestmark = pytest.mark.system

SETTINGS = """
[mqtt]
url = "mqtt://127.0.0.1:{port}"
client_id = "{client_id}"
[http]
listen = "127.0.0.1:0"
[[stream]]
name = "plant"
topic = "plant/+"
model = "auto"
[state]
path = "{path}"
[log]
level = "debug"
"""
# The first line that the interpreter says after the signals are taken, and a late one.
TAKEN, RUNNING = "ewad.daemon.signals", "INFO ewad.ingest.mqtt connected"
FEW, MANY = 3, pytest.param(20, marks=pytest.mark.slow)  # moments of a signal
SEED = 20260


class Starting:
    """`ewad run`, or another verb, that tells each import when it is done: the moments of its start."""

    def __init__(self, config: Path, *verb: str) -> None:
        python = [sys.executable, "-X", "importtime", "-W", "error"]
        command = [*python, "-m", "ewad", *(verb or ("run",)), "-c", config]
        self.lines: list[str] = []
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=daemons.environment())
        self._changed = threading.Condition()
        self._over = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify()
        with self._changed:
            self._over = True
            self._changed.notify()

    def wait_for(self, text: str, after: int = 0) -> int:
        """Return the number of the first line with this text, when so many more have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._over or self._seen(text, after), 60), self.said
            assert self._seen(text, after), self.said
            return next(number for number, line in enumerate(self.lines) if text in line)

    def _seen(self, text: str, after: int) -> bool:
        return any(text in line for line in self.lines[: len(self.lines) - after])

    def end(self) -> int:
        status = self.process.wait(30)
        self._reader.join()
        self.process.stderr.close()
        return status

    @property
    def said(self) -> str:
        return "\n".join(line for line in self.lines if not line.startswith("import time:"))


@contextmanager
def starting(config: Path, *verb: str) -> Iterator[Starting]:
    started = Starting(config, *verb)
    try:
        yield started
    finally:
        started.process.kill()
        started.end()


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    with mosquitto.running(tmp_path / "broker") as broker:
        path = tmp_path / "ewad.toml"
        facts = {"port": broker.port, "path": tmp_path / "ewad.db", "client_id": f"signals-{tmp_path.name}"}
        path.write_text(SETTINGS.format(**facts))
        yield path


def moments(config: Path, number: signal.Signals, count: int) -> list[int]:
    """Return how many lines after TAKEN the signal is to come: spread over all that a start says."""
    with starting(config) as daemon:
        taken = daemon.wait_for(TAKEN)
        running = daemon.wait_for(RUNNING)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.end() == 0
    random_number = random.Random(f"{SEED} {number.name}")
    return [1, running - taken, *random_number.choices(range(1, running - taken), k=count - 2)]


@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_at_any_moment_ends_with_status_0(config: Path, number: signal.Signals, count: int) -> None:
    for moment in moments(config, number, count):
        with starting(config) as daemon:
            daemon.wait_for(TAKEN, moment)
            daemon.process.send_signal(number)
            assert daemon.end() == 0, f"{moment} lines after the first instruction:\n{daemon.said}"
            assert "Traceback" not in daemon.said
            assert "rror" not in daemon.said


@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_hangup_at_any_moment_ends_nothing(config: Path, count: int) -> None:
    for moment in moments(config, signal.SIGHUP, count):
        with starting(config) as daemon:
            daemon.wait_for(TAKEN, moment)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_for("reloaded: the configuration is in force")
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.send_signal(signal.SIGHUP)
            assert daemon.end() == 0, f"{moment} lines after the first instruction:\n{daemon.said}"
            assert "Traceback" not in daemon.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_gateway_takes_signals_from_its_first_instruction_on(config: Path, number: signal.Signals) -> None:
    text = config.read_text()
    config.write_text(text[: text.index("[state]")] + "[shard]\ncount = 2\n")
    with starting(config, "gateway", "--log", str(config.parent / "log")) as gateway:
        gateway.wait_for(TAKEN, 1)
        gateway.process.send_signal(number)
        if number == signal.SIGHUP:
            gateway.wait_for(RUNNING)
            gateway.process.send_signal(signal.SIGTERM)
        assert gateway.end() == 0, gateway.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_without_end_change_nothing_of_a_stop(config: Path, number: signal.Signals) -> None:
    with starting(config) as daemon:
        daemon.wait_for(RUNNING)
        daemon.process.send_signal(signal.SIGTERM)

        def gone() -> bool:
            daemon.process.send_signal(number)
            return daemon.process.poll() is not None

        until(gone)
        assert daemon.end() == 0, daemon.said
        assert "Traceback" not in daemon.said
