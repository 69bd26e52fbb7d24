"""The formats that a block may name: a file and a line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ewad.config.settings import StreamSettings
from ewad.ingest.formats import csv, influx, json, keyvalue, number, senml, sparkplug
from ewad.ingest.formats.point import ReadPoints


class Format(NamedTuple):
    """How a format is read.

    open: the reader of a block's payloads, of so many bytes at most.  fields, labels: (path, name) and (name,
    path) where the block names none.  dynamic: whether each point tells labels of its own.  topics: topic ->
    all topics that carry the same streams; the first one gives them their names.
    """

    open: Callable[[StreamSettings, int], ReadPoints]
    fields: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    dynamic: bool = False
    topics: Callable[[str], Sequence[str]] = lambda topic: (topic,)


FORMATS = {
    "number": Format(number.open_points),
    "json": Format(json.open_points),
    "keyvalue": Format(keyvalue.open_points, fields=(("*", ""),)),
    "csv": Format(csv.open_points, fields=(("*", ""),)),
    "influx": Format(influx.open_points, fields=(("*", ""),), dynamic=True),
    "senml": Format(senml.open_points, fields=(("v", ""),), labels=(("name", "n"),)),
    "sparkplug": Format(sparkplug.open_points, fields=(("*", ""),), topics=sparkplug.topics),
}
