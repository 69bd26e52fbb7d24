"""A shard in the state store of a stream engine: a snapshot, the records since, and an engine at hand.

The store commits with the engine's own batch. The engine at hand saves reading it back, and counts only where
it stands at exactly what the store holds: after a kill or a retry it is made anew. Where another worker had
the shard meanwhile, it catches up: before each batch the journal has a mark, the digest of all records so
far.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from ewad.engine import EngineSettings
from ewad.scale.record import Record
from ewad.scale.shard import Rows, Shard, all_rows, merged

# A snapshot is written when the records since weigh as much as the one before, and at least so much: what is
# written is at most twice what came, and what is read back at most twice the state.
LEAST_JOURNAL_BYTES = 1 << 20
MOST_AT_HAND = 64  # engines kept by one process
DIGEST_BYTES = 16  # of a mark, at most; records have more


class At(NamedTuple):
    """Where a shard stands. chain: a digest of all its records; bytes: of the snapshot and the journal."""

    chain: bytes
    snapshot_bytes: int = 0
    journal_bytes: int = 0


class ShardStore(Protocol):
    """What a stream engine keeps of one shard, and commits with its batch."""

    def at(self) -> At | None:
        """Return where the shard stands, None of a new one."""

    def put_at(self, at: At) -> None:
        """Say where it stands."""

    def snapshot(self) -> bytes:
        """Return the last snapshot; b"" if there is none."""

    def put_snapshot(self, dump: bytes) -> None:
        """Replace the snapshot, and begin an empty journal."""

    def journal(self) -> Iterable[bytes]:
        """Return the marks and records since the snapshot, in order."""

    def append(self, entries: Sequence[bytes]) -> None:
        """Add marks and records to the journal."""


class AtHand:
    """The engines of one process, the last ones used, by their shard."""

    def __init__(self, most: int = MOST_AT_HAND) -> None:
        self._most = most
        self._held: OrderedDict[tuple[str, int], tuple[bytes, Shard]] = OrderedDict()

    def take(self, key: tuple[str, int]) -> tuple[bytes, Shard] | None:
        """Return where the engine of a shard stands, and the engine, and hold it no longer."""
        return self._held.pop(key, None)

    def put(self, key: tuple[str, int], chain: bytes, shard: Shard) -> None:
        """Hold an engine that stands there; the one that was used least recently may go."""
        self._held[key] = chain, shard
        while len(self._held) > self._most:
            self._held.popitem(last=False)


class Applied(NamedTuple):
    """What became of records. changed: all rows of a shard that was read back: sinks may have lost theirs."""

    shard: Shard
    changed: Rows


def apply(
    settings: EngineSettings,
    store: ShardStore,
    records: Sequence[bytes],
    at_hand: AtHand,
    key: tuple[str, int],
) -> Applied:
    """Take in the next records of a shard and keep it. key: what tells it from all other shards.

    Raises StateError if what the store holds is of other settings, or a record is damaged.
    """
    at = store.at() or At(b"")
    shard, changed = _caught_up(store, at.chain, at_hand.take(key)), list[Rows]()
    if shard is None:
        shard = _read_back(settings, store)
        changed.append(all_rows(shard.engine))
    chain = hashlib.blake2b(at.chain, digest_size=DIGEST_BYTES)
    for data in records:
        chain.update(data)
        changed.append(shard.apply(Record.decode(data)))
    written = at.journal_bytes + sum(map(len, records))
    if written > max(LEAST_JOURNAL_BYTES, at.snapshot_bytes):
        dump = shard.dump()
        store.put_snapshot(dump)
        at = At(chain.digest(), len(dump))
    else:
        store.append([at.chain, *records])
        at = At(chain.digest(), at.snapshot_bytes, written)
    store.put_at(at)
    at_hand.put(key, at.chain, shard)
    return Applied(shard, merged(*changed))


def replay(shard: Shard, journal: Iterable[bytes]) -> Shard:
    """Apply the records of a journal to a shard, and return it. Raises StateError if one is damaged."""
    for data in journal:
        if len(data) > DIGEST_BYTES:
            shard.apply(Record.decode(data))
    return shard


def _read_back(settings: EngineSettings, store: ShardStore) -> Shard:
    return replay(Shard(settings, store.snapshot() or None), store.journal())


def _caught_up(store: ShardStore, chain: bytes, held: tuple[bytes, Shard] | None) -> Shard | None:
    """Return the engine at hand once it stands where the store does; None if it can't come there."""
    if held is None:
        return None
    stands, shard = held
    if stands == chain:
        return shard
    journal = iter(store.journal())
    return replay(shard, journal) if stands in journal else None  # `in` leaves what comes behind the mark
