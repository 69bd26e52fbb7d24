"""An engine's state in blocks of rows: what a state file holds, so that it writes what has changed.

A group's state is cut by rows: a block of the kind ROWS holds some neighbouring rows of every array that has
a row per stream, one of the kind NAMES the names and labels of some streams. MODELS, one a group, holds the
arrays of a shared model. The seam to the models is `Part`: its arrays, and that a batch changes no rows but
those of its streams, and the shared models of its group.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ewad.engine.group import Group
from ewad.engine.state import FORMAT, VERSION, Loaded, PartPlace, fill, load_arrays, note_arithmetic, places
from ewad.engine.streams import Streams
from ewad.errors import StateError
from ewad.kernels import ARITHMETIC
from ewad.numeric.rows import RowState

ROWS, MODELS, NAMES = range(3)
BLOCK_BYTES = 1 << 18  # copied in about 0.1 ms; four streams of `auto`, or 512 that are only smoothed
NAMES_A_BLOCK = 1 << 11  # encoded in less than 1 ms

Stream = tuple[str, tuple[tuple[str, str], ...]]


class BlockKey(NamedTuple):
    """Which block: of a group by its index, of a kind, by its number there."""

    group: int
    kind: int
    number: int


class StoredColumn(NamedTuple):
    """One array of a group in its blocks. rows: None if it has a row per stream, else how many rows."""

    part: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    rows: int | None

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return int(np.dtype(self.dtype).itemsize) * math.prod(self.shape)


class PastMoment(NamedTuple):
    """What an outline has to know of a moment that has passed when it is made."""

    streams: Streams
    n: int
    out_of_order: int

    @classmethod
    def of(cls, group: Group) -> PastMoment:
        """Return this moment."""
        return cls(group.streams, len(group.streams), group.out_of_order)


class Outline:
    """How one group's state falls into blocks at a moment, now by default; `copy` may come later.

    A batch that comes between changes rows, so that they have to be copied before; new streams change
    nothing here, but no stream may be forgotten.
    """

    def __init__(self, group: Group, moment: PastMoment | None = None) -> None:
        self.streams, self.n, out_of_order = moment or PastMoment.of(group)
        parts = group.parts()
        self.columns: list[StoredColumn] = []
        self._owners: list[RowState] = []
        for index, part in enumerate(parts):
            for name, array in part.arrays().items():
                dtype = array.dtype.newbyteorder("<").str
                rows = part.n_rows if part.shared else None
                self.columns.append(StoredColumn(index, name, dtype, array.shape[1:], rows))
                self._owners.append(part.owner)
        self.row_bytes = sum(column.row_bytes for column in self.columns if column.rows is None)
        self.model_bytes = sum(column.row_bytes * column.rows for column in self.columns if column.rows)
        self.shift = shift_of(self.row_bytes)
        self.entry: dict[str, Any] = {
            "name": group.name,
            "topics": group.settings.topics,
            "out_of_order": out_of_order,
            "n_streams": self.n,
            "shift": self.shift,
            "parts": [(part.kind, part.meaning) for part in parts],
            "columns": self.columns,
        }

    @property
    def form(self) -> bytes:
        """What has to be equal for blocks of earlier and of now to make one state."""
        return form_of(self.entry)

    def count(self, kind: int) -> int:
        """Return how many blocks of this kind there are."""
        if kind == MODELS:
            return 1 if self.model_bytes else 0
        return -(-self.n // (1 << self.shift if kind == ROWS else NAMES_A_BLOCK))

    def size(self, kind: int, number: int) -> int:
        """Return about how many bytes a block has."""
        if kind == MODELS:
            return self.model_bytes
        first, end = self.extent(kind, number)
        return (end - first) * (self.row_bytes if kind == ROWS else 64)

    def extent(self, kind: int, number: int) -> tuple[int, int]:
        """Return the first row of a block of ROWS or NAMES, and the row after its last."""
        rows = 1 << self.shift if kind == ROWS else NAMES_A_BLOCK
        return number * rows, min((number + 1) * rows, self.n)

    def copy(self, kind: int, number: int) -> bytes:
        """Return the bytes of a block as it is now."""
        if kind == NAMES:
            rows = slice(*self.extent(kind, number))
            names, labels = self.streams.names[rows], self.streams.labels[rows]
            return msgspec.msgpack.encode(list(zip(names, labels, strict=True)))
        first, end = self.extent(ROWS, number)
        return b"".join(
            _portable(getattr(owner, column.name)[slice(first, end) if kind == ROWS else slice(column.rows)])
            for column, owner in zip(self.columns, self._owners, strict=True)
            if (column.rows is None) == (kind == ROWS)
        )


def shift_of(row_bytes: int) -> int:
    """Return the logarithm of how many rows of that size a block holds: a power of 2, at least one."""
    rows = max(1, BLOCK_BYTES // max(1, row_bytes))
    return min(rows, NAMES_A_BLOCK).bit_length() - 1


def form_of(entry: Mapping[str, Any]) -> bytes:
    """Return the `Outline.form` of a group by its entry in a header."""
    return msgspec.json.encode([entry["shift"], entry["parts"], entry["columns"]])


def header_of(entries: Sequence[Any], counters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `Assembly` needs beside the blocks. entries: of the groups' outlines."""
    groups = list(entries)
    return {"format": FORMAT, "version": VERSION, "arithmetic": ARITHMETIC, **counters, "groups": groups}


