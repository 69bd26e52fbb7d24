"""What an engine knows as a portable snapshot, and back: whole if nothing has changed, or what fits."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ewad.engine.group import Group
from ewad.engine.migration import (
    from_version_1,
    from_version_2,
    from_version_3,
    from_version_4,
    from_version_5,
    from_version_6,
    from_version_7,
    from_version_8,
    from_version_9,
)
from ewad.engine.migration_to_11 import from_version_10, of_version_10
from ewad.engine.misfits import Misfit, misfit_of
from ewad.engine.snapshot import HEADER, EngineSnapshot
from ewad.errors import StateError
from ewad.kernels import ARITHMETIC
from ewad.numeric.rows import Part

FORMAT = "ewad-engine"
VERSION = 11


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a dump.

    groups: for each group of the dump the index it has now, None if there is none like it. The rows of its
    streams are what they were.  dropped: a line for each thing that no longer fits; empty: all is kept.
    misfits: the same for each group as a whole.  notes: what else is to be known.
    """

    groups: list[int | None] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def snapshot(groups: Sequence[Group], counters: Mapping[str, Any]) -> EngineSnapshot:
    """Return the state of these groups as it is now; its arrays are views."""
    header: dict[str, Any] = {"format": FORMAT, "version": VERSION, "arithmetic": ARITHMETIC}
    header |= {**counters, "groups": []}
    arrays: dict[str, NDArray[Any]] = {}
    for i, group in enumerate(groups):
        parts = group.parts()
        header["groups"].append(
            {
                "name": group.name,
                "topics": group.settings.topics,
                "streams": (
                    group.streams.names.copy(),
                    group.streams.labels.copy(),
                ),  # paired by `write`
                "out_of_order": group.out_of_order,
                "parts": [(part.kind, part.meaning) for part in parts],
            }
        )
        for j, part in enumerate(parts):
            arrays |= {f"{i}/{j}/{name}": array for name, array in part.arrays().items()}
    return EngineSnapshot(header, arrays)


def take_over(groups: Sequence[Group], snapshot: EngineSnapshot) -> Loaded:
    """Put what fits of a snapshot into new groups, as `load` does; its arrays are copied."""
    return load_arrays(groups, snapshot.paired(), snapshot.arrays)


def load(groups: Sequence[Group], dump: bytes) -> tuple[dict[str, Any], Loaded]:
    """Put what fits of a dump into new groups; return its header and what became of it.

    A group is found by its name, or else by its topics; in it a part by its kind and meaning.
    Raises StateError if the dump is damaged or of a newer version; the groups are then to be thrown away.
    """
    try:
        with np.load(io.BytesIO(dump), allow_pickle=False) as arrays:
            header = msgspec.json.decode(arrays[HEADER].tobytes())
            _check(header)
            return header, load_arrays(groups, header, arrays)
    except StateError:
        raise
    except Exception as error:  # whatever zip, numpy or JSON say of damaged bytes
        raise StateError(f"state: expected a dump of an engine, got a damaged one: {error}") from error


def _check(header: dict[str, Any]) -> None:
    if header["format"] != FORMAT or header["version"] > VERSION:
        raise StateError(
            f"state: expected {FORMAT} up to version {VERSION}, "
            f"got {header['format']} version {header['version']}"
        )
    counts = header["refused"], header.get("forgotten", 0), header.get("answered", 0)
    if not all(isinstance(count, int) for count in counts):
        raise StateError(f"state: expected counts of streams, got {counts}")


def note_arithmetic(header: Mapping[str, Any], loaded: Loaded) -> None:
    """Say so where a state was computed by another arithmetic: it goes on by this one."""
    theirs = header.get("arithmetic", "batches")  # that of version 5 and earlier
    if theirs != ARITHMETIC:
        loaded.notes.append(f'state was computed by the arithmetic "{theirs}", and goes on by "{ARITHMETIC}"')


class PartPlace(NamedTuple):
    """A part of a new group, and how the names of the dumped arrays that belong there begin."""

    part: Part
    prefix: str


