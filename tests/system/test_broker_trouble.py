"""The broker is absent, goes away, comes back, refuses: a state for the daemon, one line for people."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import console
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.certificates import make_certificates
from tests.system.mosquitto import Mosquitto, free_port
from tests.system.polling import until

pytestmark = pytest.mark.system

STREAM = '[[stream]]\nname = "t"\ntopic = "site/{room}/t"\n'


def test_a_broker_that_is_killed_and_comes_back_costs_nothing_but_a_count(tmp_path: Path) -> None:
    with (
        mosquitto.running(tmp_path / "mosquitto") as broker,
        daemons.running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", STREAM) as daemon,
    ):
        broker.publish("site/a/t", "40", "49")
        daemon.until_value("ewad_samples_total", 2.0, stream="site/a/t")
        assert daemon.value("ewad_mqtt_connected") == 1
        assert daemon.value("ewad_mqtt_reconnects_total") == 0

        broker.kill()
        daemon.until_value("ewad_mqtt_connected", 0.0)
        status, reason = daemon.get("/readyz")
        assert status == 503
        assert str(broker.port) in reason or "closed the connection" in reason
        assert daemon.get("/healthz") == (200, "ok\n")
        assert daemon.value("ewad_value", stream="site/a/t") == 49  # the last word stays until it is stale

        broker.start()
        daemon.until_ready()
        assert daemon.value("ewad_mqtt_connected") == 1
        assert daemon.value("ewad_mqtt_reconnects_total") == 1
        broker.publish("site/a/t", "45")
        daemon.until_value("ewad_samples_total", 3.0, stream="site/a/t")
        # the average goes on where it was: 40, 49, 45 at beta 0.98
        assert daemon.value("ewad_smoothed_value", beta="0.98") == pytest.approx(44.700041, abs=5e-7)
        assert daemon.value("ewad_messages_received_total") == 3
        warnings = [line for line in daemon.stderr.splitlines() if " WARNING " in line]
        assert 1 <= len(warnings) <= 3, daemon.stderr  # lost; then refused, told once however often it is


def test_what_was_published_while_the_daemon_was_away_arrives_by_its_session(tmp_path: Path) -> None:
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with daemons.running(tmp_path / "first", url, STREAM, client_id="keeper") as daemon:
            broker.publish("site/a/t", "1")
            daemon.until_value("ewad_messages_received_total", 1.0)
        broker.publish("site/a/t", "2", "3")
        with daemons.running(tmp_path / "second", url, STREAM, client_id="keeper") as daemon:
            daemon.until_value("ewad_samples_total", 2.0, stream="site/a/t")
            assert daemon.value("ewad_value", stream="site/a/t") == 3


def test_an_absent_broker_is_a_state_with_a_reason_and_then_a_connection(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "mosquitto")
    url = f"mqtt://127.0.0.1:{broker.port}"
    with daemons.running(tmp_path, url, STREAM, ready=False) as daemon:
        refused = f"connection refused (127.0.0.1:{broker.port})\n"
        until(lambda: daemon.get("/readyz") == (503, refused), lambda: str(daemon.get("/readyz")))
        assert daemon.value("ewad_mqtt_connected") == 0
        assert daemon.get("/")[0] == 200
        until(lambda: daemon.stderr.count("\n") > 1)
        told = daemon.stderr.splitlines()
        assert "connection refused" in told[1], told
        broker.start()
        try:
            daemon.until_ready()
            assert daemon.value("ewad_mqtt_connected") == 1
            assert daemon.value("ewad_mqtt_reconnects_total") == 0  # the first connection is no reconnection
            broker.publish("site/a/t", "7")
            daemon.until_value("ewad_value", 7.0, stream="site/a/t")
        finally:
            broker.kill()


def test_two_daemons_of_one_client_id_are_told_of_each_other(tmp_path: Path) -> None:
    with (
        mosquitto.running(tmp_path / "mosquitto") as broker,
        daemons.running(
            tmp_path / "a", url := f"mqtt://127.0.0.1:{broker.port}", STREAM, client_id="one"
        ) as a,
        daemons.running(tmp_path / "b", url, STREAM, client_id="one", ready=False) as b,
    ):
        hint = 'is there another client with client_id "one"?'
        until(lambda: hint in a.stderr or hint in b.stderr, lambda: a.stderr + b.stderr)


@contextmanager
def silent_broker() -> Iterator[int]:
    """Yield a port where connections are made and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


