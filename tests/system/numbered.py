"""A publisher of numbered samples at QoS 1 that loses nothing, and what an engine makes of them."""

import math
import select
import socket
import threading
import time
from types import TracebackType

import numpy as np

from ewad.engine import Batch, Engine

TOPICS = 50
START = 1.7e9  # time of the first sample, Unix seconds; the others follow by a second each
BURST, PAUSE_SECONDS = 50, 0.02  # about 2,500 messages a second


def topic(number: int) -> str:
    """Return the topic of the number-th sample."""
    return f"plant/{number % TOPICS:02d}/value"


def sample(number: int) -> tuple[float, float]:
    """Return time and value of the number-th sample: a walk of its own for each topic."""
    turn = number // TOPICS
    return START + number, round(20 + 5 * math.sin(turn / 7 + number % TOPICS) + number % 1000 / 1e6, 6)


def payload(number: int) -> bytes:
    """Return the number-th sample as JSON."""
    return b'{"ts":%r,"v":%r}' % sample(number)


class NumberedPublisher:
    """Publishes samples 0, 1, 2, ... in their order, in a thread, until the block ends; `sent`: how many.

    At the end all of them have been acknowledged by the broker.
    """

    def __init__(self, port: int) -> None:
        self.sent = 0
        self._port = port
        self._acknowledged = 0
        self._ending = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="publisher")

    def __enter__(self) -> "NumberedPublisher":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType
    ) -> None:
        self._ending.set()
        self._thread.join()
        if self._fault is not None and error is None:
            raise self._fault

    def _run(self) -> None:
        try:
            self._publish()
        except BaseException as error:
            self._fault = error

    def _publish(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=60) as connection:
            connection.sendall(b"\x10\x14\x00\x04MQTT\x04\x02\x00\x00\x00\x08numbered")
            assert connection.recv(4) == b"\x20\x02\x00\x00"
            while not self._ending.is_set():
                burst = range(self.sent, self.sent + BURST)
                connection.sendall(b"".join(map(_packet, burst)))
                self.sent = burst.stop
                self._count_acknowledgements(connection, 0)
                time.sleep(PAUSE_SECONDS)  # the pace of the load, nothing waits for it
            while self._acknowledged < 4 * self.sent:
                assert self._count_acknowledgements(connection, 60), "acknowledgements are missing"

    def _count_acknowledgements(self, connection: socket.socket, seconds: float) -> int:
        if not select.select([connection], [], [], seconds)[0]:
            return 0
        got = len(connection.recv(1 << 16))
        self._acknowledged += got
        return got


def _packet(number: int) -> bytes:
    name, data = topic(number).encode(), payload(number)
    packet_id = number % 60_000 + 1
    body = len(name).to_bytes(2, "big") + name + packet_id.to_bytes(2, "big") + data
    return bytes([0x32, len(body)]) + body


def undisturbed(engine: Engine, samples: int, size: int = 1000) -> Engine:
    """Let an engine of one group observe the first samples in their order."""
    for start in range(0, samples, size):
        numbers = range(start, min(start + size, samples))
        rows = [engine.add_stream(0, topic(number), _labels(number)) for number in numbers]
        time, value = np.array([sample(number) for number in numbers]).T
        engine.observe(Batch(0, np.array(rows, dtype=np.int32), time, value))
    return engine


def _labels(number: int) -> tuple[tuple[str, str], ...]:
    return (("sensor", topic(number).split("/")[1]),)
