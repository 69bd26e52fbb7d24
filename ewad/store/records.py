"""What the state file holds, as bytes: MessagePack of plain fields and columns, never pickle."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ewad.engine import Batch, Ending, Engine, Forgotten
from ewad.engine.refusals import KEY
from ewad.errors import StateError
from ewad.ingest.mqtt.deliveries import TAG_TYPE, Acknowledgements, Deliveries
from ewad.ingest.told import Told
from ewad.store.changes import Changes

TAGS, IDS = np.dtype("<u8"), np.dtype("<u2")
ROWS, NUMBERS = np.dtype("<i4"), np.dtype("<f8")

Labels = tuple[tuple[str, str], ...]
NewStream = tuple[int, str, Labels]
Form = TypeVar("Form")


class SampleColumns(msgspec.Struct, frozen=True, array_like=True):
    """A batch as it was observed: columns of little-endian int32 and float64.

    origin: empty if all are samples.
    """

    group: int
    arrival: float | None
    stream: bytes
    time: bytes
    value: bytes
    origin: bytes = b""

    def batch(self, group: int) -> Batch:
        """Return the batch, for that group."""
        columns = (_column(self.stream, ROWS), _column(self.time, NUMBERS), _column(self.value, NUMBERS))
        return Batch(group, *columns, self.arrival, _column(self.origin, ROWS) if self.origin else None)


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an engine: new streams, then batches as they were observed, then streams forgotten.

    refusals: what `Engine.refusals.take_new` returned, before the batches.
    groups: their names from here on, before all else, if the configuration may have changed; else empty.
    moved: the arguments of `Engine.move_times`, if that came after all else.
    ended: streams whose sender is gone, right after the batches.
    told: what messages have told that later ones need.
    """

    streams: Sequence[NewStream]
    batches: Sequence[Batch]
    forgotten: Sequence[Forgotten] = ()
    groups: Sequence[str] = ()
    moved: tuple[float, float] | None = None
    refusals: Sequence[int] = ()
    ended: Sequence[Ending] = ()
    told: Sequence[Told] = ()


