"""The table of options: all that there is to say of a key, in one place.

A settings record declares its options as annotations of its fields: `max_streams: Annotated[int,
Option(integer(1, 10**9), "...")] = 100_000`. Reading, checks, the environment, the effective settings, the
command line's help, the reference page and the JSON schema go through the tables made of them. Records that
plug in (optimizers, schedules) know nothing of this package: theirs are annotated by a range and a text.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from ewad.config import checks, kinds
from ewad.config.checks import fail
from ewad.config.kinds import Kind


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a table of the configuration.

    kind: what it takes.  text: what it does, in whole sentences.  key: its name, if it isn't the attribute's
    without _seconds.  example: a raw value.  since: the version that first had it.  default_text: what holds
    without it, where the attribute's default doesn't say.  instead: of a deprecated key, what to write now.
    of: gives the typed value of a record, where it isn't the attribute itself.
    attribute, default: those of the record's field; filled in by whoever makes the table.
    """

    kind: Kind
    text: str
    key: str = ""
    example: Any = None
    since: str = "0.1.0"
    required: bool = False
    default_text: str = ""
    instead: str = ""
    of: Callable[[Any], Any] | None = None
    attribute: str = ""
    default: Any = None

    def placed(self, attribute: str, default: Any) -> Option:
        """Return the option of this attribute of a record; default: typed, None if there is none."""
        key = self.key or attribute.removesuffix("_seconds")
        return dataclasses.replace(self, key=key, attribute=attribute, default=default)

    def written(self, record: Any) -> Any:
        """Return the raw value that gives the record's typed one; None if the key is best left out."""
        return self._raw(self.of(record) if self.of else getattr(record, self.attribute))

    @property
    def raw_default(self) -> Any:
        """The default as a raw value, None if there is none."""
        return self._raw(self.default)

    def _raw(self, value: Any) -> Any:
        return None if value is None else self.kind.write(value)


@dataclass(frozen=True)
class Table:
    """A table of the configuration, such as [mqtt], [[stream]] or [model.NAME], and its options in order."""

    title: str
    text: str
    options: tuple[Option, ...]

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """What each key takes."""
        return {option.key: option.kind for option in self.options}

    @property
    def depth(self) -> int:
        """How many steps of a path lead to one such table: ("mqtt",) or ("stream", 0)."""
        return 2 if self.title.startswith("[[") or "." in self.title else 1

    def take(self, raw: Any, build: Callable[[dict[str, Any]], Any], other: Table | None = None) -> Any:
        """Return what build makes of a raw table's values, by attribute. Raises Invalid.

        other: a table whose keys people write here by mistake.
        """
        required = [option.key for option in self.options if option.required]
        elsewhere = ("", ()) if other is None else (other.title, other.kinds)
        return checks.table(
            raw, self.kinds, required, lambda values: build(self._attributes(values)), elsewhere
        )

    def _attributes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for option in self.options:
            if option.key not in values:
                continue
            if option.attribute in found:
                raise self._one_of(option.attribute, values)
            found[option.attribute] = values[option.key]
        return found

    def _one_of(self, attribute: str, values: Mapping[str, Any]) -> checks.Invalid:
        keys = [option.key for option in self.options if option.attribute == attribute]
        given = " and ".join(key for key in keys if key in values)
        return fail(f"expected one of {', '.join(keys)}, got {given}")

    def written(self, record: Any) -> Iterator[tuple[str, Any]]:
        """Yield the keys and raw values that give the record; left out is what says nothing."""
        for option in self.options:
            value = option.written(record)
            if value is not None:
                yield option.key, value


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """Where a document stands: file names in it are relative to base; credentials come from environ.

    secrets: what has been read of them so far, by the names of `Secrets`.
    """

    base: Path
    environ: Mapping[str, str]
    secrets: dict[str, Any] = dataclasses.field(default_factory=dict)


def table_of(title: str, text: str, record: type[msgspec.Struct]) -> Table:
    """Return the table of the options that a settings record declares."""
    hints = get_type_hints(record, include_extras=True)
    options = [
        declared.placed(field.name, None if field.default is msgspec.NODEFAULT else field.default)
        for field in msgspec.structs.fields(record)
        for declared in getattr(hints[field.name], "__metadata__", ())
        if isinstance(declared, Option)
    ]
    return Table(title, text, tuple(options))


def options_of(record: type[Any]) -> Iterator[Option]:
    """Yield the options of a dataclass: fields annotated by a range, if the type needs one, and a text."""
    hints = get_type_hints(record, include_extras=True)
    for field in dataclasses.fields(record):
        if get_origin(hints[field.name]) is Annotated:
            plain, *limits, text = get_args(hints[field.name])
            default = None if field.default is dataclasses.MISSING else field.default
            yield Option(kind_of(plain, *limits), text).placed(field.name, default)


def kind_of(plain: Any, limits: str = "") -> Kind:
    """Return the kind of a type and its range: "[0, 1)", "1..9" of integers, "1s..1d" of durations."""
    if get_origin(plain) in (Union, types.UnionType):
        plain = next(each for each in get_args(plain) if each is not type(None))
    if get_origin(plain) is Literal:
        return kinds.choice(*get_args(plain))
    if plain == tuple[tuple[int, float], ...]:
        return kinds.by_epoch(kinds.number(limits))
    low, _, high = limits.partition("..")
    if plain is bool:
        return kinds.boolean
    if plain is int:
        return kinds.integer(int(low), int(high))
    return kinds.duration(low, high) if high else kinds.number(limits)