def _portable(array: NDArray[Any]) -> Any:
    """Return the bytes of an array, rows first, little-endian."""
    return (
        np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data.cast("B") if array.size else b""
    )


class _Named:
    """The names and labels of so many streams, decoded a block at a time: all at once take 300 bytes each.

    Raises StateError where there are fewer.
    """

    def __init__(self, blocks: Sequence[bytes], n: int) -> None:
        self._blocks, self._n = blocks, n

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[Stream]:
        left = self._n
        for data in self._blocks:
            streams = msgspec.msgpack.decode(data, type=list[Stream])[:left]
            left -= len(streams)
            yield from streams
        if left:
            raise StateError(f"state: expected the names of {self._n} streams, got {self._n - left}")


class Assembly:
    """New groups of an engine, put together from blocks, each straight into its place where it fits.

    `names` first, then each block of `wanted`, then `finish`. Raises StateError for what was never written.
    """

    def __init__(self, groups: Sequence[Group], header: dict[str, Any]) -> None:
        if header.get("format") != FORMAT or not 1 <= header.get("version", 0) <= VERSION:
            raise StateError(f"state: expected {FORMAT} up to version {VERSION}")
        self._groups = groups
        self._header = header
        self._columns = [
            [
                StoredColumn(part, name, dtype, tuple(shape), rows)
                for part, name, dtype, shape, rows in columns
            ]
            for columns in (entry["columns"] for entry in header["groups"])
        ]
        self._arrays: dict[str, NDArray[Any]] = {}
        self._loaded = Loaded()
        note_arithmetic(header, self._loaded)
        self._places: list[PartPlace] | None = None

    def blocks(self) -> Iterator[BlockKey]:
        """Yield all blocks of ROWS and MODELS."""
        for index, entry in enumerate(self._header["groups"]):
            rows = -(-entry["n_streams"] // (1 << entry["shift"]))
            yield from (BlockKey(index, ROWS, number) for number in range(rows))
            if any(column.rows for column in self._columns[index]):
                yield BlockKey(index, MODELS, 0)

    def name_blocks(self) -> Iterator[BlockKey]:
        """Yield all blocks of NAMES, in order."""
        for index, entry in enumerate(self._header["groups"]):
            blocks = -(-entry["n_streams"] // NAMES_A_BLOCK)
            yield from (BlockKey(index, NAMES, number) for number in range(blocks))

    def name(self, names: Mapping[int, Sequence[bytes]]) -> None:
        """Take the blocks of NAMES of each group, and make room for all rows."""
        for index, entry in enumerate(self._header["groups"]):
            entry["streams"] = _Named(names.get(index, ()), entry["n_streams"])
        if self._header["version"] == VERSION:
            self._places = places(self._groups, self._header, self._loaded)
        self._make_room()

    def _make_room(self) -> None:
        """Take the engine's own arrays where blocks fit them; where they do not, but are wanted, others."""
        mine = {
            f"{place.prefix}{name}": array
            for place in self._places or ()
            for name, array in place.part.arrays().items()
        }
        for index, entry in enumerate(self._header["groups"]):
            for column in self._columns[index]:
                name = f"{index}/{column.part}/{column.name}"
                shape = (entry["n_streams"] if column.rows is None else column.rows, *column.shape)
                own = mine.get(name)
                if own is not None and own.shape == shape and own.dtype == np.dtype(column.dtype):
                    self._arrays[name] = own
                elif own is not None or self._places is None:
                    self._arrays[name] = np.empty(shape, dtype=np.dtype(column.dtype).newbyteorder("="))

    def put(self, block: BlockKey, data: bytes) -> None:
        """Take one block. Raises ValueError if it has not the bytes of its rows."""
        entry, at = self._header["groups"][block.group], 0
        first = block.number << entry["shift"]
        end = min(first + (1 << entry["shift"]), entry["n_streams"])
        columns = [c for c in self._columns[block.group] if (c.rows is None) == (block.kind == ROWS)]
        held = len(data) // max(1, sum(column.row_bytes for column in columns))  # rows may have left since
        if block.kind == ROWS and held < end - first:
            raise ValueError(f"block {block}: expected {end - first} rows, got {held}")
        for column in columns:
            n = held if column.rows is None else column.rows
            numbers = np.frombuffer(data, column.dtype, n * math.prod(column.shape), at)
            at += numbers.nbytes
            array = self._arrays.get(f"{block.group}/{column.part}/{column.name}")
            if array is not None:
                rows = slice(first, end) if column.rows is None else slice(None)
                array[rows] = numbers.reshape(n, *column.shape)[: len(array[rows])]
        if at != len(data):
            raise ValueError(f"block {block}: expected {at} bytes, got {len(data)}")

    def finish(self) -> Loaded:
        """Put what does not fit into place; return what became of all."""
        if self._places is None:
            return load_arrays(self._groups, self._header, self._arrays)
        for place in self._places:
            fill(place, self._arrays)
        return self._loaded
