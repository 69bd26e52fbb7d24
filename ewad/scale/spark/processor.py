"""What Spark runs for each shard: its records of a batch, in order, through the engine it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd
from pyspark.sql.streaming.stateful_processor import StatefulProcessor, StatefulProcessorHandle

from ewad.engine import EngineSettings
from ewad.scale.kept_shard import At, AtHand, apply
from ewad.scale.latest import LATEST_TYPES, columns
from ewad.scale.spark.worker import settle

PIECE_BYTES = 1 << 22  # of a snapshot, as one value of the store
AT_HAND = AtHand()  # of this Python worker, which Spark uses for batch after batch
IN_ORDER = ["log", "sequence", "place"]


def output_schema(settings: EngineSettings) -> str:
    """Return the schema of what the processor yields: what stands for each stream that has changed."""
    names = columns(settings.groups)
    types = [f"`{name}` {LATEST_TYPES.get(name, 'double')}" for name in names]
    return ", ".join(["shard int", *types])


class StoredShard:
    """One shard in Spark's state store: see ShardStore."""

    def __init__(self, handle: StatefulProcessorHandle) -> None:
        self._at = handle.getValueState("at", "chain binary, snapshot_bytes long, journal_bytes long")
        self._snapshot = handle.getListState("snapshot", "piece binary")
        self._journal = handle.getListState("journal", "record binary")

    def at(self) -> At | None:
        """Return where the shard stands."""
        found = self._at.get()
        return None if found is None else At(bytes(found[0]), int(found[1]), int(found[2]))

    def put_at(self, at: At) -> None:
        """Say where it stands."""
        self._at.update(tuple(at))

    def snapshot(self) -> bytes:
        """Return the last snapshot."""
        return b"".join(bytes(piece) for (piece,) in self._snapshot.get())

    def put_snapshot(self, dump: bytes) -> None:
        """Replace the snapshot, and begin an empty journal."""
        self._snapshot.put([(dump[at : at + PIECE_BYTES],) for at in range(0, len(dump), PIECE_BYTES)])
        self._journal.clear()

    def journal(self) -> Iterable[bytes]:
        """Return the marks and records since the snapshot."""
        return (bytes(entry) for (entry,) in self._journal.get())

    def append(self, entries: Sequence[bytes]) -> None:
        """Add marks and records to the journal."""
        self._journal.appendList([(entry,) for entry in entries])


class ShardProcessor(StatefulProcessor):
    """Applies the records of each shard. settings: JSON, without secrets.  query: what tells it from others.

    told: whether what stands for the changed streams is yielded.
    """

    def __init__(self, settings: bytes, query: str, told: bool) -> None:
        self._json, self._query, self._told = settings, query, told

    def init(self, handle: StatefulProcessorHandle) -> None:
        """Begin with a task."""
        settle()
        self._settings = EngineSettings.from_json(self._json)
        self._store = StoredShard(handle)

    def handleInputRows(  # noqa: N802 (Spark's name)
        self, key: Any, rows: Iterator[pd.DataFrame], timerValues: Any
    ) -> Iterator[pd.DataFrame]:
        """Apply the records of one shard that a batch has."""
        found = pd.concat(list(rows), ignore_index=True).sort_values(IN_ORDER, kind="stable")
        shard = int(key[0])
        records = [bytes(record) for record in found["record"]]
        applied = apply(self._settings, self._store, records, AT_HAND, (self._query, shard))
        if self._told:
            table = applied.shard.latest(applied.changed)
            yield pd.DataFrame({"shard": [shard] * len(table["stream"]), **table})

    def close(self) -> None:
        """End a task."""
