"""Which blocks of an engine's state have changed, and their copies for a snapshot, a few at a time.

A snapshot is of one moment, between two commits. Its blocks are copied in the turns that follow; what a batch
is about to change before its block's turn is copied first. So a snapshot needs no second state in memory, no
pause, and no rule for replaying half of a record: the state file has the state after one record, whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ewad.engine import Batch, BlockKey, Engine, Forgotten
from ewad.engine.blocks import MODELS, NAMES, NAMES_A_BLOCK, ROWS, Outline, PastMoment, form_of, header_of
from ewad.engine.group import Group
from ewad.engine.state import VERSION

KINDS = (ROWS, MODELS, NAMES)
FRAMED_BYTES = 64  # of a block beside its rows: its frame, and its place in the manifest
NAME_BYTES = 64  # of a stream's name and labels, about
Emit = Callable[[BlockKey, bytes], None]
Marks = NDArray[np.bool_]


class Size(NamedTuple):
    """Bytes of a state, about: of all its blocks, and of those that have changed."""

    state: int
    changed: int


class Changes:
    """What has changed since the last snapshot, of an engine whose batches are told before they are observed.

    saved: the engine's header in the snapshot that it has just been loaded from; None: nothing is kept yet.
    settled: whether the blocks of that snapshot and changed ones make one state.
    """

    def __init__(self, engine: Engine, saved: dict[str, Any] | None = None) -> None:
        self._engine = engine
        self._groups = [_Group(index, group) for index, group in enumerate(engine.groups)]
        self._copies: Iterator[None] | None = None
        self._counters: dict[str, Any] = {}
        self.settled = saved is not None and self._settle(saved)

    def _settle(self, saved: dict[str, Any]) -> bool:
        entries = saved["groups"]
        if len(entries) != len(self._groups) or saved["version"] != VERSION:
            return False
        fitting = [group.settle(entry) for group, entry in zip(self._groups, entries, strict=True)]
        return all(fitting)

    # ---- told of what happens

    def touch(self, batch: Batch) -> None:
        """Note that a batch is about to be observed; copy first what a snapshot still needs of its rows."""
        group = self._groups[batch.group]
        if self._copies is not None:
            group.copy_first(batch.stream)
        group.mark(batch.stream)

    def forgot(self, forgotten: Forgotten) -> None:
        """Note that streams were forgotten and others have moved. Not while a snapshot is being copied."""
        self._groups[forgotten.group].forgot(forgotten.moved)

    def all_changed(self) -> None:
        """Note that any row may have changed. Not while a snapshot is being copied."""
        for group in self._groups:
            group.whole = True

    def let_go(self) -> list[Any]:
        """Give up what is known of the groups; return it: to free that of thousands takes a while."""
        groups, self._groups = self._groups, []
        return groups

    # ---- a snapshot

    def size(self) -> Size:
        """Return how large the state is, and what of it has changed."""
        state = changed = 0
        for group in self._groups:
            size = group.size()
            state += size.state
            changed += size.changed
        return Size(state, changed)

    @property
    def copying(self) -> bool:
        """Whether a snapshot has been begun and is not copied yet."""
        return self._copies is not None

    def begin(self, emit: Emit, *, whole: bool) -> None:
        """Begin a snapshot of the state as it is now; emit takes its blocks. whole: all, not changed ones."""
        self._counters = self._engine.counters()
        for group in self._groups:
            group.begin(emit, whole=whole)
        self._copies = (None for group in self._groups for _ in group.copies())

    def copy_next(self) -> bool:
        """Copy one more block, or look at one more group; return False if nothing is left: all is copied."""
        if self._copies is None:
            return False
        for _ in self._copies:
            return True
        self._copies = None
        return False

    def copied(self) -> tuple[bytes, list[BlockKey]]:
        """Return the header of the copied snapshot, JSON, and all blocks that it consists of."""
        header = header_of([group.entry for group in self._groups], self._counters)
        blocks = [
            BlockKey(group.index, kind, number)
            for group in self._groups
            for kind in KINDS
            for number in range(group.counts[kind])
        ]
        return msgspec.json.encode(header), blocks

    def abandon(self) -> None:
        """Give up the last snapshot, copied or not: all of the groups that it had blocks of is to be kept."""
        self._copies = None
        for group in self._groups:
            group.abandon()


class _Group:
    """The changes of one group.

    whole: anything may have changed.  entry, counts: of the last snapshot, the entry as JSON, the counts of
    blocks by kind.
    """

    def __init__(self, index: int, group: Group) -> None:
        self.index = index
        self.whole = True
        self.entry = msgspec.Raw(b"")
        self.counts = [0, 0, 0]
        self._group = group
        self._known = 0  # streams of the last snapshot that are still there
        self._form = b""
        self._shift = self._row_bytes = self._model_bytes = 0
        self._rows = self._names = _marks(0)
        self._changed = self._taken = False  # since the last snapshot began, and when it began
        self._began: PastMoment | None = None  # until the outline of that moment is made
        self._outline: Outline | None = None
        self._pending: list[Marks] = [_marks(0), _marks(0), _marks(0)]
        self._emit: Emit = _nowhere
        self._all = False

    def settle(self, entry: dict[str, Any]) -> bool:
        """Count the state as kept if it fits what that entry describes; return whether it does."""
        outline = Outline(self._group)
        self._note(outline)
        self._known = outline.n
        self.whole = outline.form != form_of(entry) or self._group.name != entry["name"]
        self._forget_marks()
        return not self.whole

    def _note(self, outline: Outline) -> None:
        self._form, self._shift = outline.form, outline.shift
        self._row_bytes, self._model_bytes = outline.row_bytes, outline.model_bytes
        self.entry = msgspec.Raw(msgspec.json.encode(outline.entry))
        self.counts = [outline.count(kind) for kind in KINDS]

    def _forget_marks(self) -> None:
        self._rows, self._names, self._changed = _marks(0), _marks(0), False

    # ---- told of what happens

    def mark(self, rows: NDArray[np.int32]) -> None:
        """Mark rows as changed, and the models that they share."""
        self._changed = True
        if self.whole:
            return
        if len(self._group.streams) >> self._shift >= len(self._rows):
            self._make_room()
        if len(rows) == 1:  # quicker with a number
            self._rows[rows.item() >> self._shift] = True
        else:
            self._rows[rows >> self._shift] = True

    def _make_room(self) -> None:
        n = len(self._group.streams)
        self._rows = _longer(self._rows, (n >> self._shift) + 1)
        self._names = _longer(self._names, n // NAMES_A_BLOCK + 1)

    def _mark_streams(self, first: int, end: int) -> None:
        """Mark the rows and names of streams that have come to these rows."""
        if first < end:
            self._changed = True
            self._rows[first >> self._shift : (end - 1 >> self._shift) + 1] = True
            self._names[first // NAMES_A_BLOCK : (end - 1) // NAMES_A_BLOCK + 1] = True

    def _mark_new(self) -> None:
        self._make_room()
        self._mark_streams(self._known, len(self._group.streams))
        self._known = len(self._group.streams)

    def forgot(self, moved: list[str]) -> None:
        """Mark the streams that are in another row now."""
        self._changed = True
        self._make_room()
        for row in map(self._group.streams.find, moved):
            if row is not None:
                self._mark_streams(row, row + 1)
        self._known = min(self._known, len(self._group.streams))

    def size(self) -> Size:
        """Return the bytes of the group's state, and of what of it has changed."""
        n = len(self._group.streams)
        state = n * (self._row_bytes + NAME_BYTES) + self._model_bytes + len(self.entry)
        if self.whole:
            return Size(state, state)
        if n != self._known:
            self._mark_new()
        if not self._changed:
            return Size(state, len(self.entry))
        rows, names = int(np.count_nonzero(self._rows)), int(np.count_nonzero(self._names))
        changed = (rows * self._row_bytes << self._shift) + names * NAMES_A_BLOCK * NAME_BYTES
        changed += self._model_bytes
        framed = (rows + names) * FRAMED_BYTES + len(self.entry)
        return Size(state, min(changed, state) + framed)

    # ---- a snapshot

    def begin(self, emit: Emit, *, whole: bool) -> None:
        """Take what has changed for a snapshot of this moment."""
        self._all = whole or self.whole
        if not self.whole and self._known != len(self._group.streams):
            self._mark_new()
        self._known = len(self._group.streams)
        self._taken = self._all or self._changed
        if self._taken:
            self._emit, self._began = emit, PastMoment.of(self._group)

    def _open(self) -> None:
        """Make the outline of the moment when the snapshot began, and with it the list of pending blocks."""
        if self._began is None:
            return
        outline = self._outline = Outline(self._group, self._began)
        self._began = None
        all_ = self._all or outline.form != self._form
        self._note(outline)
        self._pending = [np.ones(count, dtype=np.bool_) for count in self.counts]
        if not all_:
            self._pending[ROWS] = self._rows[: self.counts[ROWS]]
            self._pending[NAMES] = self._names[: self.counts[NAMES]]
        self.whole = False
        self._forget_marks()
        self._make_room()

    def copies(self) -> Iterator[None]:
        """Copy what is pending, a block at a time; first of all, in a turn of its own, see what that is."""
        if self._began is not None:
            self._open()
            yield
        for kind in KINDS if self._outline is not None else ():
            for number in np.flatnonzero(self._pending[kind]).tolist():
                if self._copy(kind, number):
                    yield
        self._outline = None

    def copy_first(self, rows: NDArray[np.int32]) -> None:
        """Copy what is pending of these rows, and of the models that they share."""
        self._open()
        if self._outline is None:
            return
        for number in range(self.counts[MODELS]):
            self._copy(MODELS, number)
        for number in np.unique(rows[rows < self._outline.n] >> self._shift).tolist():
            self._copy(ROWS, number)

    def _copy(self, kind: int, number: int) -> bool:
        """Copy a block if it is pending; return whether it was."""
        if not self._pending[kind][number]:
            return False
        self._pending[kind][number] = False
        assert self._outline is not None  # noqa: S101 (the callers see to it)
        self._emit(BlockKey(self.index, kind, number), self._outline.copy(kind, number))
        return True

    def abandon(self) -> None:
        """Give up the last snapshot."""
        self.whole = self.whole or self._taken
        self._began = self._outline = None


def _nowhere(block: BlockKey, data: bytes) -> None:
    raise AssertionError(block, len(data))


def _marks(n: int) -> Marks:
    return np.zeros(n, dtype=np.bool_)


def _longer(marks: Marks, n: int) -> Marks:
    """Return marks with room for n, and some more if they had to be made longer."""
    if n <= len(marks):
        return marks
    longer = _marks(n + n // 4)
    longer[: len(marks)] = marks
    return longer
