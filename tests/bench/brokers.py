"""A broker under load: mosquitto, a publisher that costs next to nothing, and CPU times of processes."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
N_TOPICS = 1000


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that the process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mib(pid: int) -> float:
    """Return the resident memory of the process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find(*names: str) -> str | None:
    """Return the path of the first of these programs that is installed."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


class Broker:
    """A mosquitto of our own that queues rather than drops, and logs who subscribes."""

    def __init__(self, directory: Path, max_queued: int = 5_000_000) -> None:
        program = find("mosquitto")
        if program is None:
            raise SystemExit("mosquitto is not installed: apt-get install mosquitto")
        self.port = free_port()
        self._log = directory / "mosquitto.log"
        config = directory / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            f"max_queued_messages {max_queued}\nlog_type subscribe\nlog_dest file {self._log}\n"
            + ("user root\n" if os.getuid() == 0 else "")
        )
        self._log.touch()
        self.process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", self.port)) != 0:
            if time.monotonic() > deadline:
                raise SystemExit("mosquitto did not start")
            time.sleep(0.02)

    def wait_for_subscriber(self, n: int = 1) -> None:
        """Return when n subscriptions have been made."""
        deadline = time.monotonic() + 20
        while sum(" 0 " in line or " 1 " in line for line in self._subscriptions()) < n:
            if time.monotonic() > deadline:
                raise SystemExit("nobody subscribed")
            time.sleep(0.02)

    def _subscriptions(self) -> list[str]:
        return [line for line in self._log.read_text().splitlines() if "bench/" in line]

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


def publish(port: int, qos: int, n: int, topics: int = N_TOPICS, window: int = 2000) -> float:
    """Publish n plain numbers to so many topics at the broker's full speed; return the seconds it took.

    Prepared bytes go out in large writes, so that the publisher does not take the CPU from who is measured.
    At QoS 1 at most `window` messages are in flight.
    """
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    name = b"publisher"
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name
    connection.sendall(b"\x10" + bytes([len(body)]) + body)
    if len(connection.recv(4)) != 4:
        raise SystemExit("publisher: no CONNACK")
    started = time.perf_counter()
    packets = []
    for i in range(topics):
        topic = f"bench/{i:06d}/temperature".encode()
        payload = f"{20 + (i % 97) / 10:.2f}".encode()
        identifier = (i % 60_000 + 1).to_bytes(2, "big") if qos else b""
        rest = len(topic).to_bytes(2, "big") + topic + identifier + payload
        packets.append(bytes([0x30 | qos << 1, len(rest)]) + rest)
    step = 500
    blocks = [b"".join(packets[i : i + step]) for i in range(0, topics, step)]
    sent = acknowledged = 0
    while sent < n:
        connection.sendall(blocks[sent // step % len(blocks)])
        sent += step
        while qos and sent - acknowledged > window - step:
            acknowledged += len(connection.recv(1 << 16)) / 4
    while qos and acknowledged < sent:
        if not select.select([connection], [], [], 10)[0]:
            raise SystemExit("publisher: acknowledgements are missing")
        acknowledged += len(connection.recv(1 << 16)) / 4
    connection.sendall(b"\xe0\x00")
    connection.close()
    return time.perf_counter() - started


@dataclass(frozen=True)
class Load:
    """What a load cost: CPU seconds of the subscriber and of the broker; and what got lost, if known."""

    messages: int
    subscriber: float
    broker: float
    seconds: float
    rss_mib: float
    lost: int | None


def under_load(
    command: Sequence[str], broker: Broker, qos: int, n: int, warmup: int, lost: Callable[[], int] | None
) -> Load:
    """Start a subscriber, publish warmup + n messages; return what the last n cost once all are handled."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        broker.wait_for_subscriber()
        _publish_aside(broker.port, qos, warmup)
        _until_idle(process.pid, broker.process.pid)
        before = cpu_seconds(process.pid), cpu_seconds(broker.process.pid)
        started = time.perf_counter()
        _publish_aside(broker.port, qos, n)
        idle_at = _until_idle(process.pid, broker.process.pid)
        spent = cpu_seconds(process.pid) - before[0], cpu_seconds(broker.process.pid) - before[1]
        return Load(n, *spent, idle_at - started, rss_mib(process.pid), lost() if lost else None)
    finally:
        process.terminate()
        process.wait()


def _publish_aside(port: int, qos: int, n: int) -> None:
    subprocess.run([sys.executable, "-m", "tests.bench.brokers", str(port), str(qos), str(n)], check=True)


def _until_idle(*pids: int) -> float:
    """Return when the processes came to rest: no more than a few per cent of a core over half a second."""
    while True:
        before = sum(map(cpu_seconds, pids))
        since = time.perf_counter()
        time.sleep(0.5)
        if sum(map(cpu_seconds, pids)) - before <= 0.03:
            return since


if __name__ == "__main__":
    publish(*(int(argument) for argument in sys.argv[1:]))
