"""The keys of a [[stream]] block that say what of its values is to be told: anomalies and thresholds."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from ewad.config import checks
from ewad.config.checks import fail
from ewad.config.kinds import Kind, text
from ewad.config.options import options_of
from ewad.numeric.anomaly import AnomalyPolicy
from ewad.numeric.crossing import Threshold

_POLICY = {option.key: option for option in options_of(AnomalyPolicy)}


def _policy(value: Any) -> AnomalyPolicy:
    if not isinstance(value, dict) or not value:
        raise fail(f"expected a table of {', '.join(_POLICY)}, got {checks.shown(value)}")
    found = checks.table(value, {key: option.kind for key, option in _POLICY.items()})
    return AnomalyPolicy(**{_POLICY[key].attribute: each for key, each in found.items()})


def _written_policy(policy: AnomalyPolicy) -> dict[str, Any] | None:
    usual = AnomalyPolicy()
    return {
        key: option.written(policy)
        for key, option in _POLICY.items()
        if option.written(policy) != option.written(usual)
    } or None


ANOMALY = Kind(
    _policy,
    f"table of {', '.join(_POLICY)}",
    {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {key: dict(option.kind.schema) for key, option in _POLICY.items()},
    },
    _written_policy,
)

_CONDITION = re.compile(r"\s*([<>])\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?)\s*")


def _threshold(name: str, value: Any) -> Threshold:
    found = _CONDITION.fullmatch(text(value))
    if found is None:
        raise fail(f'expected a condition such as "> 30" or "< 0", got {checks.shown(value)}')
    return Threshold(text(name), found[1] == ">", float(found[2]))


def _thresholds(value: Any) -> tuple[Threshold, ...]:
    if not isinstance(value, dict) or not value:
        raise fail(f'expected a table such as {{ hot = "> 30" }}, got {checks.shown(value)}')
    return tuple(checks.each((name, partial(_threshold, name, value[name])) for name in value))


def _written_thresholds(thresholds: tuple[Threshold, ...]) -> dict[str, str] | None:
    return {each.name: f"{'>' if each.above else '<'} {each.value:.15g}" for each in thresholds} or None


THRESHOLDS = Kind(
    _thresholds,
    'table { name = "> number" or "< number" }',
    {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "type": "string",
            "pattern": r"^\s*[<>]\s*[-+]?[0-9.]+([eE][-+]?[0-9]{1,2})?\s*$",
        },
    },
    _written_thresholds,
)