class CommitRecord(msgspec.Struct, frozen=True, array_like=True):
    """What one commit made of the engine and of the broker's session. It is the journal's unit.

    streams, batches, forgotten, groups, moved, refusals (uint32), ended, told: see Change; of the forgotten,
    group and names.  refused, answered: the engine's counts afterwards.  pubacks, pubrec_tags, pubcomps,
    session_lost: see Acknowledgements; the first three uint64, uint64, uint16.  pubrecs: what ewad 0.1.0
    wrote for pubrec_tags, packet ids (uint16).
    """

    streams: list[NewStream]
    batches: list[SampleColumns]
    forgotten: list[tuple[int, list[str]]]
    refused: int
    answered: int
    pubacks: bytes
    pubrecs: bytes
    pubcomps: bytes
    groups: list[str] = []
    session_lost: bool = False
    pubrec_tags: bytes = b""
    moved: tuple[float, float] | None = None
    refusals: bytes = b""
    ended: list[Ending] = []
    told: list[Told] = []

    @classmethod
    def of(cls, change: Change, refused: int, answered: int, pending: Acknowledgements) -> CommitRecord:
        """Return the record of one commit."""
        columns = [
            SampleColumns(
                batch.group,
                batch.arrival,
                _bytes(batch.stream, ROWS),
                _bytes(batch.time, NUMBERS),
                _bytes(batch.value, NUMBERS),
                b"" if batch.origin is None else _bytes(batch.origin, ROWS),
            )
            for batch in change.batches
        ]
        ids = _bytes(pending.pubacks, TAGS), b"", _bytes(pending.pubcomps, IDS)
        forgotten = [(group, names) for group, names, _ in change.forgotten]
        streams, groups = list(change.streams), list(change.groups)
        rest = (*ids, groups, pending.session_lost, _bytes(pending.pubrecs, TAGS))
        last = change.moved, _bytes(change.refusals, KEY)
        lists = list(change.ended), list(change.told)
        return cls(streams, columns, forgotten, refused, answered, *rest, *last, *lists)

    @property
    def samples(self) -> int:
        """How many samples it holds."""
        return sum(len(batch.stream) for batch in self.batches) // ROWS.itemsize

    def homes(self, engine: Engine, groups: Sequence[int | None]) -> Sequence[int | None]:
        """Return for each group of then the one of now, None for one that is no more; groups: so far."""
        places = {group.name: place for place, group in enumerate(engine.groups)}
        found = [places.get(name) for name in self.groups]
        return found or groups

    def replay(
        self,
        engine: Engine,
        groups: Sequence[int | None],
        deliveries: Deliveries,
        changes: Changes | None = None,
    ) -> None:
        """Do again what was recorded; the same engine before gives the same one after, bit for bit.

        groups: for each group of then the one of now, None for one that is no more.  changes: told of it.
        """
        changes = changes or Changes(engine)
        for group, name, labels in self.streams:
            # a snapshot may have streams already whose record comes after it
            if (now := groups[group]) is not None and engine.groups[now].streams.find(name) is None:
                engine.groups[now].add_stream(name, labels)
        for key in _column(self.refusals, KEY).tolist():
            engine.refusals.add_key(key)
        engine.refusals.take_new()  # they are on record
        for each in self.batches:
            if (now := groups[each.group]) is not None:
                batch = each.batch(now)
                changes.touch(batch)
                engine.observe(batch)
        for ending in self.ended:
            if (now := groups[ending.group]) is not None:
                rows = engine.end_streams(ending._replace(group=now))
                changes.touch(Batch(now, rows.astype(np.int32), *np.zeros((2, len(rows)))))
        for group, names in self.forgotten:
            if (now := groups[group]) is not None:
                known = engine.groups[now].streams.find
                changes.forgot(
                    engine.forget_streams(now, [name for name in names if known(name) is not None])
                )
        if self.moved is not None:
            changes.all_changed()
            engine.move_times(*self.moved)
        engine.refused, engine.answered = self.refused, self.answered
        deliveries.record(self.acknowledgements())

    def acknowledgements(self) -> Acknowledgements:
        """Return what it told of the broker's session."""
        return Acknowledgements(
            pubacks=array(TAG_TYPE, _column(self.pubacks, TAGS).tolist()),
            pubrecs=_column(self.pubrecs, IDS).tolist() + _column(self.pubrec_tags, TAGS).tolist(),
            pubcomps=_column(self.pubcomps, IDS).tolist(),
            session_lost=self.session_lost,
        )


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What a snapshot holds beside the engine.

    session: whose deliveries these are: client id and broker.  taken, unreleased_tags: uint64; see
    Deliveries.  unreleased: what ewad 0.1.0 wrote for unreleased_tags, packet ids (uint16).  told: what
    messages had told.
    """

    session: str
    taken: bytes
    unreleased: bytes
    unreleased_tags: bytes = b""
    told: list[Told] = []

    @classmethod
    def of(cls, session: str, deliveries: Deliveries, told: Sequence[Told] = ()) -> Head:
        """Return the head of a snapshot."""
        taken, unreleased = _bytes(deliveries.taken, TAGS), _bytes(sorted(deliveries.unreleased), TAGS)
        return cls(session, taken, b"", unreleased, list(told))

    def deliveries(self) -> Deliveries:
        """Return what had been taken."""
        unreleased = _column(self.unreleased, IDS).tolist() + _column(self.unreleased_tags, TAGS).tolist()
        return Deliveries(_column(self.taken, TAGS).tolist(), unreleased)


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """What a snapshot consists of.

    time: Unix seconds.  head: a Head, encoded.  header: JSON, the engine's, see ewad.engine.blocks.
    blocks: group, kind and number of each block, where its frame starts, and the checksum of its payload.
    """

    time: float
    head: bytes
    header: bytes
    blocks: list[tuple[int, int, int, int, int]]


encode = msgspec.msgpack.encode


def decode(data: bytes, form: type[Form]) -> Form:
    """Return what `encode` took. Raises StateError."""
    try:
        return msgspec.msgpack.decode(data, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateError(f"expected a {_words(form.__name__)}, got {error}") from error


def _words(name: str) -> str:
    """Return the name of a class as words: CommitRecord is a commit record."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def _bytes(numbers: Any, dtype: np.dtype[Any]) -> bytes:
    return np.array(numbers, dtype=dtype).tobytes()


def _column(data: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.frombuffer(data, dtype=dtype)
