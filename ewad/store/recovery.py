"""From a state file back to the engine that wrote it: the newest good snapshot, then the journal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ewad.engine import Engine
from ewad.errors import StateError
from ewad.ingest.mqtt.deliveries import Deliveries
from ewad.store.file import DamagedError, Durability, Snapshot, StateFile, set_aside
from ewad.store.records import Head, Record, decode

log = logging.getLogger("ewad.store")


@dataclass
class Recovered:
    """What a state file held, and the file, open; a new one if it was damaged.

    sequence: of the last record that counts.  samples: replayed from the journal.  damage: what was wrong.
    moved: whether groups have other places than in the file's last record.
    """

    engine: Engine
    deliveries: Deliveries
    sequence: int = 0
    samples: int = 0
    damage: str = ""
    moved: bool = False


def recover(
    path: Path, durability: Durability, session: str, new_engine: Callable[[], Engine], now: float
) -> tuple[StateFile, Recovered]:
    """Return the file, open, and what it held. A damaged one is set aside, and a new one takes its name.

    session: whose deliveries still mean something. Raises StateError if the file can't be used: newer, in
    use by another daemon, not to be written.
    """
    file: StateFile | None = None
    try:
        file = StateFile(path, durability)
        recovered = read(file, session, new_engine)
    except DamagedError as error:
        recovered = Recovered(new_engine(), Deliveries(), damage=str(error))
    except BaseException:
        if file is not None:
            file.close()
        raise
    if recovered.damage:
        if file is not None:
            file.close()
        moved = set_aside(path, now)
        log.warning('state damaged file=%s reason="%s" set_aside=%s', path, recovered.damage, moved)
        file = StateFile(path, durability)
    assert file is not None  # noqa: S101 (opened, or DamagedError was raised)
    facts = (path, recovered.engine.n_streams, recovered.samples)
    log.info("state loaded file=%s streams=%d replayed_samples=%d", *facts)
    return file, recovered


def read(file: StateFile, session: str, new_engine: Callable[[], Engine]) -> Recovered:
    """Return what can be read of a file. Raises StateError if that does not fit, DamagedError at no state."""
    damage = ""
    for snapshot in file.snapshots():
        try:
            recovered, groups = _loaded(file, snapshot, session, new_engine)
        except DamagedError as error:
            damage = damage or str(error)
            continue
        _replay(file, recovered, groups)
        recovered.damage = damage or recovered.damage
        return recovered
    return Recovered(new_engine(), Deliveries(), file.last_sequence(), damage=damage)


def _loaded(
    file: StateFile, snapshot: Snapshot, session: str, new_engine: Callable[[], Engine]
) -> tuple[Recovered, Sequence[int | None]]:
    head, *pieces = file.pieces(snapshot)
    found = decode(head, Head)
    engine = new_engine()
    loaded = engine.load(b"".join(pieces))
    for note in loaded.notes:
        log.info("%s", note)
    for dropped in loaded.dropped:
        log.warning("state dropped: %s", dropped)
    deliveries = found.deliveries() if found.session == session else Deliveries()
    return Recovered(engine, deliveries, snapshot.sequence), loaded.groups


def _replay(file: StateFile, recovered: Recovered, groups: Sequence[int | None]) -> None:
    """Bring the engine forward by the journal, as far as that is whole."""
    try:
        for entry in file.journal(recovered.sequence):
            try:
                record = decode(entry.record, Record)
                groups = record.homes(recovered.engine, groups)
                record.replay(recovered.engine, groups, recovered.deliveries)
            except (StateError, ValueError, IndexError) as error:  # whole, but nothing that was ever written
                raise DamagedError(f"{file.path}: journal: record {entry.sequence}: {error}") from error
            recovered.sequence = entry.sequence
            recovered.samples += entry.samples
    except DamagedError as error:
        recovered.damage = str(error)
    recovered.moved = list(groups) != list(range(len(recovered.engine.groups)))
