"""A publisher of numbered samples that loses nothing, and what an engine makes of them."""

import math
import socket
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import BinaryIO

import numpy as np

from ewad.engine import Batch, Engine

TOPICS = 50
SAME_TOPICS = 2000  # so many that what is lost and what is doubled hardly meet on one
START = 1.7e9  # time of the first sample, Unix seconds; the others follow by a second each
BURST = 20  # mosquitto hangs up on a publisher that has more in flight at QoS 2 (max_inflight_messages)
PAUSE_SECONDS = 0.008  # about 2,000 messages a second
PUBACK, PUBREC, PUBREL, PUBCOMP = 0x40, 0x50, 0x62, 0x70


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


def same(number: int) -> tuple[str, bytes]:
    """Return topic and payload of the number-th message where payloads are all the same."""
    return f"same/{number % SAME_TOPICS:04d}/value", b"1"


class NumberedPublisher:
    """Publishes samples 0, 1, 2, ... in their order, in a thread, until the block ends; `sent`: how many.

    The broker has acknowledged each burst before the next. qos: 1 or 2.  message: topic and payload of a
    number.  login: name and password.
    """

    def __init__(
        self,
        port: int,
        qos: int = 1,
        *,
        message: Callable[[int], tuple[str, bytes]] = lambda number: (topic(number), payload(number)),
        pause_seconds: float = PAUSE_SECONDS,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.sent = 0
        self._port = port
        self._qos = qos
        self._message = message
        self._pause_seconds = pause_seconds
        self._login = login
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
        if self._fault is not None:
            raise self._fault from error

    def _run(self) -> None:
        try:
            self._publish()
        except BaseException as error:
            self._fault = error

    def _publish(self) -> None:
        with (
            socket.create_connection(("127.0.0.1", self._port), timeout=60) as connection,
            connection.makefile("rwb") as stream,
        ):
            _exchange(stream, self._connect(), b"\x20\x02\x00\x00")
            while not self._ending.is_set():
                burst = range(self.sent, self.sent + BURST)
                messages = b"".join(self._packet(number) for number in burst)
                if self._qos == 1:
                    _exchange(stream, messages, _answers(PUBACK, burst))
                else:
                    _exchange(stream, messages, _answers(PUBREC, burst))
                    _exchange(stream, _answers(PUBREL, burst), _answers(PUBCOMP, burst))
                self.sent = burst.stop
                time.sleep(self._pause_seconds)  # the pace of the load, nothing waits for it

    def _connect(self) -> bytes:
        """Return CONNECT of MQTT 3.1.1 with a clean session and a keep-alive, which rumqttd wants."""
        texts, flags = ["numbered", *(self._login or ())], 0xC2 if self._login else 0x02
        fields = b"".join(len(text).to_bytes(2, "big") + text.encode() for text in texts)
        body = b"\x00\x04MQTT\x04" + bytes([flags]) + (3600).to_bytes(2, "big") + fields
        return bytes([0x10, len(body)]) + body

    def _packet(self, number: int) -> bytes:
        name, data = self._message(number)
        body = len(name).to_bytes(2, "big") + name.encode() + _packet_id(number) + data
        return bytes([0x30 | self._qos << 1, len(body)]) + body


def _exchange(stream: BinaryIO, sent: bytes, expected: bytes) -> None:
    """Send packets and read the answers. Raises AssertionError if they are others."""
    stream.write(sent)
    stream.flush()
    assert (got := stream.read(len(expected))) == expected, f"expected {expected!r}, got {got!r}"


def _answers(first_byte: int, numbers: Iterable[int]) -> bytes:
    return b"".join(bytes([first_byte, 2]) + _packet_id(number) for number in numbers)


def _packet_id(number: int) -> bytes:
    return (number % 60_000 + 1).to_bytes(2, "big")


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
