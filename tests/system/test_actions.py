"""Actions on a running daemon: what is done at once, kept over a kill, and taken back by a reload."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import console
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.certificates import make_certificates
from tests.system.polling import until
from tests.system.publisher import publish

pytestmark = pytest.mark.system

SETTINGS = """
[[stream]]
name = "plant"
topic = "plant/{room}/t"
beta = [0.5]
model = "m"

[model.m]
experts = ["linear"]
lags = 1
batch_size = 2
learning_rate = 0.25
schedule = { kind = "constant" }
interval = 0.9

[state]
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[mosquitto.Mosquitto]:
    with mosquitto.running(tmp_path / "broker") as started:
        yield started


def act(daemon: daemons.Daemon, action: str, **document: object) -> tuple[int, str]:
    """Ask the daemon for an action; return the status, and what was done or why not."""
    request = urllib.request.Request(
        f"http://{daemon.address}/api/v1/actions/{action}",
        json.dumps(document).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)["done"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error"]


def test_a_stream_can_be_forgotten_and_stays_so_over_a_kill(tmp_path, broker) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    with daemons.running(tmp_path, url, SETTINGS, clean=False) as daemon:
        for n in range(3):
            publish(broker.port, [(f"plant/{n}/t", b"1"), (f"plant/{n}/t", b"2")], qos=1)
        daemon.until_total("ewad_samples_total", 6)
        assert act(daemon, "forget", stream="plant/0/t") == (200, "forgot plant/0/t")
        assert act(daemon, "forget", stream="plant/0/t")[0] == 404
        assert act(daemon, "forget", stream="plant/1/t", group="other")[0] == 404
        assert daemon.value("ewad_streams") == 2
        assert "action done action=forget" in daemon.stderr
        publish(broker.port, [("plant/2/t", b"3")], qos=1)  # which is in another row now
        daemon.until_value("ewad_value", 3, stream="plant/2/t")
        daemon.kill()
        daemon.start()
        daemon.until_ready()
        assert daemon.value("ewad_samples_total", stream="plant/2/t") == 3
        assert daemon.value("ewad_samples_total", stream="plant/0/t") is None
        publish(broker.port, [("plant/0/t", b"9")], qos=1)
        daemon.until_value("ewad_samples_total", 1, stream="plant/0/t")


def test_a_learning_rate_holds_until_the_configuration_is_read_again(tmp_path, broker) -> None:
    with daemons.running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", SETTINGS) as daemon:
        publish(broker.port, [("plant/0/t", b"%d" % n) for n in range(20)], qos=1)
        daemon.until_total("ewad_samples_total", 20)
        batches = daemon.value("ewad_batches_total")
        assert daemon.value("ewad_learning_rate") == 0.25
        done = act(daemon, "learning-rate", model="m", learning_rate=0.125)
        assert done == (200, "the learning rate of m is 0.125")
        assert daemon.value("ewad_learning_rate") == 0.125
        assert daemon.value("ewad_batches_total") == batches, "the model itself goes on"
        assert act(daemon, "learning-rate", model="n", learning_rate=1.0)[0] == 404
        assert act(daemon, "learning-rate", model="m", learning_rate=0.0)[0] == 409
        assert act(daemon, "reload") == (200, "the configuration was read again")
        assert daemon.value("ewad_learning_rate") == 0.25
        assert daemon.value("ewad_actions_total", action="learning-rate", outcome="done") == 1
        assert daemon.value("ewad_actions_total", action="learning-rate", outcome="refused") == 2


def fixed_port() -> dict[str, str]:
    return {"EWAD_HTTP__LISTEN": f"127.0.0.1:{mosquitto.free_port()}"}


def ctl(daemon: daemons.Daemon, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return console.ewad("ctl", "-c", daemon.config, *arguments, **options, **daemon.environ)


def test_the_command_asks_the_daemon_of_its_configuration(tmp_path, broker) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    with daemons.running(tmp_path, url, SETTINGS, environ=fixed_port()) as daemon:
        publish(broker.port, [("plant/0/t", b"1")], qos=1)
        daemon.until_total("ewad_samples_total", 1)
        assert ctl(daemon, "normal", "plant/0/t").stdout == "took back the anomaly of plant/0/t\n"
        assert ctl(daemon, "learning-rate", "m", "0.5").stdout == "the learning rate of m is 0.5\n"
        assert daemon.value("ewad_learning_rate") == 0.5
        assert ctl(daemon, "forget", "plant/0/t").stdout == "forgot plant/0/t\n"
        told = daemons.failed(ctl(daemon, "forget", "plant/0/t"), 2)
        assert told == "ewad: stream: expected one that is known, got 'plant/0/t'\n"
        assert ctl(daemon, "reload").stdout == "the configuration was read again\n"
        assert daemon.value("ewad_learning_rate") == 0.25
        daemon.end()
        assert "no daemon answers at 127.0.0.1:" in daemons.failed(ctl(daemon, "reload"), 1)


def test_the_command_trusts_the_daemon_s_certificate_and_tells_who_asks(tmp_path, broker) -> None:
    (tmp_path / "pem").mkdir()
    pem = make_certificates(tmp_path / "pem")
    users = tmp_path / "users"
    users.write_text(console.ewad("hash-password", "op", stdin="secret\n").stdout)
    http = [f'cert_file = "{pem.server_cert}"', f'key_file = "{pem.server_key}"', f'users_file = "{users}"']
    options = {
        "http": http,
        "tls": ssl.create_default_context(cafile=pem.ca),
        "ready": False,
        "environ": fixed_port(),
    }
    url = f"mqtt://127.0.0.1:{broker.port}"
    with daemons.running(tmp_path, url, SETTINGS, **options) as daemon:
        assert "expected --user" in daemons.failed(ctl(daemon, "reload"), 2)
        assert "wrong password" in daemons.failed(ctl(daemon, "--user", "op", "reload", stdin="x\n"), 2)
        done = ctl(daemon, "--user", "op", "reload", stdin="secret\n")
        assert done.stdout.startswith("it goes on: "), done.stderr  # a certificate may be another one
        until(lambda: "reloaded: the configuration is in force" in daemon.stderr, lambda: daemon.stderr)


def test_a_reload_that_fails_is_told_to_who_asked(tmp_path, broker) -> None:
    with daemons.running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", SETTINGS) as daemon:
        daemon.config.write_text(daemon.config.read_text() + "\n[nonsense]\n")
        status, why = act(daemon, "reload")
        assert status == 409 and "nonsense" in why
        assert daemon.value("ewad_config_last_reload_successful") == 0


def test_an_anomaly_can_be_marked_as_normal(tmp_path, broker) -> None:
    with daemons.running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", SETTINGS) as daemon:
        messages = [("plant/0/t", b"%d" % (20 + n % 2)) for n in range(300)]
        publish(broker.port, [*messages, ("plant/0/t", b"500")], qos=1)
        daemon.until_total("ewad_samples_total", 301)
        assert daemon.value("ewad_anomaly_score") > 1.0
        assert act(daemon, "normal", stream="plant/0/t") == (200, "took back the anomaly of plant/0/t")
        assert daemon.value("ewad_anomaly_score") == 0.0
