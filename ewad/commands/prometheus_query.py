"""A range of samples asked from a Prometheus over HTTP, into a file that is read as every other is."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ewad.config.syntax import mask_url, parse_duration
from ewad.errors import ConfigError, SourceError
from ewad.ingest.files import Fetched
from ewad.ingest.files.prometheus_json import document

MOST_POINTS = 10_000  # of a series in one answer; Prometheus refuses more than 11,000
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Range:
    """A query over a range of time. last, step: durations such as "30d" and "1m"."""

    url: str
    query: str
    last: str = "7d"
    step: str = "1m"


def fetch(wanted: Range, path: Path, now: float | None = None) -> Fetched:
    """Write the samples of the query's series to a file, which is called as the address.

    Raises ConfigError or SourceError.
    """
    try:
        last, step = parse_duration(wanted.last), parse_duration(wanted.step)
    except ValueError as error:
        raise ConfigError(f"--last, --step: {error}") from error
    address = mask_url(wanted.url)
    if urllib.parse.urlsplit(wanted.url).scheme not in ("http", "https"):
        raise ConfigError(
            f"--from-prometheus: expected an address such as http://localhost:9090, got {address}"
        )
    end = (time.time() if now is None else now) // step * step  # the same samples whenever it is asked
    series: dict[str, dict[str, Any]] = {}
    for first, until in _ranges(end - last, end, step):
        for found in _answer(wanted, first, until, step):
            key = json.dumps(found["metric"], sort_keys=True)
            series.setdefault(key, {"metric": found["metric"], "values": []})["values"] += found["values"]
    if not series:
        raise SourceError(f"{address}: no series in the last {wanted.last} for {wanted.query}")
    path.write_bytes(document(list(series.values())))
    return Fetched(path, address)


def _ranges(first: float, end: float, step: float) -> Iterator[tuple[float, float]]:
    """Yield ranges of at most MOST_POINTS steps each, that share no step."""
    while first <= end:
        yield first, min(end, first + (MOST_POINTS - 1) * step)
        first += MOST_POINTS * step


def _answer(wanted: Range, first: float, end: float, step: float) -> list[dict[str, Any]]:
    asked = urllib.parse.urlencode({"query": wanted.query, "start": first, "end": end, "step": step})
    address = f"{wanted.url.rstrip('/')}/api/v1/query_range?{asked}"
    where = f"--from-prometheus {mask_url(wanted.url)}"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 (http alone)
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        raise SourceError(f"{where}: {error.code}: {error.read(500).decode(errors='replace')}") from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{where}: {getattr(error, 'reason', error)}") from error
    result: list[dict[str, Any]] = found.get("data", {}).get("result", [])
    return result
