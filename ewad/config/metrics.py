"""[metrics]: what all series have."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import msgspec

from ewad.config import checks
from ewad.config.checks import fail
from ewad.config.kinds import Kind, converted, text
from ewad.config.options import Option, table_of
from ewad.config.syntax import check_payload_label

Labels = tuple[tuple[str, str], ...]
# Labels of single families: ewad's own gives way to that of a stream, but not of all streams.
OWN = "model", "part", "threshold", "shard"


def _labels(value: Any) -> Labels:
    if not isinstance(value, dict) or not value:
        raise fail(f'expected a table such as {{ site = "north" }}, got {checks.shown(value)}')

    def pair(name: str) -> tuple[str, str]:
        converted(check_payload_label, name)
        if name in OWN:
            raise fail(f"the label {name} is reserved; choose another name, such as site_{name}")
        return name, text(value[name])

    return tuple(checks.each((name, partial(pair, name)) for name in value))


LABELS = Kind(
    _labels,
    "table { label = text }",
    {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string", "minLength": 1}},
    lambda labels: dict(labels) or None,
)


class MetricsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What all series have. labels: names and values."""

    labels: Annotated[
        Labels,
        Option(
            LABELS,
            "Labels of every series, scraped or pushed; a stream's own label of the same name wins.",
            example={"site": "north"},
            since="0.2.0",
        ),
    ] = ()


METRICS = table_of("[metrics]", "What all series have.", MetricsSettings)
