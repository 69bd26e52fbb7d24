"""The disk fills up under the daemon and has room again: said once, survived, mended by itself."""

import resource
from pathlib import Path

import pytest

from ewad.ingest.mqtt import session as mqtt_session
from ewad.outputs.http import server
from ewad.store import store
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.polling import until

pytestmark = pytest.mark.system

SETTINGS = """
[[stream]]
name = "t"
topic = "site/{{room}}/t"
[state]
on_disk_error = "{mode}"
"""


def limit_files(daemon: daemons.Daemon, bytes_: int) -> None:
    """Let the daemon write no file beyond so many bytes: to it a full disk."""
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (bytes_, resource.RLIM_INFINITY))


@pytest.mark.parametrize("mode", ["wait", "continue"])
def test_a_full_disk_is_outlived_with_all_that_came_meanwhile(tmp_path: Path, mode: str) -> None:
    settings = SETTINGS.format(mode=mode)
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with daemons.running(tmp_path, url, settings, client_id="full") as daemon:
            broker.publish("site/a/t", "1")
            daemon.until_value("ewad_samples_total", 1.0)
            daemon.until_value("ewad_state_writable", 1.0)
            limit_files(daemon, 4096)
            broker.publish("site/a/t", *map(str, range(2, 400)))
            daemon.until_value("ewad_samples_total", 399.0)  # ingest and exposition go on
            daemon.until_value("ewad_state_writable", 0.0)
            limit_files(daemon, resource.RLIM_INFINITY)
            daemon.until_value("ewad_state_writable", 1.0)
            assert daemon.stderr.count("state not written") == 1
            assert "state is written again" in daemon.stderr
            broker.publish("site/a/t", "400")
            daemon.until_value("ewad_samples_total", 400.0)
            until(lambda: daemon.value("ewad_state_commit_seconds_count"))
            daemon.process.kill()
            daemon.process.wait()
        with daemons.running(tmp_path, url, settings, client_id="full") as again:
            again.until_value("ewad_samples_total", 400.0)
            broker.publish("site/a/t", "401")
            again.until_value("ewad_samples_total", 401.0)


@pytest.mark.parametrize(
    ("mode", "room", "told", "lost"),
    [
        ("wait", 0, "neither kept nor acknowledged: the broker sends those of QoS 1 and 2 again", 0),
        ("wait", 16384, "nothing is lost: the journal has all", 0),
        ("continue", 0, "what came since the last write is lost, though acknowledged", 100),
        ("continue", 16384, "nothing is lost: the journal has all", 0),
    ],
)
def test_a_stop_while_the_disk_is_full_tells_what_is_lost(
    tmp_path: Path, mode: str, room: int, told: str, lost: int
) -> None:
    settings = SETTINGS.format(mode=mode).replace("[state]", 'model = "auto"\n[state]')
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with daemons.running(tmp_path, url, settings, client_id="full") as daemon:
            broker.publish("site/a/t", *map(str, range(100)))
            daemon.until_value("ewad_samples_total", 100.0)
            until(lambda: daemon.value("ewad_state_commit_seconds_count"))
            limit_files(daemon, (tmp_path / "ewad.db").stat().st_size + room)  # a snapshot takes more
            broker.publish("site/a/t", *map(str, range(100)))
            daemon.until_value("ewad_samples_total", 200.0)
            daemon.until_value("ewad_state_writable", 1.0 if room else 0.0)
            assert daemon.end() == 0
            (line,) = [line for line in daemon.stderr.splitlines() if "not written at the end" in line]
            assert told in line
            assert line.endswith("; make room on the disk, or mend it, before the next start")
            assert daemon.stderr.count("state not written reason") == (0 if room else 1)
        with daemons.running(tmp_path, url, settings, client_id="full") as again:
            again.until_value("ewad_samples_total", 200.0 - lost)


