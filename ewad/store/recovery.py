"""From a state file back to the engine that wrote it: the newest good snapshot, then the journal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ewad.engine import BlockKey, Engine
from ewad.errors import StateError
from ewad.ingest.mqtt.deliveries import Deliveries
from ewad.ingest.told import Memory
from ewad.store import old_file
from ewad.store.changes import Changes
from ewad.store.file import NOBODY, Durability, StateFile, previous
from ewad.store.loaded import tell
from ewad.store.log import DamagedError, JournalEntry, Kept, Log, Snapshot, kept_of
from ewad.store.old_file import OldFile, OldSnapshot
from ewad.store.reading import is_old, open_log
from ewad.store.records import CommitRecord, Head, decode

log = logging.getLogger("ewad.store")

NewEngine = Callable[[], Engine]


@dataclass
class Recovered:
    """What a state file held.

    changes: of the engine since the snapshot.  sequence: of the last record that counts.  samples: replayed
    from the journal.  snapshot_time: Unix seconds, 0 without one.  damage: what was wrong.  moved: whether
    groups have other places than in the file's last record.  blocks: where those of the snapshot stand, and
    end: where the file may go on; None: a new file is to begin.  told: what messages had told.
    """

    engine: Engine
    deliveries: Deliveries
    changes: Changes
    sequence: int = 0
    samples: int = 0
    snapshot_time: float = 0.0
    damage: str = ""
    moved: bool = False
    blocks: Mapping[BlockKey, Kept] | None = None
    end: int = 0
    groups: Sequence[int | None] = field(default_factory=list)
    told: Memory = field(default_factory=Memory)

    @classmethod
    def nothing(cls, new_engine: NewEngine, sequence: int = 0, damage: str = "") -> Recovered:
        """Return what an empty file holds."""
        engine = new_engine()
        return cls(engine, Deliveries(), Changes(engine), sequence, damage=damage)


def recover(
    path: Path, durability: Durability, session: str, new_engine: NewEngine, now: float
) -> tuple[StateFile, Recovered]:
    """Return the file, open to be written, and what it held. A damaged one is set aside for a new one.

    session: whose deliveries still mean something. Raises StateError if the file can't be used: newer, cut
    off, in use by another daemon, not to be written.
    """
    with ExitStack() as stack:
        file = StateFile(path, durability)
        stack.callback(file.close)
        if is_old(file.path):
            file.hold(old_file.lock(file.path))
        try:
            recovered = read(file.path, session, new_engine)
        except DamagedError as error:
            recovered = Recovered.nothing(new_engine, damage=str(error))
        if recovered.damage:
            moved = file.set_aside(now)
            log.warning('state damaged file=%s reason="%s" set_aside=%s', path, recovered.damage, moved)
        elif recovered.blocks is not None and not recovered.moved and recovered.changes.settled:
            file.resume(recovered.blocks, recovered.end)
        facts = (path, recovered.engine.n_streams, recovered.samples)
        log.info("state loaded file=%s streams=%d replayed_samples=%d", *facts)
        stack.pop_all()
        return file, recovered


def read(path: Path, session: str, new_engine: NewEngine) -> Recovered:
    """Return what can be read of a file. Raises StateError if that does not fit, DamagedError at no state."""
    path = path.resolve()
    if is_old(path):
        with closing(OldFile(path)) as old:
            return _read_old(old, session, new_engine)
    with closing(open_log(path)) as newest, ExitStack() as stack:
        logs = [newest]
        damage = newest.damage
        for each in _with_former(newest, stack):
            logs = each
            for snapshot in logs[0].snapshots:
                try:
                    recovered = _loaded(logs[0], snapshot, session, new_engine)
                except DamagedError as error:
                    damage = damage or str(error)
                    continue
                _replay(logs, recovered)
                recovered.damage = damage or recovered.damage
                if newest.snapshots[:1] != [snapshot]:
                    recovered.blocks = None
                recovered.end = newest.end
                return recovered
        if not damage and newest.last:
            damage = f"{path}: there is no snapshot in it"
        return Recovered.nothing(new_engine, newest.last, damage)


def _with_former(newest: Log, stack: ExitStack) -> Iterator[list[Log]]:
    """Yield the file, then it with the one before it in front, if that is still there."""
    yield [newest]
    path = previous(newest.path)
    if newest.header is None or newest.header.former == NOBODY or not path.exists() or is_old(path):
        return
    try:
        former = stack.enter_context(closing(open_log(path)))
    except StateError as error:
        log.warning("state of before can't be used: %s", error)
        return
    if former.header is not None and former.header.identity == newest.header.former:
        yield [former, newest]


def _loaded(file: Log, snapshot: Snapshot, session: str, new_engine: NewEngine) -> Recovered:
    manifest = file.manifest(snapshot)
    try:
        found = decode(manifest.head, Head)
        header: dict[str, Any] = msgspec.json.decode(manifest.header)
        blocks = kept_of(manifest)
        engine = new_engine()
        assembly = engine.assembly(header)
        names: dict[int, list[bytes]] = {}
        for block in assembly.name_blocks():
            names.setdefault(block.group, []).append(file.block(block, blocks[block]))
        assembly.name(names)
        for block in assembly.blocks():
            assembly.put(block, file.block(block, blocks[block]))
        loaded = assembly.finish()
    except DamagedError:
        raise
    except (StateError, msgspec.MsgspecError, ValueError, TypeError, LookupError) as error:
        at = f"the snapshot at byte {snapshot.frame.start:,}"
        raise DamagedError(f"{file.path}: {at} holds what was never written: {error}") from error
    tell(log, loaded)
    return Recovered(
        engine,
        found.deliveries() if found.session == session else Deliveries(),
        Changes(engine, header),
        snapshot.sequence,
        snapshot_time=manifest.time,
        blocks=blocks,
        groups=loaded.groups,
        told=Memory(found.told),
    )


def _read_old(file: OldFile, session: str, new_engine: NewEngine) -> Recovered:
    """Return what can be read of a file of 0.1."""
    damage = file.damage
    for snapshot in file.snapshots:
        try:
            recovered = _loaded_old(file, snapshot, session, new_engine)
        except DamagedError as error:
            damage = damage or str(error)
            continue
        _replay([file], recovered)
        recovered.damage = damage or recovered.damage
        return recovered
    return Recovered.nothing(new_engine, file.last, damage)


def _loaded_old(file: OldFile, snapshot: OldSnapshot, session: str, new_engine: NewEngine) -> Recovered:
    head, *pieces = file.pieces(snapshot)
    found = decode(head, Head)
    engine = new_engine()
    loaded = engine.load(b"".join(pieces))
    tell(log, loaded)
    deliveries = found.deliveries() if found.session == session else Deliveries()
    recovered = Recovered(engine, deliveries, Changes(engine), snapshot.sequence, groups=loaded.groups)
    recovered.snapshot_time = snapshot.time
    return recovered


def _replay(logs: Sequence[Log | OldFile], recovered: Recovered) -> None:
    """Bring the engine forward by the journal, as far as that is whole."""
    engine, path = recovered.engine, logs[-1].path
    try:
        for file in logs:
            for entry in file.journal(recovered.sequence):
                _replay_one(path, entry, recovered)
    except DamagedError as error:
        recovered.damage = str(error)
    recovered.moved = list(recovered.groups) != list(range(len(engine.groups)))


def _replay_one(path: Path, entry: JournalEntry, recovered: Recovered) -> None:
    try:
        record = decode(entry.record, CommitRecord)
        recovered.groups = record.homes(recovered.engine, recovered.groups)
        record.replay(recovered.engine, recovered.groups, recovered.deliveries, recovered.changes)
    except (StateError, ValueError, IndexError) as error:  # whole, but nothing that was ever written
        raise DamagedError(f"{path}: journal: record {entry.sequence}: {error}") from error
    recovered.told.note(record.told)
    recovered.sequence = entry.sequence
    recovered.samples += entry.samples