class Trouble:
    """Configurations that can't connect, and the words that say why."""

    @staticmethod
    @contextmanager
    def wrong_password(directory: Path) -> Iterator[tuple[str, list[str], str]]:
        password = directory / "password"
        password.write_text("wr0ng-s3cret\n")
        with mosquitto.running(directory / "mosquitto", users={"me": "right"}) as broker:
            mqtt = ['username = "me"', f'password_file = "{password}"']
            yield f"mqtt://127.0.0.1:{broker.port}", mqtt, "not authorized"

    @staticmethod
    @contextmanager
    def wrong_authority(directory: Path) -> Iterator[tuple[str, list[str], str]]:
        made = make_certificates(directory)
        server = {"ca": made.ca, "cert": made.server_cert, "key": made.server_key}
        with mosquitto.running(directory / "mosquitto", **server) as broker:
            mqtt = [f'ca_file = "{made.other_ca}"']
            yield f"mqtts://localhost:{broker.port}", mqtt, "certificate verify failed"

    @staticmethod
    @contextmanager
    def tls_to_a_plain_port(directory: Path) -> Iterator[tuple[str, list[str], str]]:
        with mosquitto.running(directory / "mosquitto") as broker:
            yield f"mqtts://localhost:{broker.port}", [], "localhost"

    @staticmethod
    @contextmanager
    def closed_port(directory: Path) -> Iterator[tuple[str, list[str], str]]:
        port = free_port()
        yield f"mqtt://127.0.0.1:{port}", [], f"connection refused (127.0.0.1:{port})"

    @staticmethod
    @contextmanager
    def unknown_host(directory: Path) -> Iterator[tuple[str, list[str], str]]:
        yield "mqtt://no-such-host.invalid:1883", [], "host name not found"

    @staticmethod
    @contextmanager
    def closed_websocket_port(directory: Path) -> Iterator[tuple[str, list[str], str]]:
        port = free_port()
        yield f"ws://127.0.0.1:{port}", [], f"connection refused (127.0.0.1:{port})"


TROUBLES = [name for name in vars(Trouble) if not name.startswith("_")]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_each_trouble_is_one_clear_line_for_run_and_for_check(tmp_path: Path, trouble: str) -> None:
    with getattr(Trouble, trouble)(tmp_path) as (url, mqtt, words):
        with daemons.running(tmp_path, url, STREAM, mqtt=mqtt, ready=False) as daemon:
            until(lambda: "connection failed" in daemon.stderr, lambda: daemon.stderr)
            status, reason = daemon.get("/readyz")
            assert status == 503
            told = [line for line in daemon.stderr.splitlines() if "connection failed" in line]
            assert len(told) == 1
            assert words in told[0]
            assert words in reason
            assert daemon.value("ewad_mqtt_connected") == 0
        line = daemons.failed(console.ewad("check", "--connect", "-c", daemon.config), 1)
        assert words in line
        assert "s3cret" not in daemon.stderr + line


def test_check_connects_where_all_is_well(tmp_path: Path) -> None:
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        config = tmp_path / "ewad.toml"
        config.write_text(f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\n{STREAM}')
        checked = console.ewad("check", "--connect", "-c", config)
        assert checked.returncode == 0, checked.stderr
        assert f"connected and subscribed at mqtt://127.0.0.1:{broker.port}" in checked.stdout
        assert "Client ewad closed its connection" not in broker.log


@pytest.mark.parametrize("state", ["connected", "absent", "silent"])
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_sigterm_ends_the_daemon_in_every_state_of_the_broker(
    tmp_path: Path, state: str, version: str
) -> None:
    mqtt = [f'version = "{version}"']
    if state == "connected":
        with mosquitto.running(tmp_path / "mosquitto") as broker:
            url = f"mqtt://127.0.0.1:{broker.port}"
            with daemons.running(tmp_path, url, STREAM, mqtt=mqtt) as daemon:
                assert daemon.end() == 0
            until(lambda: f"Client {daemon.client_id} disconnected" in broker.log, lambda: broker.log)
        return
    with silent_broker() as port:
        url = f"mqtt://127.0.0.1:{port if state == 'silent' else free_port()}"
        with daemons.running(tmp_path, url, STREAM, mqtt=mqtt, ready=False) as daemon:
            until(lambda: ("connection failed" if state == "absent" else "serving metrics") in daemon.stderr)
            daemon.get("/healthz")  # answered once it has started: before that a stop ends it without a word
            started = time.monotonic()
            assert daemon.end() == 0
            assert time.monotonic() - started < daemons.END_SECONDS
    assert "stopped messages=0" in daemon.stderr
