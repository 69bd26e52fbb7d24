"""What only the right password opens, and where no secret is ever seen: by the real daemon."""

import base64
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.console import ewad
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.certificates import make_certificates
from tests.system.polling import until
from tests.system.prometheus import scraping

pytestmark = pytest.mark.system

STREAM = '[[stream]]\nname = "t"\ntopic = "site/{room}/t"\n'


def test_prometheus_scrapes_over_tls_with_its_password_and_nobody_without(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    users, password = tmp_path / "users", tmp_path / "password"
    users.write_text(ewad("hash-password", "prometheus", stdin="s3cret\n").stdout)
    password.write_text("s3cret")
    http = [f'cert_file = "{made.server_cert}"', f'key_file = "{made.server_key}"', f'users_file = "{users}"']
    trusted = ssl.create_default_context(cafile=made.ca)
    token = {"Authorization": "Basic " + base64.b64encode(b"prometheus:s3cret").decode()}
    with (
        mosquitto.running(tmp_path / "mosquitto") as broker,
        daemons.running(
            tmp_path / "ewad",
            f"mqtt://127.0.0.1:{broker.port}",
            STREAM,
            http=http,
            tls=trusted,
            headers=token,
        ) as daemon,
    ):
        broker.publish("site/a/t", "21.5")
        options = {
            "scheme": "https",
            "tls_config": {"ca_file": str(made.ca)},
            "basic_auth": {"username": "prometheus", "password_file": str(password)},
        }
        with scraping(tmp_path / "prometheus", daemon.address, **options) as prometheus:
            until(lambda: list(prometheus.query("ewad_value").values()) == [21.5], lambda: daemon.stderr)
        daemon._headers = {}
        assert daemon.get("/metrics") == (401, "expected a user and a password\n")
        assert daemon.get("/healthz") == (200, "ok\n")
        daemon._headers = token
        assert daemon.get("/metrics")[0] == 200
    assert "s3cret" not in daemon.stderr


@pytest.mark.parametrize("tls", [False, True])
def test_the_containers_health_check_finds_the_daemon_with_and_without_tls(tmp_path: Path, tls: bool) -> None:
    script = Path(__file__).parents[2] / "deploy" / "docker" / "healthcheck.py"

    def health(address: str) -> int:
        command = [sys.executable, "-W", "error", script]
        return subprocess.run(command, env={"EWAD_HTTP__LISTEN": address}, check=False).returncode

    http = []
    if tls:
        made = make_certificates(tmp_path)
        http = [f'cert_file = "{made.server_cert}"', f'key_file = "{made.server_key}"']
    nobody = "mqtt://127.0.0.1:1"  # the daemon is well without a broker
    with daemons.running(tmp_path / "ewad", nobody, STREAM, http=http, ready=False) as daemon:
        assert health(daemon.address) == 0
    assert health(daemon.address) == 1


WAYS = {  # of giving the daemon the broker's password
    "url": ("mqtt://me:s3cret@127.0.0.1:{port}", [], {}),
    "password_file": ("mqtt://me@127.0.0.1:{port}", ['password_file = "{folder}/mqtt_password"'], {}),
    "credential": ("mqtt://me@127.0.0.1:{port}", [], {"CREDENTIALS_DIRECTORY": "{folder}"}),
    "environment": ("mqtt://ignored:1", [], {"EWAD_MQTT__URL": "mqtt://me:s3cret@127.0.0.1:{port}"}),
}


@pytest.mark.parametrize("broker_knows", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_password_is_seen_nowhere(tmp_path: Path, way: str, broker_knows: bool) -> None:
    """Not in the log at its loudest, metrics, page, readiness, check, explain or the process's arguments."""
    (tmp_path / "mqtt_password").write_text("s3cret\n")
    password = "s3cret" if broker_knows else "another"
    with mosquitto.running(tmp_path / "mosquitto", users={"me": password}) as broker:
        url, mqtt, environ = WAYS[way]
        facts = {"port": broker.port, "folder": tmp_path}
        environ = {name: value.format(**facts) for name, value in environ.items()}
        with daemons.running(
            tmp_path / "ewad",
            url.format(**facts),
            STREAM + '[log]\nlevel = "debug"\n',
            mqtt=[line.format(**facts) for line in mqtt],
            environ=environ,
            ready=broker_knows,
        ) as daemon:
            if not broker_knows:
                until(lambda: "not authorized" in daemon.get("/readyz")[1], lambda: daemon.stderr)
            seen = [daemon.get(path)[1] for path in ("/metrics", "/", "/readyz", "/healthz", "/nowhere")]
            seen.append(Path(f"/proc/{daemon.process.pid}/cmdline").read_text())
        for command in (["check"], ["check", "--connect"], ["explain", "site/a/t", "x"]):
            done = ewad(command[0], "-c", daemon.config, *command[1:], **environ)
            assert done.returncode in (0, 1)
            seen += [done.stdout, done.stderr]
        assert "s3cret" not in "".join([*seen, daemon.stderr])
