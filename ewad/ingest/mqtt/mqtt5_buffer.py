"""Where MQTT 5 packets are taken out of the bytes that have come, and nowhere else."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import mqtt5
import numpy as np
from numpy.typing import NDArray

from ewad.errors import SourceError
from ewad.ingest.mqtt.mqtt5_packets import MAX_PACKET_BYTES, packet_size
from ewad.ingest.mqtt.session import ALIAS_FORBIDDEN, VIOLATION

READ_BYTES = 256 * 1024  # ~8,000 small messages, 10-20 ms of work: /metrics is answered between two reads
FEW = 8  # messages taken in bulk at a time: where there are no more, it is tried less often
MOST_BETWEEN = 64  # packets read between two attempts
PUBLISH = mqtt5.PublishPacket


class Bulk(Protocol):
    """Packets that are taken together."""

    @property
    def n_packets(self) -> int:
        """How many they are."""


Taken = TypeVar("Taken", bound=Bulk)
# (bytes, start, end) -> packets that are taken in bulk, and where they end; None: none can be
TakeBulk = Callable[[NDArray[np.uint8], int, int], tuple[Taken, int] | None]
# bytes -> their first packet, and its size; raises IndexError if it is not whole, ValueError if it is none
Read = Callable[[memoryview], tuple[mqtt5.Packet, int]]
Reason = mqtt5.DisconnectReasonCode


class ProtocolError(SourceError):
    """The broker sent what MQTT 5 forbids. reason: what the DISCONNECT tells it; data: the packet's start."""

    def __init__(
        self, text: str, reason: mqtt5.DisconnectReasonCode = Reason.PROTOCOL_ERROR, data: bytes = b""
    ) -> None:
        super().__init__(VIOLATION % text)
        self.reason = reason
        self.data = data


def _none(data: NDArray[np.uint8], start: int, end: int) -> None:
    return None


class PacketBuffer:
    """The bytes of one connection. Write into `free`, then ask for the packets of what was written."""

    def __init__(self, read: Read = mqtt5.read) -> None:
        """read: takes the first packet of bytes."""
        self._read = read
        self._view = memoryview(bytearray(READ_BYTES))
        self._between = 1  # packets read one by one before the next attempt to take some in bulk
        self._filled = 0  # bytes of the view that hold data: always the start of one incomplete packet

    @property
    def free(self) -> memoryview:
        """Where the next bytes go."""
        return self._view[self._filled :]

    def packets(
        self, nbytes: int, take_bulk: TakeBulk[Taken] = _none
    ) -> Iterator[Taken | list[mqtt5.PublishPacket] | mqtt5.Packet]:
        """Yield the packets that are whole with nbytes more: runs of PUBLISH as lists, others one by one.

        What `take_bulk` takes of them is yielded as it is.
        Raises ProtocolError where the bytes are no packet, once what came before has been yielded.
        """
        end = self._filled + nbytes
        view, read, start = self._view[:end], self._read, 0
        violation: ProtocolError | None = None
        messages: list[mqtt5.PublishPacket] = []
        data, left = np.frombuffer(view, dtype=np.uint8), 0
        while True:
            if not left:
                left = MOST_BETWEEN
                if (found := take_bulk(data, start, end)) is not None:
                    taken, start = found
                    if messages and taken.n_packets:
                        yield messages
                        messages = []
                    if taken.n_packets:
                        yield taken
                    left = self._until_next(taken.n_packets)
            left -= 1
            try:
                packet, size = read(view[start:])
            except IndexError:  # not enough bytes
                break
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # a panic of the codec is not an Exception
                violation = _malformed(error, bytes(view[start : start + 2]))
                break
            start += size
            if type(packet) is PUBLISH:
                if (alias := packet.topic_alias) is not None:
                    violation = ProtocolError(ALIAS_FORBIDDEN % alias, Reason.TOPIC_ALIAS_INVALID)
                    break
                messages.append(packet)
                continue
            if messages:  # keep the order: PUBREL of an id, then a new message under the same id
                yield messages
                messages = []
            yield packet
        if messages:
            yield messages
        if violation is not None:
            raise violation
        self._keep_rest(start, end)

    def _until_next(self, taken: int) -> int:
        """Return how many packets to read one by one now that so many were taken in bulk."""
        self._between = 1 if taken >= FEW else min(2 * self._between, MOST_BETWEEN)
        return self._between

    def _keep_rest(self, used: int, end: int) -> None:
        """Move the incomplete packet to the front of a buffer that has room for the whole of it."""
        rest = self._view[used:end]
        size = packet_size(rest) or 0
        if 0 < size <= len(rest):  # whole, and yet the codec wants more
            raise ProtocolError(
                "malformed packet: a field is longer than its packet", Reason.MALFORMED_PACKET
            )
        if size > MAX_PACKET_BYTES:
            text = f"a packet of {size} bytes, more than the {MAX_PACKET_BYTES} announced"
            raise ProtocolError(text, Reason.PACKET_TOO_LARGE)
        capacity = max(READ_BYTES, size)
        view = self._view if len(self._view) == capacity else memoryview(bytearray(capacity))
        view[: len(rest)] = rest
        self._view, self._filled = view, len(rest)


def _malformed(error: BaseException, data: bytes) -> ProtocolError:
    text = str(error) if isinstance(error, ValueError) else "text that is not UTF-8"
    return ProtocolError(f"malformed packet: {text}", Reason.MALFORMED_PACKET, data)
