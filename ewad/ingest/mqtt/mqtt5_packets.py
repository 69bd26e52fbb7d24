"""What the `mqtt5` codec leaves open: CONNECT's bytes, acknowledgements in bulk, sizes before parsing."""

from collections.abc import Sequence
from math import ceil
from zlib import crc32

import mqtt5
import numpy as np

from ewad.ingest.mqtt.settings import ConnectionSettings, Subscription

MAX_PACKET_BYTES = 16 * 1024 * 1024  # announced to the broker; it must not send a larger one
PUBACK, PUBREC, PUBCOMP = 0x40, 0x50, 0x70  # first bytes (MQTT 5, table 2-1)
# Messages in flight at QoS 2: mosquitto 2.0 searches its list of them for each PUBREC and PUBCOMP; at 65535
# it forwards 2,000 messages/s with a core fully busy, at 1024 7,000.
EXACTLY_ONCE_RECEIVE_MAXIMUM = 1024
LARGEST_SUBSCRIPTION_ID = 268_435_455  # MQTT 5, 3.8.2.1.2
# Messages in flight at QoS 1. Said explicitly it overrides mosquitto's max_inflight_messages of 20. Far fewer
# than there are packet ids: mosquitto 2.0 numbers in turn and does not ask whether a number is still in use,
# so that near 65535 messages with the same id are in flight, and repetitions can't be told from new ones.
RECEIVE_MAXIMUM = 16_384


def connect(settings: ConnectionSettings) -> bytes:
    """Return the CONNECT packet of these settings."""
    expiry = min(ceil(settings.session_expiry_seconds), 0xFFFFFFFF)  # the largest one means "never"
    packet = mqtt5.ConnectPacket(
        settings.client_id,
        username=settings.username,
        password=None if settings.password is None else settings.password.reveal().encode(),
        clean_start=expiry == 0,
        keep_alive=settings.keep_alive_seconds,
        session_expiry_interval=expiry,
        max_packet_size=MAX_PACKET_BYTES,
        receive_max=EXACTLY_ONCE_RECEIVE_MAXIMUM if settings.qos == 2 else RECEIVE_MAXIMUM,
    )
    return packet.write()


def subscribe(packet_id: int, subscription: Subscription, qos: int, *, identified: bool) -> bytes:
    """Return the SUBSCRIBE packet. retain=1 on a delivery then always means a stored message.

    identified: deliveries carry the filter's subscription_id.
    """
    handling = {
        # Only when the subscription is new: a reconnection doesn't bring old values back as if they were new.
        "use": mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
        "ignore": mqtt5.RetainHandling.SEND_NEVER,
    }
    topic_filter = mqtt5.TopicFilter(
        subscription.filter,
        max_qos=mqtt5.QoS(qos),
        retain_as_published=False,
        retain_handling=handling[subscription.retained],
    )
    number = subscription_id(subscription.filter) if identified else None
    return mqtt5.SubscribePacket(packet_id, [topic_filter], subscription_id=number).write()


def subscription_id(topic_filter: str) -> int:
    """Return the filter's number, the same in every process: later ones know whose a delivery is."""
    return crc32(topic_filter.encode()) % LARGEST_SUBSCRIPTION_ID + 1


def acknowledgements(first_byte: int, tags: Sequence[int]) -> bytes:
    """Return a four-byte acknowledgement (success) per tag, joined; 50 times as fast as `.write()`.

    tags: the packet id is in the lowest 16 bits of each.
    """
    packets = np.empty((len(tags), 2), dtype=">u2")
    packets[:, 0] = first_byte << 8 | 2  # two bytes follow
    packets[:, 1] = np.asarray(tags, dtype=np.uint64)  # of which 16 bits are kept
    return packets.tobytes()


def packet_size(view: memoryview) -> int | None:
    """Return the size in bytes of the packet that starts the view, None while its header isn't complete.

    Raises ValueError for a length that is none.
    """
    try:
        length, start = read_varint(view, 1)
    except IndexError:
        return None
    return start + length


def read_varint(view: memoryview, offset: int) -> tuple[int, int]:
    """Return the variable byte integer at offset and the offset after it.

    Raises IndexError if it is incomplete, ValueError if it is too long.
    """
    value = 0
    for position in range(4):
        byte = view[offset + position]
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value, offset + position + 1
    raise ValueError("variable byte integer longer than four bytes")
