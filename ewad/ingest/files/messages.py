"""Recorded messages, and how those of any order come in order of time in little memory."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np

PIECE_MESSAGES = 4096


class RecordedMessage(NamedTuple):
    """A recorded message of a file with the columns time, topic, payload."""

    time: float
    topic: str
    payload: bytes
    retain: bool = False


def messages_in_order(pieces: Iterable[list[RecordedMessage]]) -> Iterator[list[RecordedMessage]]:
    """Yield the messages in order of time; those of one time as they came.

    They wait in a temporary file; 16 bytes of each stay in memory.
    """
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.msgpack.Decoder(RecordedMessage).decode
    times: list[np.ndarray] = []
    ends: list[np.ndarray] = []
    with tempfile.TemporaryFile(prefix="ewad-sort-") as file:
        for piece in pieces:
            encoded = [encode(message) for message in piece]
            start = file.tell()
            file.write(b"".join(encoded))
            times.append(np.array([message.time for message in piece]))
            ends.append(start + np.cumsum([len(each) for each in encoded], dtype=np.int64))
        time, end = np.concatenate([np.zeros(0), *times]), np.concatenate([np.zeros(1, np.int64), *ends])
        if not len(time):
            return
        file.flush()
        order = np.argsort(time, kind="stable").tolist()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as kept:
            for first in range(0, len(order), PIECE_MESSAGES):
                some = order[first : first + PIECE_MESSAGES]
                yield [decode(kept[end[index] : end[index + 1]]) for index in some]