def load_arrays(
    groups: Sequence[Group], header: dict[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> Loaded:
    """Put what fits of a header and arrays, of whatever version, into new groups."""
    now = {group.name: group.settings.model for group in groups}
    models = {name: of_version_10(model) for name, model in now.items()}
    if header["version"] == 1:
        header, arrays = from_version_1(header, arrays, models)
    if header["version"] <= 2:
        header, arrays = from_version_2(header, arrays)
    if header["version"] <= 3:
        header, arrays = from_version_3(header, arrays)
    if header["version"] <= 4:
        header, arrays = from_version_4(header, arrays)
    if header["version"] <= 5:
        header, arrays = from_version_5(header, arrays)
    if header["version"] <= 6:
        header, arrays = from_version_6(header, arrays, models)
    if header["version"] <= 7:
        header, arrays = from_version_7(header, arrays)
    if header["version"] <= 8:
        header, arrays = from_version_8(header, arrays)
    if header["version"] <= 9:
        header, arrays = from_version_9(header, arrays, models)
    if header["version"] <= 10:
        header, arrays = from_version_10(header, arrays, now)
    loaded = Loaded()
    note_arithmetic(header, loaded)
    for place in places(groups, header, loaded):
        fill(place, arrays)
    return loaded


def fill(place: PartPlace, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Put the arrays of a part into their place, those that stand there already apart."""
    found = {name: arrays[f"{place.prefix}{name}"] for name in place.part.names}
    if not all(_same(found[name], array) for name, array in place.part.arrays().items()):
        place.part.put(found)


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two views are of the same memory, in the same way."""
    return one.__array_interface__ == other.__array_interface__


def places(groups: Sequence[Group], header: dict[str, Any], loaded: Loaded) -> list[PartPlace]:
    """Add the streams of a header of the present version; return where its parts belong, tell the rest."""
    found: list[PartPlace] = []
    homes = _homes(groups, header["groups"])
    for i, (entry, home) in enumerate(zip(header["groups"], homes, strict=True)):
        loaded.groups.append(home)
        name, n = entry["name"], len(entry["streams"])
        if home is None:
            line = f"group {name}: dropped with {n} streams: no block of its name or topics"
            loaded.dropped.append(line)
            loaded.misfits.append(Misfit(line, undone=True))
            continue
        group = groups[home]
        if name != group.name:
            line = f"group {name}: is now {group.name}, of the same topics"
            loaded.dropped.append(line)
            loaded.misfits.append(Misfit(line, undone=False))
        found += _places(group, entry, f"{i}/", loaded)
    return found


def _homes(groups: Sequence[Group], entries: Sequence[dict[str, Any]]) -> list[int | None]:
    """Return for each dumped group the index of the one that takes its state."""
    names = {group.name: index for index, group in enumerate(groups)}
    known = {entry["name"] for entry in entries}
    topics = {
        group.settings.topics: index
        for index, group in enumerate(groups)
        if group.settings.topics and group.name not in known
    }
    homes: list[int | None] = []
    for entry in entries:
        home = names.get(entry["name"])
        homes.append(topics.pop(tuple(entry["topics"]), None) if home is None else home)
    return homes


def _places(group: Group, entry: dict[str, Any], prefix: str, loaded: Loaded) -> Iterator[PartPlace]:
    """Add the streams of a dumped group; yield the places of its parts, and tell of each that has none."""
    group.out_of_order = entry["out_of_order"]
    if len(entry["streams"]) > group.n_rows:
        group.grow(len(entry["streams"]))
    for name, labels in entry["streams"]:
        group.add_stream(name, tuple((intern(key), value) for key, value in labels))  # keys are few
    theirs = {(kind, meaning): index for index, (kind, meaning) in enumerate(entry["parts"])}
    mine = group.parts()
    for part in mine:
        index = theirs.get((part.kind, part.meaning))
        if index is not None:
            yield PartPlace(part, f"{prefix}{index}/")
    kept = {(part.kind, part.meaning): None for part in mine}
    gone = [part for part in theirs if part not in kept]
    for kind, meaning in gone:
        now = "; ".join(part.meaning for part in mine if part.kind == kind) or "none"
        loaded.dropped.append(f"group {group.name}: {kind} dropped: {meaning}; now {now}")
    if gone:
        loaded.misfits.append(misfit_of(group.name, gone, list(theirs), list(kept)))
