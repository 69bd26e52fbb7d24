"""The real daemon under a system clock that is set while it runs and while it is off."""

import time
from pathlib import Path

import pytest

from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.faketime import FakeClock
from tests.system.mosquitto import Mosquitto
from tests.system.polling import until
from tests.system.publisher import publish

pytestmark = pytest.mark.system

YEARS = 10 * 365 * 86_400.0
KINDS = ("count", "half_life", "grid")
SETTINGS = """
[[stream]]
name = "count"
topic = "count/+"
stale_after = "{stale}"
forget_after = "{forget}"

[[stream]]
name = "half_life"
topic = "half_life/+"
half_life = "10m"
stale_after = "{stale}"
forget_after = "{forget}"

[[stream]]
name = "grid"
topic = "grid/+"
model = "grid"
stale_after = "{stale}"
forget_after = "{forget}"

[model.grid]
every = "250ms"
max_gap = "1m"
lags = 2
batch_size = 2

[state]
path = "{path}"
"""


def settings(directory: Path, stale: str = "1h", forget: str = "1d") -> str:
    return SETTINGS.format(path=directory / "ewad.db", stale=stale, forget=forget)


class Plant:
    """Samples of every kind of block, and how many there were."""

    def __init__(self, broker: Mosquitto, daemon: daemons.Daemon) -> None:
        self.sent = 0
        self._broker, self._daemon = broker, daemon

    def report(self, rounds: int = 10) -> None:
        """Publish that many samples of each, one after another; wait until they are counted."""
        for _ in range(rounds):
            self.sent += 1
            publish(self._broker.port, [(f"{kind}/a", b"%d" % (self.sent % 7)) for kind in KINDS])
        self._daemon.until_total("ewad_samples_total", len(KINDS) * self.sent)
        assert self._daemon.value("ewad_messages_rejected_total", reason="out_of_order") == 0


def newest(daemon: daemons.Daemon) -> float:
    return max(daemon.samples()["ewad_last_sample_timestamp_seconds"].values())


def told(daemon: daemons.Daemon, what: str) -> int:
    return daemon.stderr.count(f"system clock {what}")


def test_a_clock_that_is_set_while_the_daemon_runs_loses_nothing(tmp_path: Path) -> None:
    clock = FakeClock(tmp_path)
    with (
        mosquitto.running(tmp_path / "broker") as broker,
        daemons.running(
            tmp_path, f"mqtt://127.0.0.1:{broker.port}", settings(tmp_path), environ=clock.environ
        ) as daemon,
    ):
        plant = Plant(broker, daemon)
        plant.report()
        for ahead in (YEARS, 0.0, 3600.0, 0.0):
            clock.set(ahead)
            plant.report()
            assert newest(daemon) == pytest.approx(time.time(), abs=5.0)
        assert told(daemon, "followed") == 0
        clock.set(-3600.0)
        until(lambda: plant.report(1) or newest(daemon) < time.time() - 3000.0, lambda: daemon.stderr)
        assert newest(daemon) == pytest.approx(time.time() - 3600.0, abs=5.0)
        assert told(daemon, "set step_seconds=-3") == told(daemon, "followed step_seconds=-3") == 1
        assert daemon.value("ewad_smoothed_stddev", group="half_life") == pytest.approx(2.0, abs=0.2)
        assert daemon.value("ewad_forecast_value", group="grid") is not None


@pytest.mark.parametrize("ahead", [YEARS, 10.0])
def test_a_clock_that_was_ahead_before_a_restart_loses_nothing(tmp_path: Path, ahead: float) -> None:
    clock = FakeClock(tmp_path)
    with mosquitto.running(tmp_path / "broker") as broker:
        clock.set(ahead)
        daemon = daemons.Daemon(
            tmp_path, f"mqtt://127.0.0.1:{broker.port}", settings(tmp_path), environ=clock.environ
        )
        plant = Plant(broker, daemon)
        try:
            for end in (daemon.end, daemon.kill, daemon.end):
                daemon.start()
                daemon.until_ready()
                plant.report()
                end()
                clock.set(0.0)
        finally:
            daemon.kill()
        assert "Traceback" not in daemon.stderr


@pytest.mark.slow
def test_silence_is_noticed_whatever_the_clock_says(tmp_path: Path) -> None:
    clock = FakeClock(tmp_path)
    with (
        mosquitto.running(tmp_path / "broker") as broker,
        daemons.running(
            tmp_path,
            f"mqtt://127.0.0.1:{broker.port}",
            settings(tmp_path, stale="2s", forget="8s"),
            environ=clock.environ,
        ) as daemon,
    ):
        plant = Plant(broker, daemon)
        clock.set(YEARS)
        plant.report()
        clock.set(-3600.0)
        until(lambda: "ewad_value" not in daemon.samples(), lambda: daemon.stderr)
        assert daemon.value("ewad_streams") == 3
        daemon.until_value("ewad_streams", 0.0)
        assert told(daemon, "set step_seconds=-3") == 1
