"""Devices of every known family behind a real mosquitto, in a real Prometheus; configurations by a look."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ewad.config import presets
from tests.console import ewad
from tests.ingest.test_presets import CASES
from tests.system import daemon as daemons
from tests.system import mosquitto, older_broker
from tests.system.daemon import EWAD, environment
from tests.system.mosquitto import Mosquitto
from tests.system.polling import until
from tests.system.prometheus import scraping
from tests.system.publisher import publish

pytestmark = pytest.mark.system
FIRST = {name: next(case for case in cases if case[2]) for name, cases in CASES.items()}
MESSAGES = [(topic, payload.encode()) for topic, payload, _ in FIRST.values()]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with mosquitto.running(tmp_path_factory.mktemp("mosquitto")) as started:
        publish(started.port, MESSAGES, retain=True)
        yield started


def test_a_message_of_each_family_is_in_prometheus(broker: Mosquitto, tmp_path: Path) -> None:
    blocks = "\n".join(f'[[stream]]\npreset = "{name}"' for name in presets.names())
    with (
        daemons.running(tmp_path / "ewad", f"mqtt://127.0.0.1:{broker.port}", blocks) as daemon,
        scraping(tmp_path / "prometheus", daemon.address) as prometheus,
    ):
        for name, (_, _, expected) in FIRST.items():
            query = f'ewad_value{{group=~"{name}([.].*)?"}}'
            wanted = {stream: float(value) for stream, value in expected.items()}

            def shown(query: str = query) -> dict[str, float]:
                return {dict(labels)["stream"]: value for labels, value in prometheus.query(query).items()}

            until(lambda: wanted.items() <= shown().items(), lambda: f"{query}: {shown()}, not {wanted}")  # noqa: B023


def test_a_look_at_the_broker_gives_a_configuration_that_reads_what_it_sends(
    broker: Mosquitto, tmp_path: Path
) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    done = ewad("init", "--url", url, "--seconds", "1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "listening for 1 s\n")
    assert f"{len({topic for topic, _ in MESSAGES})} topics: " in done.stdout
    assert done.stdout.endswith("see `ewad check`, then `ewad run`\n")
    text = (tmp_path / "ewad.toml").read_text()
    assert 'preset = "tasmota"' in text
    topic, payload, expected = FIRST["tasmota"]
    explained = ewad("explain", topic, payload, cwd=tmp_path)
    for stream, value in expected.items():
        assert f'"{stream}"' in explained.stdout
        assert f"value: {float(value)!r}" in explained.stdout


def test_a_broker_of_an_older_mqtt_is_looked_at_all_the_same(broker: Mosquitto, tmp_path: Path) -> None:
    with older_broker.before(broker.port) as older:
        url = f"mqtt://127.0.0.1:{older.port}"
        done = ewad("init", "--url", url, "--seconds", "1", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f'[mqtt]\nurl = "{url}"\nversion = "3.1.1"\n' in (tmp_path / "ewad.toml").read_text()
        assert ewad("check", "--connect", cwd=tmp_path).returncode == 0


def test_what_to_do_next_names_the_file_that_was_written(broker: Mosquitto, tmp_path: Path) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    done = ewad("init", "--url", url, "--seconds", "1", "-o", "found it.toml", cwd=tmp_path)
    assert done.stdout.endswith("see `ewad check -c 'found it.toml'`, then `ewad run -c 'found it.toml'`\n")


def test_discovery_runs_on_what_it_finds(broker: Mosquitto, tmp_path: Path) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    log = tmp_path / "stderr"
    with log.open("wb") as stderr:
        options = ["--discover", "--url", url, "--seconds", "1", "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(
            [*EWAD, "run", *options], stdout=stderr, stderr=stderr, env=environment(), cwd=tmp_path
        )
    try:
        served = re.compile(r"serving metrics at http://(\S+)/metrics ")
        until(lambda: served.search(log.read_text()) or process.poll() is not None, log.read_text)
        daemon = daemons.Daemon(tmp_path / "unused", url, "")
        daemon.address = served.search(log.read_text())[1]
        (stream, value), *_ = FIRST["homie"][2].items()
        daemon.until_value("ewad_value", float(value), stream=stream)
        assert "what other topics send later is not read: look again by a restart" in log.read_text()
    finally:
        process.terminate()
        assert process.wait(20) == 0, log.read_text()


@pytest.mark.parametrize("command", [("init",), ("run", "--discover")])
def test_a_broker_of_nothing_says_what_to_do(tmp_path: Path, command: tuple[str, ...]) -> None:
    with mosquitto.running(tmp_path / "mosquitto") as silent:
        url = f"mqtt://127.0.0.1:{silent.port}"
        done = ewad(*command, "--url", url, "--seconds", "0.3", cwd=tmp_path)
        said = daemons.failed(done, 1, lines=2)  # what it does, and what came of it
        assert f"no message in 0.3 s from {url}: " in said
        assert "Listen for longer, such as by --seconds 3, and let a device publish" in said
        publish(silent.port, [("door/lock", b"shut")], retain=True)
        said = daemons.failed(ewad(*command, "--url", url, "--seconds", "0.3", cwd=tmp_path), 1, lines=2)
        assert '1 message of 1 topic, but no number in them, such as "door/lock" with "shut".' in said
    assert not (tmp_path / "ewad.toml").exists()
