"""Kill the daemon again and again with each broker: what is lost, what is doubled?

Run: python -m tests.system.brokers [--kills 30] [part of a name ...]. Prints a table in Markdown.
A broker that is not installed is left out with the reason.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.system import mosquitto
from tests.system.mosquitto import accepts, free_port
from tests.system.own_broker import serving

START_SECONDS = 60.0  # an upper bound; ejabberd takes 2 to 5 s


class MissingError(Exception):
    """The broker is not installed."""


@dataclass(frozen=True)
class Place:
    """Where a broker that runs is found. mqtt: further lines of [mqtt]; login: of the publisher."""

    port: int
    publish_port: int
    version: str
    mqtt: tuple[str, ...] = ()
    login: tuple[str, str] | None = None


@dataclass(frozen=True)
class Kind:
    """A broker to be tried. pause_seconds: of the publisher after 20 messages."""

    run: Callable[[Path], AbstractContextManager[Place]]
    mqtt_version: str = "5"
    pause_seconds: float = 0.008
    options: tuple[str, ...] = field(default=())


@contextmanager
def a_mosquitto(directory: Path, *options: str) -> Iterator[Place]:
    """Run mosquitto with further options."""
    if mosquitto.BINARY is None:
        raise MissingError("apt-get install mosquitto")
    told = subprocess.run([mosquitto.BINARY, "-h"], capture_output=True, text=True).stdout.split()
    with mosquitto.running(directory, options=["max_queued_messages 0", *options]) as broker:
        yield Place(broker.port, broker.port, told[2])


@contextmanager
def an_own_one(_: Path, numbering: str, window: int, *, marks: bool) -> Iterator[Place]:
    """Run the model broker of the simulation."""
    with serving(numbering, window, marks=marks) as server:
        yield Place(server.port, server.port, "")


EJABBERD = """
hosts: ["localhost"]
loglevel: warning
auth_method: [anonymous]
anonymous_protocol: login_anon
allow_multiple_connections: true
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: mod_mqtt
modules:
  mod_mqtt:
    max_queue: infinity
