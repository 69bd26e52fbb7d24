"""A range of samples asked from a Prometheus over HTTP, into a file that is read as every other is."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from ewad.config.syntax import mask_url, parse_duration
from ewad.errors import ConfigError, SourceError
from ewad.ingest.files import Fetched
from ewad.ingest.files.prometheus_json import document

MOST_POINTS = 10_000  # of a series in one answer; Prometheus refuses more than 11,000
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Range:
    """A query over a range of time. url may hold user and password.

    last, step: durations such as "30d" and "1m".
    """

    url: str
    query: str
    last: str = "7d"
    step: str = "1m"


class _Server(NamedTuple):
    """A Prometheus. url: without user and password. authorization: the header with them, "" for none."""

    url: str
    authorization: str


def fetch(wanted: Range, path: Path, now: float | None = None) -> Fetched:
    """Write the samples of the query's series to a file, which is called as the address.

    Raises ConfigError or SourceError.
    """
    try:
        last, step = parse_duration(wanted.last), parse_duration(wanted.step)
    except ValueError as error:
        raise ConfigError(f"--last, --step: {error}") from error
    server = _server(wanted.url)
    end = (time.time() if now is None else now) // step * step  # the same samples whenever it is asked
    series: dict[str, dict[str, Any]] = {}
    for first, until in _ranges(end - last, end, step):
        for found in _answer(server, wanted.query, first, until, step):
            key = json.dumps(found["metric"], sort_keys=True)
            series.setdefault(key, {"metric": found["metric"], "values": []})["values"] += found["values"]
    if not series:
        raise SourceError(f"{server.url}: no series in the last {wanted.last} for {wanted.query}")
    path.write_bytes(document(list(series.values())))
    return Fetched(path, server.url)


def _ranges(first: float, end: float, step: float) -> Iterator[tuple[float, float]]:
    """Yield ranges of at most MOST_POINTS steps each, that share no step."""
    while first <= end:
        yield first, min(end, first + (MOST_POINTS - 1) * step)
        first += MOST_POINTS * step


def _server(url: str) -> _Server:
    """Return where the url leads, and what is said there to be let in. Raises ConfigError."""
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # its text may quote a piece of the password
        usable = False
    # a password with a "/", "?" or "#" that is not escaped ends up behind the host
    if (
        not usable
        or " " in url
        or not url.isprintable()
        or "@" in parts.path
        or parts.query
        or parts.fragment
    ):
        got = f"expected an address such as http://localhost:9090, got {mask_url(url)}"
        raise ConfigError(f"--from-prometheus: {got}")
    userinfo, at, host = parts.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    told = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
    credentials = base64.b64encode(told.encode()).decode()
    return _Server(parts._replace(netloc=host).geturl().rstrip("/"), f"Basic {credentials}" if at else "")


def _answer(server: _Server, query: str, first: float, end: float, step: float) -> list[dict[str, Any]]:
    asked = urllib.parse.urlencode({"query": query, "start": first, "end": end, "step": step})
    request = urllib.request.Request(f"{server.url}/api/v1/query_range?{asked}")  # noqa: S310 (http alone)
    if server.authorization:
        request.add_unredirected_header("Authorization", server.authorization)  # no other host is told
    where = f"--from-prometheus {server.url}"
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 (http alone)
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        why = error.read(500).decode(errors="replace").strip() or error.reason
        raise SourceError(f"{where}: {error.code}: {why}") from error
    except (OSError, ValueError, HTTPException) as error:
        raise SourceError(f"{where}: {getattr(error, 'reason', error)}") from error
    result: list[dict[str, Any]] = found.get("data", {}).get("result", [])
    return result
