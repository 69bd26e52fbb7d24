"""What a field holds -> a finite number, by the rules of its block."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ewad.config.settings import StreamSettings
from ewad.engine import VALUE_LIMIT
from ewad.errors import DecodeError
from ewad.ingest.formats.reasons import quote_payload, too_large

JSON_NAMES = {type(None): "null", bool: "a boolean", list: "an array", dict: "an object", str: "a text"}
# Never data at the ends of a payload: white space, NUL as C strings end with, a byte order mark.
TRIMMED = " \t\r\n\v\f\0\ufeff"
# A number, then a unit of one word: 23.5 °C, 12345 seconds, 0.32%. No further number: 12:30 has no unit.
_WITH_UNIT = re.compile(
    r"([+-]?(?:\d[\d.,]*|\.\d+)(?:[eE][+-]?\d+)?)\s*((?:[^\W\d_]|[%‰°º€$£¥'\"])[^\s\d:]{0,15}[\d²³]?)"
)
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+")  # 1.234,5


class Missing:
    """What a path leads to that the document does not have."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What holds numbers in a way that ewad does not read.  what: such as "a template"."""

    what: str


@dataclass(frozen=True, slots=True)
class Rules:
    """How a block's values are read.

    limit: no number of that size or above.  states: word -> number.  skips_texts: other words are absent,
    and tables and lists.
    low, high: of `valid`, after scaling.  ignored: numbers that stand for a fault, before scaling.
    """

    limit: float = VALUE_LIMIT
    states: Mapping[str, float] | None = None
    decimal_comma: bool = False
    strip_unit: bool = False
    skips_texts: bool = False
    ignored: tuple[float, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def of(cls, block: StreamSettings) -> Rules:
        """Return the rules of a block; they refuse what its scale and offset would carry past VALUE_LIMIT."""
        limit = min(VALUE_LIMIT, (VALUE_LIMIT - abs(block.offset)) / abs(block.scale))
        low, high = block.valid or (-math.inf, math.inf)
        return cls(
            limit=limit * (1.0 - 1e-12),  # what scaling rounds up stays below VALUE_LIMIT
            states=dict(block.states) or None,
            decimal_comma=block.decimal == ",",
            strip_unit=block.strip_unit,
            skips_texts=block.texts == "skip",
            ignored=block.ignore,
            low=low,
            high=high,
            scale=block.scale,
            offset=block.offset,
        )

    @property
    def plain(self) -> bool:
        """Whether every finite number below the limit is a value."""
        return not self.ignored and self.low == -math.inf and self.high == math.inf

    def value(self, found: Any) -> float:
        """Return the number that something of a document means. Raises DecodeError."""
        kind = type(found)
        if kind is float or kind is int:
            return self.checked(found)
        if kind is str:
            return self.spelled(found)
        if kind is bool:
            return self.checked(self._state("true" if found else "false", float(found)))
        if found is Missing:
            raise DecodeError("missing_field", "expected a number, got no such field")
        if kind is Unreadable:
            raise DecodeError("unsupported", f"expected a number, got {found.what}, which ewad does not read")
        got = f"expected a number, got {JSON_NAMES.get(kind, 'something else')}"
        if self.skips_texts and found is not None:
            raise DecodeError("missing_field", f"{got}, which `texts` skips")
        raise DecodeError("null" if found is None else "wrong_type", got)

    def spelled(self, text: str) -> float:
        """Return the number that a text means."""
        trimmed = text.strip(TRIMMED)
        if self.states is not None and trimmed in self.states:
            return self.checked(self.states[trimmed])
        number = parse_number(trimmed)
        if number is None:
            number = self._decorated(trimmed)
        if number is None or not math.isfinite(number):
            raise self._refusal(trimmed)
        return self.checked(number)

    def checked(self, number: float) -> float:
        """Return the number as a float. Raises DecodeError if it is no value of the block."""
        if not -self.limit < number < self.limit:
            if number != number:
                raise DecodeError("not_finite", "expected a finite number, got NaN")
            raise DecodeError("out_of_range", f"expected a number below {self.limit:g} in size")
        if number in self.ignored:
            raise DecodeError(
                "invalid_value", f"expected a measurement, got {number:g}, which `ignore` names"
            )
        if not self.low <= number * self.scale + self.offset <= self.high:
            scaled = number * self.scale + self.offset
            raise DecodeError(
                "invalid_value", f"expected a value in {self.low:g}..{self.high:g} (`valid`), got {scaled:g}"
            )
        return float(number)

    def _refusal(self, text: str) -> DecodeError:
        refused = refusal(text.encode(errors="replace"), self.states)
        skipped = self.skips_texts and refused.reason == "not_a_number"
        return DecodeError("missing_field", f"{refused}, which `texts` skips") if skipped else refused

    def _state(self, word: str, otherwise: float) -> float:
        return otherwise if self.states is None else self.states.get(word, otherwise)

    def _decorated(self, text: str) -> float | None:
        """Return the number of a text with quotes, or with a unit or a decimal comma if the block says so."""
        if len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1].strip(TRIMMED)
        if self.strip_unit and (parts := _WITH_UNIT.fullmatch(text)):
            text = parts[1]
        if self.decimal_comma and "," in text:
            text = text.replace(".", "") if _GROUPED.fullmatch(text) else text
            text = text.replace(",", ".", 1)
        return parse_number(text)


def parse_number(text: str) -> float | None:
    """Return the number that a text spells in ASCII, maybe NaN or infinite; None if it spells none."""
    try:
        return None if "_" in text else float(text.encode())
    except ValueError:
        return None


def decode_number(payload: bytes, max_bytes: int = 65536, limit: float = VALUE_LIMIT) -> float:
    """Return the number that payload spells in ASCII; white space around it is allowed."""
    try:
        value = float(payload)
    except ValueError:
        value = limit  # refused below
    if -limit < value < limit and ord("_") not in payload and len(payload) <= max_bytes:
        return value
    if len(payload) > max_bytes:
        raise too_large(len(payload), max_bytes)
    raise refusal(payload)


def refusal(payload: bytes, states: Mapping[str, float] | None = None) -> DecodeError:
    """Return why a text is not a number that can be taken."""
    text = payload.strip()
    expected = "a number" if states is None else f"a number or one of {', '.join(list(states)[:8])}"
    if not text:
        return DecodeError("empty", f"expected {expected}, got an empty payload")
    shown = quote_payload(payload)
    try:
        value = float(text.replace(b"_", b"?"))
    except ValueError:
        return DecodeError("not_a_number", f"expected {expected}, got {shown}")
    if not math.isfinite(value) and text.strip(b"+-")[:1].isalpha():
        return DecodeError("not_finite", f"expected a finite number, got {shown}")
    return DecodeError("out_of_range", f"expected a number of ordinary size, got {shown}")
