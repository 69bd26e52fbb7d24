"""A shard: one engine that records are applied to; however they are cut, its state is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from ewad.engine import REFUSED, Batch, Ending, Engine, EngineSettings, Results
from ewad.engine.group import Group
from ewad.errors import StateError
from ewad.kernels.memory import Integers
from ewad.scale.latest import Table, latest
from ewad.scale.record import LIVE, RETAINED, Record
from ewad.store.model_file import start_models

Rows = dict[int, Integers]  # of each group that has any: the rows, ascending


class Shard:
    """The engine of one shard. It has no clock, does no I/O, and knows of no stream engine.

    dump: what `dump` returned, under the same settings. Raises StateError for another one, and ConfigError if
    a model can't start from its file.
    """

    def __init__(
        self,
        settings: EngineSettings,
        dump: bytes | None = None,
        observed: Callable[[Batch, Results], None] = lambda batch, results: None,
    ) -> None:
        """observed: told of each batch with its results, right after it was observed."""
        self.engine = Engine(settings.groups, settings.max_streams)
        self._observed = observed
        self._index = {group.name: index for index, group in enumerate(self.engine.groups)}
        start_models(self.engine)
        if dump is not None:
            self.engine.load(dump, strict=True)

    def apply(self, record: Record) -> Rows:
        """Take in a record; return the rows that it has changed. Raises StateError if no block takes it."""
        changed: Rows = {}
        if len(record) or record.ended:
            index = self._index.get(record.block)
            if index is None:
                raise StateError(
                    f'record: expected samples of a block of these settings, got block "{record.block}": '
                    f"gateway and shards need the same configuration"
                )
            changed[index] = self._observe(index, record)
            if record.ended:
                ending = Ending(index, record.ended, record.arrival or 0.0)
                changed = merged(changed, {index: np.sort(self.engine.end_streams(ending))})
        if record.tick is not None:
            for index, _, moved in self.engine.forget(record.tick):
                find = self.engine.groups[index].streams.find
                rows = np.array([find(name) for name in moved], dtype=np.int64)
                changed = merged(changed, {index: rows})
        if record.moved is not None:
            self.engine.move_times(*record.moved)
            changed = all_rows(self.engine)
        self.engine.refusals.take_new()  # nobody keeps a journal of them here
        return self._present(changed)

    def latest(self, rows: Mapping[int, Integers]) -> Table:
        """Return what stands now for these rows, a list of equal length for each column."""
        return latest(self.engine, self._present(rows))

    def dump(self) -> bytes:
        """Return the whole state, for a new Shard of the same settings."""
        return self.engine.dump()

    def dump_rows(self, rows: Mapping[int, Integers]) -> bytes:
        """Return the state of these rows: all that has changed lets `apply_rows` catch up elsewhere."""
        return self.engine.dump_rows(self._present(rows))

    def apply_rows(self, dumped: bytes) -> None:
        """Catch up with the shard that has dumped these rows. Raises StateError where that can't be."""
        self.engine.apply_rows(dumped)

    def _present(self, rows: Mapping[int, Integers]) -> Rows:
        """Return those of the rows that have a stream still."""
        sizes = {index: len(self.engine.groups[index].streams) for index in rows}
        return {index: which[which < sizes[index]] for index, which in rows.items()}

    def _observe(self, index: int, record: Record) -> Integers:
        """Observe the samples whose streams have room; return the rows that they have changed."""
        group = self.engine.groups[index]
        rows = self._rows_of(index, record)
        of_name = np.full(len(record.names), REFUSED, dtype=np.int64)
        of_name[record.stream] = rows
        has_row = rows != REFUSED
        flags = record.flags if record.flags.any() else None
        time, value = record.time, record.value
        origin = record.origin if len(record.origin) else None
        if not has_row.all():
            rows, time, value = rows[has_row], time[has_row], value[has_row]
            origin = None if origin is None else origin[has_row]
            flags = None if flags is None else flags[has_row]
        for part in [slice(0, len(rows))] if flags is None else pieces(rows, flags):
            where = None if origin is None else origin[part]
            batch = Batch(index, rows[part], time[part], value[part], record.arrival, where)
            if flags is not None and flags[part.start]:
                batch = without_copies(group, batch, flags[part])
            if len(batch):
                self._observed(batch, self.engine.observe(batch))
        return np.sort(of_name[of_name != REFUSED])

    def _rows_of(self, index: int, record: Record) -> NDArray[np.int32]:
        """Return the row of each sample; streams that are new get theirs in order, sample by sample."""
        found = self.engine.groups[index].streams.find_all(record.names)
        if None not in found:
            return np.array(found, dtype=np.int32)[record.stream]
        rows = np.array([REFUSED if row is None else row for row in found], dtype=np.int32)[record.stream]
        labels = record.labels_of()
        for at in np.flatnonzero(rows == REFUSED).tolist():
            stream = int(record.stream[at])
            rows[at] = self.engine.add_stream(index, record.names[stream], labels[stream])
        return rows


def all_rows(engine: Engine) -> Rows:
    """Return all rows of an engine."""
    return {index: np.arange(len(group.streams)) for index, group in enumerate(engine.groups)}


def merged(*parts: Mapping[int, Integers]) -> Rows:
    """Return the rows of all."""
    found: dict[int, list[Integers]] = {}
    for part in parts:
        for index, rows in part.items():
            found.setdefault(index, []).append(rows)
    return {
        index: rows[0] if len(rows) == 1 else np.unique(np.concatenate(rows)) for index, rows in found.items()
    }


def pieces(rows: NDArray[np.int32], flags: NDArray[np.uint8]) -> Iterator[slice]:
    """Yield runs of samples that are all live, or retained ones of different streams: no run has both.

    Whether a retained sample is a copy depends on the sample before it alone, so that a run can be asked at
    once.
    """
    start, seen = 0, {int(rows[0])} if len(rows) else set()
    for at in range(1, len(rows)):
        retained = flags[at] != LIVE
        if retained != (flags[start] != LIVE) or (retained and int(rows[at]) in seen):
            yield slice(start, at)
            start, seen = at, set()
        seen.add(int(rows[at]))
    if len(rows):
        yield slice(start, len(rows))


def without_copies(group: Group, batch: Batch, flags: NDArray[np.uint8]) -> Batch:
    """Leave out retained samples that are their streams' last ones, which the broker has kept: no news."""
    at = batch.stream
    same_time = (flags == RETAINED) | (batch.time <= group.time[at])
    copies = (group.count[at] > 0) & (group.value[at] == batch.value) & same_time
    kept = ~copies
    origin = None if batch.origin is None else batch.origin[kept]
    return Batch(batch.group, at[kept], batch.time[kept], batch.value[kept], batch.arrival, origin)
