"""A record: samples of one block and one shard as they were taken in by one commit, as columns."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from ewad.engine.streams import Labels
from ewad.errors import StateError
from ewad.kernels.memory import Floats

MAGIC, VERSION = b"EWR", 1
_HEAD = struct.Struct("<3sBI")
STREAMS, NUMBERS = np.dtype("<u4"), np.dtype("<f8")
LIVE, RETAINED, RETAINED_WITH_TIME = range(3)  # how a sample came; with a time of its own in the payload
NO_FLAGS = np.empty(0, dtype=np.uint8)
ORIGINS = np.dtype("<i4")
ALL_SAMPLES = np.empty(0, dtype=ORIGINS)


class _Fields(msgspec.Struct, frozen=True, array_like=True):
    """What the bytes hold behind their head, as MessagePack; later versions add to its end."""

    shard: int
    shards: int
    block: str
    arrival: float | None
    names: list[str]
    labels: bytes  # of each name, decoded only where a stream is new
    stream: bytes
    time: bytes
    value: bytes
    flags: bytes
    tick: float | None
    moved: tuple[float, float] | None
    ended: list[str] = []
    origin: bytes = b""


@dataclass(frozen=True, slots=True)
class Record:
    """Samples of one block, then what time does to the shard. It names its streams: it can be read alone.

    shard, shards: which one of how many.  arrival: Unix seconds.  labels: MessagePack, see `labels_of`.
    stream: (n,) the index of each sample's stream in names.  time: (n,) Unix seconds.  value: (n,), scaled.
    flags: (n,) LIVE, RETAINED or RETAINED_WITH_TIME; empty: all are live.
    origin: (n,) where each comes from, see `Batch`; empty: all are samples.
    tick: after the samples, forget what is silent for too long by this time, Unix seconds.
    moved: after all else, the arguments of `Engine.move_times`.
    ended: right after the samples, streams of the block whose sender is gone, at the time of arrival.
    """

    shard: int
    shards: int
    block: str = ""
    arrival: float | None = None
    names: list[str] = field(default_factory=list)
    labels: bytes = b""
    stream: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, STREAMS))
    time: Floats = field(default_factory=lambda: np.empty(0, NUMBERS))
    value: Floats = field(default_factory=lambda: np.empty(0, NUMBERS))
    flags: NDArray[np.uint8] = field(default_factory=lambda: NO_FLAGS)
    tick: float | None = None
    moved: tuple[float, float] | None = None
    ended: list[str] = field(default_factory=list)
    origin: NDArray[np.int32] = field(default_factory=lambda: ALL_SAMPLES)

    def __len__(self) -> int:
        return len(self.stream)

    def labels_of(self) -> list[Labels]:
        """Return the labels of each stream that the record names."""
        return msgspec.msgpack.decode(self.labels, type=list[Labels])

    def encode(self) -> bytes:
        """Return the record as bytes, with a version and a checksum."""
        body = msgspec.msgpack.encode(
            _Fields(
                self.shard,
                self.shards,
                self.block,
                self.arrival,
                self.names,
                self.labels,
                _bytes(self.stream, STREAMS),
                _bytes(self.time, NUMBERS),
                _bytes(self.value, NUMBERS),
                self.flags.tobytes(),
                self.tick,
                self.moved,
                self.ended,
                _bytes(self.origin, ORIGINS),
            )
        )
        return _HEAD.pack(MAGIC, VERSION, crc32(body)) + body

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """Return the record that `encode` gave. Raises StateError for other bytes."""
        if len(data) < _HEAD.size or (head := _HEAD.unpack_from(data))[0] != MAGIC:
            raise StateError(f"record: expected one of ewad's, got {len(data)} other bytes")
        if head[1] > VERSION:
            raise StateError(f"record: expected version {VERSION} at most, got {head[1]}: update ewad")
        body = memoryview(data)[_HEAD.size :]
        if crc32(body) != head[2]:
            raise StateError(f"record: expected the checksum {head[2]:08x}, got {crc32(body):08x}: damaged")
        try:
            found = msgspec.msgpack.decode(body, type=_Fields)
        except msgspec.MsgspecError as error:
            raise StateError(f"record: expected its fields, got {error}") from error
        values: dict[str, Any] = {name: getattr(found, name) for name in found.__struct_fields__}
        values["stream"] = np.frombuffer(found.stream, STREAMS)
        values["time"], values["value"] = (np.frombuffer(x, NUMBERS) for x in (found.time, found.value))
        values["flags"] = np.frombuffer(found.flags, np.uint8)
        values["origin"] = np.frombuffer(found.origin, ORIGINS)
        return cls(**values)

    def cut(self, start: int, end: int) -> Record:
        """Return the record of the samples from start up to end; the last has what comes after, too."""
        part = slice(start, end)
        columns: dict[str, Any] = {
            name: getattr(self, name)[part] for name in ("time", "value", "flags", "origin")
        }
        named, stream = np.unique(self.stream[part], return_inverse=True)
        columns["stream"] = stream.astype(STREAMS)
        columns["names"] = [self.names[at] for at in named.tolist()]
        labels = msgspec.msgpack.decode(self.labels, type=list[msgspec.Raw])
        columns["labels"] = msgspec.msgpack.encode([labels[at] for at in named.tolist()])
        last: dict[str, Any] = {} if end >= len(self) else {"tick": None, "moved": None, "ended": []}
        return replace(self, **columns, **last)


class _Whose(msgspec.Struct, frozen=True, array_like=True):
    """The first of a record's fields."""

    shard: int


def shard_of_record(data: bytes) -> int:
    """Return the shard of an encoded record. Raises StateError as `Record.decode` does, if it is another."""
    if not data.startswith(MAGIC):
        raise StateError(f"record: expected one of ewad's, got {len(data)} other bytes")
    return msgspec.msgpack.decode(memoryview(data)[_HEAD.size :], type=_Whose).shard


def encoded_labels(labels: list[Labels]) -> bytes:
    """Return labels as a record has them."""
    return msgspec.msgpack.encode(labels)


def _bytes(array: NDArray[Any], dtype: np.dtype[Any]) -> bytes:
    return np.ascontiguousarray(array, dtype=dtype).tobytes()