def test_a_disk_that_never_answers_holds_up_neither_ingest_nor_scrapes_nor_the_end(tmp_path: Path) -> None:
    settings = SETTINGS.format(mode="wait")
    dead = {"command": (*daemons.EWAD[:-1], "tests.system.crashing"), "environ": {"CRASH_AT": "dead_disk:1"}}
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with daemons.running(tmp_path, url, settings, client_id="dead", **dead) as daemon:
            broker.publish("site/a/t", *map(str, range(100)))
            daemon.until_value("ewad_samples_total", 100.0)
            assert daemon.end() == 0
            assert "not done in time" in daemon.stderr
            assert "the last messages are neither kept nor acknowledged" in daemon.stderr
        with daemons.running(tmp_path, url, settings, client_id="dead") as again:  # nothing was acknowledged
            again.until_value("ewad_samples_total", 100.0)


def test_a_disk_that_answers_late_is_told_once_and_all_is_kept_when_it_does(tmp_path: Path) -> None:
    settings = SETTINGS.format(mode="wait")
    slow = {"command": (*daemons.EWAD[:-1], "tests.system.crashing"), "environ": {"CRASH_AT": "slow_disk:1"}}
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with daemons.running(tmp_path, url, settings, client_id="slow", **slow) as daemon:
            daemon.until_value("ewad_state_writable", 1.0)
            hold = daemon.config.with_name("slow")
            hold.touch()
            broker.publish("site/a/t", *map(str, range(100)))
            daemon.until_value("ewad_samples_total", 100.0)  # ingest and exposition go on
            daemon.until_value("ewad_state_writable", 0.0)
            assert not daemon.value("ewad_state_commit_seconds_count")  # nothing is kept, or acknowledged
            hold.unlink()
            daemon.until_value("ewad_state_writable", 1.0)
            until(lambda: daemon.value("ewad_state_commit_seconds_count"))
            assert daemon.stderr.count("the disk does not answer") == 1
            assert daemon.stderr.count("state is written again") == 1
            daemon.process.kill()
            daemon.process.wait()
        with daemons.running(tmp_path, url, settings, client_id="slow") as again:
            again.until_value("ewad_samples_total", 100.0)


def test_a_disk_that_answers_late_is_not_waited_for_if_so_configured(tmp_path: Path) -> None:
    settings = SETTINGS.format(mode="continue")
    slow = {"command": (*daemons.EWAD[:-1], "tests.system.crashing"), "environ": {"CRASH_AT": "slow_disk:1"}}
    slow["mqtt"] = ['version = "3.1.1"']  # mosquitto has 20 in flight then
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with daemons.running(tmp_path, url, settings, client_id="without", **slow) as daemon:
            daemon.until_value("ewad_state_writable", 1.0)
            hold = daemon.config.with_name("slow")
            hold.touch()
            broker.publish("site/a/t", *map(str, range(500)))
            daemon.until_value("ewad_samples_total", 500.0)  # more than may be in flight: acknowledged
            daemon.until_value("ewad_state_writable", 0.0)
            assert '"the disk does not answer": going on without' in daemon.stderr
            before = daemon.value("ewad_state_snapshot_timestamp_seconds")
            hold.unlink()
            until(lambda: daemon.value("ewad_state_snapshot_timestamp_seconds") > before)
            assert daemon.value("ewad_state_writable") == 1.0
            kept = daemon.value("ewad_state_commit_seconds_count")
            broker.publish("site/a/t", "500")
            until(lambda: daemon.value("ewad_state_commit_seconds_count") > kept)
            daemon.process.kill()
            daemon.process.wait()
        with daemons.running(tmp_path, url, settings, client_id="without") as again:
            again.until_value("ewad_samples_total", 501.0)


def test_the_bounds_of_a_stop_add_up_to_two_seconds() -> None:
    assert mqtt_session.CLOSE_SECONDS + store.CLOSE_SECONDS + 2 * server.SHUTDOWN_SECONDS <= 2.0
