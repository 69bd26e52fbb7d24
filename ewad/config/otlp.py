"""[otlp]: results pushed to a collector by the OpenTelemetry protocol."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from ewad.config import files
from ewad.config.checks import fail
from ewad.config.kinds import checked, choice, duration, integer, text
from ewad.config.options import DocumentPlace, Option, table_of
from ewad.config.secret import Secret
from ewad.config.section import Section
from ewad.config.syntax import quoted

DEFAULT_PATH = "/v1/metrics"
OWN_HEADERS = ("content-type", "content-encoding", "content-length", "host", "user-agent")


class Endpoint(NamedTuple):
    """Where metrics are posted. path: with the query, if there is one."""

    secure: bool
    host: str
    port: int
    path: str


def parse_endpoint(url: str) -> Endpoint:
    """Return where an OTLP receiver is. Raises ValueError."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError("expected an address without a user: put the Authorization header into headers_file")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1 or parts.fragment:
        raise ValueError(f'expected an address such as "http://host:4318/v1/metrics", got {quoted(url)}')
    secure = parts.scheme == "https"
    path = parts.path if parts.path not in ("", "/") else DEFAULT_PATH
    query = f"?{parts.query}" if parts.query else ""
    return Endpoint(secure, parts.hostname, port or (443 if secure else 80), path + query)


ENDPOINT = checked(parse_endpoint, "address: http:// or https://")


class OtlpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where metrics are pushed, how often, and what is kept while nobody takes them."""

    endpoint: Annotated[
        str,
        Option(
            ENDPOINT,
            "The receiver. Without a path metrics are posted to `/v1/metrics`.",
            example="http://collector:4318/v1/metrics",
            required=True,
            since="0.2.0",
        ),
    ]
    interval_seconds: Annotated[
        float, Option(duration("100ms", "1d"), "How often metrics are pushed.", since="0.2.0")
    ] = 15.0
    samples: Annotated[
        Literal["all", "last"],
        Option(
            choice("all", "last"),
            "Whether every sample is pushed, or the last one of each stream in an interval.",
            since="0.2.0",
        ),
    ] = "all"
    headers_file: Annotated[
        str | None,
        Option(text, "Lines `name: value` that each request has, such as Authorization.", since="0.2.0"),
    ] = None
    ca_file: Annotated[
        str | None,
        Option(text, "The certificates to trust, in PEM; without it the system's.", since="0.2.0"),
    ] = None
    service_name: Annotated[
        str, Option(text, "The resource attribute service.name, which Prometheus calls job.", since="0.2.0")
    ] = "ewad"
    backlog_bytes: Annotated[
        int,
        Option(
            integer(1, 2**40),
            "How much compressed data waits while it can't be pushed; the oldest gives way."
            " With [state] it waits on the disk, beside the state file.",
            since="0.2.0",
        ),
    ] = 64 * 2**20
    backlog_age_seconds: Annotated[
        float,
        Option(
            duration("1s", "365d"),
            "For how long data waits. Prometheus refuses what is older than its"
            " `out_of_order_time_window` allows.",
            since="0.2.0",
        ),
    ] = 86_400.0


OTLP = table_of("[otlp]", "Results pushed by OTLP over HTTP. Without this table nothing is.", OtlpSettings)


def otlp_settings(values: dict[str, Any], place: DocumentPlace) -> OtlpSettings:
    """Return the settings of checked values. Raises Invalid."""
    files.resolve(values, place.base)
    if "ca_file" in values and not parse_endpoint(values["endpoint"]).secure:
        raise fail(f"needs an https:// endpoint, got {values['endpoint']}", "ca_file")
    if "headers_file" in values:
        place.secrets["otlp_headers"] = _headers(values["headers_file"])
    return OtlpSettings(**values)


def _headers(file: str) -> tuple[tuple[str, Secret], ...]:
    """Return names and values of a file of lines `name: value`; empty lines and # comments are skipped."""
    found: list[tuple[str, Secret]] = []
    for number, line in enumerate(files.content(file, "headers_file").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
            raise fail(f"{file}: line {number}: expected a header such as name: value", "headers_file")
        if not value.isprintable() or not value.isascii():
            raise fail(f"{file}: line {number}: expected a value of printable ASCII", "headers_file")
        if name.lower() in OWN_HEADERS:
            raise fail(f"{file}: line {number}: expected no {name}: ewad sets it itself", "headers_file")
        found.append((name, Secret(value)))
    return tuple(found)


SECTION = Section(OTLP, otlp_settings)
