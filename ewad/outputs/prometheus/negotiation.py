"""What a client accepts: the form of /metrics and its compression. Source: RFC 9110, section 12.5."""

from __future__ import annotations

from collections.abc import Iterator

OPENMETRICS = "application/openmetrics-text"
OPENMETRICS_VERSIONS = (None, "0.0.1", "1.0.0")


def wants_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics is asked for by name, at least as much as anything else."""
    asked, others = 0.0, 0.0
    for name, parameters in _items(accept):
        if name != OPENMETRICS:
            others = max(others, _quality(parameters))
        elif parameters.get("version") in OPENMETRICS_VERSIONS:
            asked = max(asked, _quality(parameters))
    return asked > 0.0 and asked >= others


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip is accepted by name."""
    return any(name == "gzip" and _quality(parameters) > 0.0 for name, parameters in _items(accept_encoding))


def _items(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the names of an Accept-like header with their parameters, all in lower case."""
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        yield name, {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def _quality(parameters: dict[str, str]) -> float:
    """Return q, 1 when absent; what is not a number from 0 to 1 counts as 0."""
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
