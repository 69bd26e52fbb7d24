"""Where MQTT 5 packets are taken out of the bytes that have come, and nowhere else."""

from collections.abc import Iterator

import mqtt5

from ewad.errors import SourceError
from ewad.ingest.mqtt.mqtt5_packets import MAX_PACKET_BYTES, packet_size
from ewad.ingest.mqtt.session import ALIAS_FORBIDDEN, VIOLATION

READ_BYTES = 256 * 1024  # ~8,000 small messages, 10-20 ms of work: /metrics is answered between two reads
PUBLISH = mqtt5.PublishPacket
Reason = mqtt5.DisconnectReasonCode


class ProtocolError(SourceError):
    """The broker sent what MQTT 5 forbids. reason: what the DISCONNECT tells it; data: the packet's start."""

    def __init__(
        self, text: str, reason: mqtt5.DisconnectReasonCode = Reason.PROTOCOL_ERROR, data: bytes = b""
    ) -> None:
        super().__init__(VIOLATION % text)
        self.reason = reason
        self.data = data


class PacketBuffer:
    """The bytes of one connection. Write into `free`, then ask for the packets of what was written."""

    def __init__(self) -> None:
        self._view = memoryview(bytearray(READ_BYTES))
        self._filled = 0  # bytes of the view that hold data: always the start of one incomplete packet

    @property
    def free(self) -> memoryview:
        """Where the next bytes go."""
        return self._view[self._filled :]

    def packets(self, nbytes: int) -> Iterator[list[mqtt5.PublishPacket] | mqtt5.Packet]:
        """Yield the packets that are whole with nbytes more: runs of PUBLISH as lists, others one by one.

        Raises ProtocolError where the bytes are no packet, once what came before has been yielded.
        """
        end = self._filled + nbytes
        view, read, start = self._view[:end], mqtt5.read, 0
        violation: ProtocolError | None = None
        messages: list[mqtt5.PublishPacket] = []
        while True:
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