"""


@contextmanager
def an_ejabberd(directory: Path) -> Iterator[Place]:
    """Run ejabberd with nothing but MQTT."""
    erl, libraries = shutil.which("erl"), sorted(Path("/usr/lib").glob("*/ejabberd-*/ebin"))
    if erl is None or not libraries:
        raise MissingError("apt-get install ejabberd")
    port, settings = free_port(), directory / "ejabberd.yml"
    settings.write_text(EJABBERD.format(port=port))
    environ = {
        **os.environ,
        "HOME": str(directory),
        "ERL_LIBS": str(libraries[0].parents[1]),
        "EJABBERD_CONFIG_PATH": str(settings),
        "EJABBERD_LOG_PATH": str(directory / "ejabberd.log"),
    }
    command = [erl, "-noinput", "-mnesia", "dir", f'"{directory}/spool"', "-s", "ejabberd"]
    login = ("publisher@localhost", "x")
    secret = directory / "password"
    secret.write_text("x")
    secret.chmod(0o600)
    lines = ('username = "ewad@localhost"', f'password_file = "{secret}"')
    told = libraries[-1].parent.name.removeprefix("ejabberd-").partition("-")[0]
    with _process(command, directory, environ, port):
        yield Place(port, port, told, lines, login)


RUMQTTD = """
id = 0
[router]
id = 0
max_connections = 64
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.subscriber]
name = "subscriber"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.subscriber.connections]
connection_timeout_ms = 5000
max_payload_size = 262144
max_inflight_count = 1000
dynamic_filters = true
[v4.publisher]
name = "publisher"
listen = "127.0.0.1:{publish_port}"
next_connection_delay_ms = 1
[v4.publisher.connections]
connection_timeout_ms = 5000
max_payload_size = 262144
max_inflight_count = 1000
dynamic_filters = true
"""


@contextmanager
def a_rumqttd(directory: Path) -> Iterator[Place]:
    """Run rumqttd as iotcore packages it."""
    try:
        told = version("iotcore")
    except PackageNotFoundError as error:
        raise MissingError("pip install iotcore") from error
    port, publish_port, settings = free_port(), free_port(), directory / "rumqttd.toml"
    settings.write_text(RUMQTTD.format(port=port, publish_port=publish_port))
    program = f"from iotcore import IotCoreBroker; IotCoreBroker(config_path={str(settings)!r}).run_forever()"
    with _process([sys.executable, "-c", program], directory, dict(os.environ), port, publish_port):
        yield Place(port, publish_port, f"iotcore {told}")


AEDES = """
const { Aedes } = require('aedes');
Aedes.createBroker().then(broker => require('net').createServer(broker.handle).listen(%d, '127.0.0.1'));
"""


@contextmanager
def an_aedes(directory: Path) -> Iterator[Place]:
    """Run aedes, installed in the folder that $AEDES names: npm install --prefix FOLDER aedes."""
    node, folder = shutil.which("node"), os.environ.get("AEDES")
    if node is None or folder is None:
        raise MissingError("npm install --prefix FOLDER aedes, and AEDES=FOLDER in the environment")
    modules = Path(folder) / "node_modules"
    told = json.loads((modules / "aedes/package.json").read_text())["version"]
    port = free_port()
    environ = {**os.environ, "NODE_PATH": str(modules)}
    with _process([node, "-e", AEDES % port], directory, environ, port):
        yield Place(port, port, told)


@contextmanager
def _process(command: list[str], directory: Path, environ: dict[str, str], *ports: int) -> Iterator[None]:
    """Run a program until the block ends; it is up when it accepts connections."""
    with (directory / "broker.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not all(map(accepts, ports)):
            told = (directory / "broker.log").read_text(errors="replace")
            assert process.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


KINDS: dict[str, Kind] = {
    "mosquitto": Kind(a_mosquitto),
    "mosquitto, MQTT 3.1.1": Kind(a_mosquitto, mqtt_version="3.1.1"),
    "mosquitto, window 65535": Kind(lambda at: a_mosquitto(at, "max_inflight_messages 65535")),
    "own, lowest free identifier, window 20": Kind(lambda at: an_own_one(at, "lowest", 20, marks=True)),
    "own, lowest free identifier, window 1, no DUP": Kind(
        lambda at: an_own_one(at, "lowest", 1, marks=False), pause_seconds=0.15
    ),
    "own, random identifiers, no DUP": Kind(lambda at: an_own_one(at, "random", 1000, marks=False)),
    "own, identifiers in turn, no DUP": Kind(lambda at: an_own_one(at, "in turn", 65535, marks=False)),
    "ejabberd": Kind(an_ejabberd, pause_seconds=0.15),
    "ejabberd, MQTT 3.1.1": Kind(an_ejabberd, mqtt_version="3.1.1", pause_seconds=0.15),
    "rumqttd": Kind(a_rumqttd),
    "aedes, MQTT 3.1.1": Kind(an_aedes, mqtt_version="3.1.1"),
}


def main() -> int:
    """Print the table; return 1 if anything was lost or doubled."""
    from tests.system.kills import count

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of brokers' names; all without any")
    parser.add_argument("--kills", type=int, default=30)
    options = parser.parse_args()
    print(
        "| broker | version | messages | kills | sent again | lost | doubled |\n|---|---|---|---|---|---|---|"
    )
    wrong = 0
    for name, kind in KINDS.items():
        if options.names and not any(part in name for part in options.names):
            continue
        with tempfile.TemporaryDirectory(prefix="ewad-brokers-") as directory:
            try:
                row = count(Path(directory), kind, options.kills, seed=7)
            except MissingError as reason:
                print(f"| {name} | not installed: {reason} | | | | | |", flush=True)
                continue
        wrong += row.lost + row.doubled
        cells = (name, row.version, row.messages, row.kills, row.recognised, row.lost, row.doubled)
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
