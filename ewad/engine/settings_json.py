"""What an engine is set to do as JSON, and back: equal, and with a digest that tells two of them apart."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from typing import Any

import msgspec

from ewad.engine.settings import GroupSettings, ModelSettings
from ewad.numeric.anomaly import AnomalyPolicy
from ewad.numeric.averages import ByCount, ByTime, Held
from ewad.numeric.crossing import Threshold
from ewad.numeric.local_time import LocalCalendar
from ewad.numeric.optimizers import OPTIMIZERS
from ewad.numeric.schedules import SCHEDULES

VERSION = 1
KIND = "kind"  # the key that names a record's type
INFINITY = {KIND: "infinity"}  # JSON has no number for it
RECORDS: dict[str, Any] = {
    "group": GroupSettings,
    "model": ModelSettings,
    "anomaly": AnomalyPolicy,
    "threshold": Threshold,
    "calendar": LocalCalendar,
    "by_count": ByCount,
    "by_time": ByTime,
    "held": Held,
    **{f"optimizer.{name}": record for name, record in OPTIMIZERS.items()},
    **{f"schedule.{name}": record for name, record in SCHEDULES.items()},
}
NAMES = {record: name for name, record in RECORDS.items()}


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """All that an engine is made of: its groups in order, and how many streams it may have. No secrets."""

    groups: tuple[GroupSettings, ...]
    max_streams: int = 100_000

    def to_json(self) -> bytes:
        """Return the settings as JSON, the same bytes for equal settings."""
        groups = [_raw(group) for group in self.groups]
        document = {"version": VERSION, "max_streams": self.max_streams, "groups": groups}
        return msgspec.json.encode(document, order="sorted")

    @classmethod
    def from_json(cls, text: bytes) -> EngineSettings:
        """Return the settings that to_json wrote. Raises ValueError for others, such as newer ones."""
        document = msgspec.json.decode(text, type=_Document)
        if document.version > VERSION:
            raise ValueError(f"settings of an engine: expected version {VERSION}, got {document.version}")
        groups = tuple(_typed(group) for group in document.groups)
        if not all(isinstance(group, GroupSettings) for group in groups):
            raise ValueError("settings of an engine: expected groups only")
        return cls(groups, document.max_streams)

    @property
    def digest(self) -> str:
        """The SHA-256 of to_json, in hexadecimal digits."""
        return hashlib.sha256(self.to_json()).hexdigest()


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    max_streams: int
    groups: list[dict[str, Any]]


def _raw(value: Any) -> Any:
    """Return a value as JSON has it: records as objects that name their kind, tuples as lists.

    A field at its default is left out: a later version's new fields change neither JSON nor digest.
    """
    if type(value) in NAMES:
        fields = {each.name: getattr(value, each.name) for each in _unusual(value)}
        return {KIND: NAMES[type(value)], **{name: _raw(field) for name, field in fields.items()}}
    if isinstance(value, tuple):
        return [_raw(item) for item in value]
    return INFINITY if value == math.inf else value


def _unusual(record: Any) -> list[dataclasses.Field[Any]]:
    """Return the fields of a record that are not at their default."""
    return [
        field
        for field in dataclasses.fields(record)
        if getattr(record, field.name)
        != (field.default if field.default_factory is dataclasses.MISSING else field.default_factory())
    ]


def _typed(raw: Any) -> Any:
    if raw == INFINITY:
        return math.inf
    if isinstance(raw, list):
        return tuple(_typed(item) for item in raw)
    if not isinstance(raw, dict):
        return raw
    values = {name: _typed(value) for name, value in raw.items()}
    record = RECORDS.get(values.pop(KIND, ""))
    if record is None:
        raise ValueError(f"settings of an engine: unknown kind {raw.get(KIND)!r}")
    try:
        return record(**values)
    except TypeError as error:  # a key that is missing, or of a newer version
        raise ValueError(f"settings of an engine: {error}") from error
