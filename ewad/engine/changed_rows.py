"""Some rows of an engine's state as bytes: what keeps a copy up to date at the cost of what has changed.

A stream of `auto` takes 40 KB and more, so that a whole dump for each commit is out of the question. What has
no row of its own comes whole: counts, and the models that a group's streams share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ewad.engine.blocks import Outline
from ewad.engine.group import Group
from ewad.engine.streams import Labels
from ewad.errors import StateError
from ewad.kernels import ARITHMETIC
from ewad.kernels.memory import Integers
from ewad.numeric.rows import Part, Removal

FORMAT, VERSION = "ewad-rows", 1
ROWS = np.dtype("<i4")
NOTHING = np.empty(0, dtype=np.int64)


class GroupRows(msgspec.Struct, frozen=True, array_like=True):
    """Some rows of one group. rows: int32, ascending.  data: the arrays of each part in order, one by one."""

    form: bytes
    n_streams: int
    out_of_order: int
    rows: bytes
    streams: list[tuple[str, Labels]]
    data: list[bytes]


class ChangedRows(msgspec.Struct, frozen=True, array_like=True):
    """Some rows of an engine. counters: JSON; groups: those that have any, by index."""

    format: str
    version: int
    arithmetic: str
    counters: bytes
    groups: dict[int, GroupRows]


def dump(groups: Sequence[Group], counters: Mapping[str, Any], rows: Mapping[int, Integers]) -> bytes:
    """Return these rows of each group, ascending, and all that belongs to no row."""
    found = {index: _dumped(groups[index], np.asarray(which)) for index, which in rows.items()}
    changed = ChangedRows(FORMAT, VERSION, ARITHMETIC, msgspec.json.encode(counters), found)
    return msgspec.msgpack.encode(changed)


def _dumped(group: Group, rows: Integers) -> GroupRows:
    streams = group.streams
    return GroupRows(
        Outline(group).form,
        len(streams),
        group.out_of_order,
        rows.astype(ROWS).tobytes(),
        [(streams.names[row], streams.labels[row]) for row in rows.tolist()],
        [
            _portable(array if part.shared else array[rows])
            for part in group.parts()
            for array in part.arrays().values()
        ],
    )


def _portable(array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()


def apply(groups: Sequence[Group], dumped: bytes) -> dict[str, Any]:
    """Put rows into their places in groups that stand where those stood before; return the counters.

    Raises StateError if the bytes are damaged, of another version or of other settings, or if rows that this
    engine lacks are not among them.
    """
    try:
        changed = msgspec.msgpack.decode(dumped, type=ChangedRows)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateError(f"rows: expected rows of an engine, got damaged bytes: {error}") from error
    expected, got = (FORMAT, VERSION, ARITHMETIC), (changed.format, changed.version, changed.arithmetic)
    if got != expected:
        raise StateError(f"rows: expected {_kind(*expected)}, got {_kind(*got)}")
    for index, found in changed.groups.items():
        if not 0 <= index < len(groups) or Outline(groups[index]).form != found.form:
            raise StateError(f"rows: expected those of group {index} as it is set, got another one's")
        _apply(groups[index], found)
    counters: dict[str, Any] = msgspec.json.decode(changed.counters)
    return counters


def _kind(form: str, version: int, arithmetic: str) -> str:
    return f'{form} version {version} of the arithmetic "{arithmetic}"'


def _apply(group: Group, found: GroupRows) -> None:
    rows = np.frombuffer(found.rows, dtype=ROWS).astype(np.int64)
    n = len(group.streams)
    if len(rows) and int(rows[-1]) >= found.n_streams:
        raise StateError(f"group {group.name}: expected rows below {found.n_streams}, got {rows[-1]}")
    missing = np.setdiff1d(np.arange(n, found.n_streams), rows)
    if len(missing):
        raise StateError(f"group {group.name}: expected row {missing[0]} among the rows, got none")
    group.out_of_order = found.out_of_order
    group.streams = group.streams.with_rows(rows.tolist(), found.streams, found.n_streams)
    if found.n_streams > group.n_rows:
        group.grow(found.n_streams)
    elif found.n_streams < n:
        group.remove(Removal(NOTHING, NOTHING, found.n_streams, n, group.n_rows))
    columns = [(part, name) for part in group.parts() for name in part.names]
    for (part, name), data in zip(columns, found.data, strict=True):
        _put(part, name, rows, data)


def _put(part: Part, name: str, rows: Integers, data: bytes) -> None:
    array = getattr(part.owner, name)[: part.n_rows]
    numbers = np.frombuffer(data, array.dtype.newbyteorder("<"))
    if part.shared:
        array[...] = numbers.reshape(array.shape)
    else:
        array[rows] = numbers.reshape(len(rows), *array.shape[1:])
