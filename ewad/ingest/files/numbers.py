"""Cells of text -> numbers: decimal signs, thousands, units, switched states, and words for no reading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# What people write where there is no reading, as it stands in a cell without the blanks around it.
MISSING = (
    *("", "NA", "N/A", "n/a", "na", "NaN", "nan", "NAN", "null", "NULL", "Null", "None", "none", "nil"),
    *("?", ".", "-", "--", "---", "*", "**", "***", "****", "<NA>", "NaT", "(null)", r"\N", "ND", "n.d."),
    *("#N/A", "#NA", "#NV", "#VALUE!", "#DIV/0!", "#REF!", "#NUM!", "#NULL!", "#NAME?", "-nan", "-NaN"),
    *("unavailable", "unknown", "Unavailable", "Unknown", "UNAVAILABLE", "UNKNOWN", "missing", "Missing"),
    *("No Data", "no data", "NoData"),
)
# Numbers that instruments write where there is no reading. They are readings unless --missing says otherwise.
SENTINELS: tuple[float, ...] = (
    *(-9.99, -99.0, -99.9, -99.99, -200.0, -999.0, -999.9, -999.99, -9999.0, -9999.9, -99999.0),
    *(9999.0, 9999.9, 99999.0, 999999.0, -32768.0, 32767.0, 65535.0),
)
STATES = {"on": 1.0, "true": 1.0, "yes": 1.0, "open": 1.0, "off": 0.0, "false": 0.0, "no": 0.0, "closed": 0.0}

PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")
INFINITE = re.compile(r"[-+]?(?i:inf|infinity)")  # no reading either
GROUPS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+")  # 1,234: thousands, or thousandths
GROUPS_AND_POINT = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+\.\d*|[-+]?[1-9]\d{0,2}(?:,\d{3}){2,}")
GROUPS_AND_COMMA = re.compile(
    r"[-+]?[1-9]\d{0,2}(?:[.' \u00a0\u202f]\d{3})+,\d+|[-+]?[1-9]\d{0,2}(?:\.\d{3}){2,}"
)
WITH_UNIT = re.compile(
    r"([-+]?[\d.,]*\d[\d.,]*(?:[eE][-+]?\d+)?)\s*([^\W\d_]{1,8}(?:[/²³][^\W\d_]{0,4}\d?)?|[°%‰µ][^\d\s]{0,6})"
)
LONG = 40  # characters: no number is longer


class Cell(NamedTuple):
    """kind: "point", "comma", "groups" (either sign), "state", "missing" or "text"; unit: of a number."""

    kind: str
    unit: str = ""


def kind_of(cell: str, missing: frozenset[str]) -> Cell:
    """Return what a cell is."""
    if cell in missing or INFINITE.fullmatch(cell):
        return Cell("missing")
    if len(cell) > LONG:
        return Cell("text")
    kind = _plain_kind(cell)
    if kind is not None:
        return Cell(kind)
    if cell.lower() in STATES:
        return Cell("state")
    found = WITH_UNIT.fullmatch(cell)
    kind = _plain_kind(found[1]) if found else None
    return Cell(kind, found[2]) if found and kind is not None else Cell("text")


def _plain_kind(cell: str) -> str | None:
    if PLAIN.fullmatch(cell) or GROUPS_AND_POINT.fullmatch(cell):
        return "point"
    if GROUPS.fullmatch(cell):
        return "groups"
    return "comma" if COMMA.fullmatch(cell) or GROUPS_AND_COMMA.fullmatch(cell) else None


def numbers(
    cells: Sequence[object], missing: frozenset[str], decimal: str, unit: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the cells' numbers, NaN where one is missing or infinite, and which are no numbers; (n,) each.

    A text becomes the very float that a live payload of its characters would.
    """
    import pandas as pd

    texts = pd.Series(np.asarray(cells, dtype=object)).map(lambda cell: str(cell).strip())
    if unit:
        texts = texts.str.replace(_UNIT_ALONE, r"\1", regex=True)
    plain = texts if decimal == "." else texts.str.replace(r"[.' \u00a0\u202f]", "", regex=True)
    plain = plain.str.replace(",", "." if decimal == "," else "", regex=False)
    grammar = texts.str.fullmatch(_GRAMMARS[decimal]).to_numpy(dtype=np.bool_)
    values = pd.to_numeric(plain.where(grammar), errors="coerce").to_numpy(dtype=np.float64).copy()
    values[np.isinf(values)] = np.nan
    bad = ~grammar
    for i in np.flatnonzero(bad).tolist():
        state = STATES.get(texts[i].lower())
        if state is not None:
            values[i] = state
        bad[i] = state is None and texts[i] not in missing
    return values, bad


_UNIT_ALONE = re.compile(rf"^(?:{WITH_UNIT.pattern})$")
_GRAMMARS = {
    ".": "|".join([PLAIN.pattern, GROUPS_AND_POINT.pattern, GROUPS.pattern, INFINITE.pattern]),
    ",": "|".join([r"[-+]?\d+", COMMA.pattern, GROUPS_AND_COMMA.pattern, r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+"])
    + rf"|[-+]?\d+(?:[eE][-+]?\d+)?|{INFINITE.pattern}",
}
