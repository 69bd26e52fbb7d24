"""Protocol Buffers on the wire: numbered fields. A message of few fields needs no more than this.

Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ewad.errors import DecodeError
from ewad.kernels.sparkplug import decimal

_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5


def fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (number, value) of each field: an int, or the bytes of what is longer. Raises DecodeError."""
    place, end = 0, len(content)
    while place < end:
        tag = content[place]  # mostly of one byte
        tag, place = (tag, place + 1) if tag < 0x80 else _varint(content, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = _varint(content, place)
            yield tag >> 3, value
            continue
        if kind == _LENGTH:
            size, place = _varint(content, place)
        elif kind in (_EIGHT, _FOUR):
            size = 8 if kind == _EIGHT else 4
        else:
            raise _invalid(f"a field of the unknown kind {kind}")
        if size > end - place:
            raise _invalid("a field that ends behind its message")
        yield tag >> 3, content[place : place + size]
        place += size


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Return the number that begins at a place, and where it ends."""
    value = shift = 0
    while True:
        if place >= len(content) or shift > 63:
            raise _invalid("a number without an end")
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, place
        shift += 7


def encoded(number: int, value: int | bytes) -> bytes:
    """Return a field as it is on the wire. value: not negative, or the bytes of what is longer."""
    if isinstance(value, bytes):
        return _encoded_varint(number << 3 | _LENGTH) + _encoded_varint(len(value)) + value
    return _encoded_varint(number << 3 | _VARINT) + _encoded_varint(value)


def _encoded_varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def signed(value: int, bits: int) -> int:
    """Return the signed integer that the lowest bits are, in two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def double(content: bytes) -> float:
    """Return the float of eight bytes."""
    return float(_DOUBLE.unpack(content)[0])


def float32(content: bytes) -> float:
    """Return the decimal that is stored as these four bytes: 21.4, not 21.39999962."""
    return decimal(float(_FLOAT.unpack(content)[0]))


def _invalid(what: str) -> DecodeError:
    return DecodeError("invalid_payload", f"expected Protocol Buffers, got {what}")
