"""A real mosquitto for tests: its own configuration, its own free loopback port, its own process."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests import components

BINARY = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
READY_SECONDS = 10.0  # an upper bound: it takes some 10 ms


def require_mosquitto() -> str:
    """Return mosquitto's path; without it skip the test, or fail it where CI=true."""
    if BINARY is None:
        components.missing("mosquitto isn't installed")
    return BINARY


# Below those that Linux hands out: no server that asks for any port, and no connection, gets one of these.
# Workers of one run have ports of their own: between a look at a port and its use another could take it.
WORKERS = 8
PORTS = range(20_000, 32_000)[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % WORKERS :: WORKERS]
_places = itertools.count(os.getpid() * 12)  # runs side by side begin apart from each other


def free_port() -> int:
    """Return a loopback port that nothing listens on, each time another."""
    for _ in PORTS:
        port = PORTS[next(_places) % len(PORTS)]
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no free port in {PORTS}")


def accepts(port: int) -> bool:
    """Whether something accepts connections on the loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Mosquitto:
    """One broker. `options` are lines of mosquitto.conf, for the main listener and the whole broker.

    users: name -> password (then nobody else may connect). ca, cert, key: make the main listener a TLS one;
    client_certificates asks clients for one of `ca`. websockets adds a listener, at websocket_port, with the
    same certificates.
    persistence keeps sessions and stored messages over a restart.
    """

    def __init__(
        self,
        directory: Path,
        *,
        users: dict[str, str] | None = None,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
        client_certificates: bool = False,
        websockets: bool = False,
        persistence: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.binary = require_mosquitto()
        self.host, self.port = "127.0.0.1", free_port()
        self.websocket_port = free_port() if websockets else None
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        lines = [f"allow_anonymous {str(not users).lower()}", f"persistence {str(persistence).lower()}"]
        lines += ["user root"] if os.getuid() == 0 else []  # else it drops to a user who can't read tmp_path
        lines += [f"persistence_location {directory}/"] if persistence else []
        lines += [f"password_file {self._write_passwords(users)}"] if users else []
        lines += [f"listener {self.port} 127.0.0.1"]
        files = {"cafile": ca, "certfile": cert, "keyfile": key}
        encryption = [f"{option} {file}" for option, file in files.items() if file]
        encryption += ["require_certificate true"] if client_certificates else []
        lines += [*encryption, *options]
        if websockets:  # 2.0.11 binds websockets to an IPv4 address only if told
            lines += [f"listener {self.websocket_port} 127.0.0.1", "protocol websockets"]
            lines += ["socket_domain ipv4", *encryption]
        self.config = directory / "mosquitto.conf"
        self.config.write_text("\n".join(lines) + "\n")

    def _write_passwords(self, users: dict[str, str]) -> Path:
        file = self.directory / "passwords"
        file.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        file.chmod(0o600)
        subprocess.run([shutil.which("mosquitto_passwd") or "mosquitto_passwd", "-U", file], check=True)
        return file

    def start(self) -> None:
        """Start the broker; on return it accepts connections."""
        with (self.directory / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen([self.binary, "-c", self.config], stdout=log, stderr=log)
        deadline = time.monotonic() + READY_SECONDS
        ports = [port for port in (self.port, self.websocket_port) if port is not None]
        while not all(map(accepts, ports)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"mosquitto didn't start:\n{self.log}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End the broker as an operator does: sessions are saved."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the broker as a crash does."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill the broker and start it again on the same port."""
        self.kill()
        self.start()

    @property
    def log(self) -> str:
        """What the broker has written."""
        return (self.directory / "mosquitto.log").read_text()

    def _end(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(timeout=60)
            self.process = None

    def told(self, topic: str) -> str:
        """Return the topic's stored message, or its next one; topics of $SYS come each `sys_interval`."""
        command = ["mosquitto_sub", "-h", self.host, "-p", str(self.port), "-t", topic, "-C", "1"]
        return subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout

    def publish(
        self, topic: str, *payloads: str, qos: int = 1, retain: bool = False, arguments: Sequence[str] = ()
    ) -> None:
        """Publish one message per payload (without newlines); return when the broker has them.

        At most 60,000 at QoS 1 and 2: mosquitto_pub -l loses the rest when its packet ids begin again.
        """
        command = ["mosquitto_pub", "-h", self.host, "-p", str(self.port), "-t", topic, "-q", str(qos), "-l"]
        command += ["-V", "5", *(["-r"] if retain else []), *arguments]
        subprocess.run(command, input="\n".join(payloads).encode() + b"\n", check=True, timeout=60)


@contextmanager
def running(directory: Path, **settings: object) -> Iterator[Mosquitto]:
    """Yield a started broker; end it afterwards."""
    broker = Mosquitto(directory, **settings)  # type: ignore[arg-type]
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
