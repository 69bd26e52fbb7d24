"""The small notations of the configuration: durations, broker addresses, listen addresses, topic templates.

Each function takes the text and raises ValueError saying what was expected and what came.
"""

from __future__ import annotations

import ipaddress
import math
import re
import warnings
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
DURATION = r"([0-9]+(\.[0-9]+)?(ms|[smhdw]))+"
_DURATION = re.compile(DURATION)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])", re.ASCII)

Transport = Literal["tcp", "tls", "ws", "wss"]
SCHEMES: dict[str, tuple[Transport, int]] = {  # scheme -> transport, default port
    "mqtt": ("tcp", 1883),
    "mqtts": ("tls", 8883),
    "ws": ("ws", 80),
    "wss": ("wss", 443),
}

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
# `model` is a label of models alone, whose series have no labels of a stream's: a stream may have it.
RESERVED_LABELS = (
    *("stream", "group", "beta", "horizon", "le", "quantile", "expert", "reason"),
    *("ewad_model", "ewad_part", "ewad_threshold", "ewad_shard"),  # where a stream's label takes ewad's name
)
MAX_TOPIC_BYTES = 65535  # MQTT: a string's length is written in two bytes


class BrokerAddress(NamedTuple):
    """Where a broker is; path is that of a websocket."""

    transport: Transport
    host: str
    port: int
    path: str
    username: str | None
    password: str | None


class ListenAddress(NamedTuple):
    """Where to listen; an empty host means every interface."""

    host: str
    port: int


class TopicSyntax(NamedTuple):
    """A topic template taken apart: its MQTT filter, the filter's levels, and each level's label or ""."""

    filter: str
    levels: tuple[str, ...]
    names: tuple[str, ...]


def parse_duration(text: str) -> float:
    """Return the seconds of "250ms", "5m", "30d" or "1h30m"."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f'expected a duration such as "250ms", "5m" or "1h30m", got {quoted(text)}')
    seconds = sum(float(number) * UNIT_SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    if not math.isfinite(seconds):
        raise ValueError(f"expected a finite duration, got {quoted(text)}")
    return seconds


def format_duration(seconds: float) -> str:
    """Return the duration in its largest whole units: 5400 gives "1h30m"."""
    milliseconds, parts = round(seconds * 1000), []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_url(url: str) -> BrokerAddress:
    """Return the parts of mqtt://[user[:password]@]host[:port], or mqtts://, ws:// and wss:// with a path."""
    expected = f'expected an address such as "mqtt://localhost:1883", got {quoted(mask_url(url))}'
    if any(character.isspace() or ord(character) < 32 for character in url):
        raise ValueError(f"{expected}: it holds white space")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:  # its text may quote a piece of the password
        raise ValueError(f"{expected}: it must be scheme://host:port, the port in 1..65535") from error
    if parts.scheme not in SCHEMES:
        raise ValueError(f"{expected}: the scheme must be one of {', '.join(SCHEMES)}")
    if not parts.hostname:
        raise ValueError(f"{expected}: it names no host")
    _check_host(parts.hostname, expected)
    if port == 0:
        raise ValueError(f"{expected}: the port must be in 1..65535")
    transport, default_port = SCHEMES[parts.scheme]
    websocket = transport in ("ws", "wss")
    if parts.fragment or (not websocket and (parts.path not in ("", "/") or parts.query)):
        raise ValueError(f"{expected}: only websocket addresses have a path")
    path = (parts.path or "/mqtt") + (f"?{parts.query}" if parts.query else "") if websocket else ""
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return BrokerAddress(transport, parts.hostname, port or default_port, path, username, password)


def _check_host(host: str, expected: str) -> None:
    try:
        host.encode("idna")  # as the name look-up will
    except UnicodeError as error:
        raise ValueError(
            f"{expected}: the parts of a host name between its dots have 1 to 63 characters"
        ) from error


_SCHEME = re.compile(rf"(?:{'|'.join(SCHEMES)})://", re.IGNORECASE)
_NO_PASSWORD = re.compile(r"(\[[^\]]*\]|[^:/#]*)(:\d{0,5})?([/#].*)?", re.DOTALL)  # host, port, path


def mask_url(url: str) -> str:
    """Return url with its password and query, if it holds any, replaced by three asterisks.

    Of addresses that are none it rather hides too much: a password may hold any character.
    """
    scheme = _SCHEME.match(url)
    start = scheme.end() if scheme else 0
    address, question_mark, query = url[start:].partition("?")
    user, at, host = address.rpartition("@")
    name, colon, _ = address.partition(":")
    if "@" in query and colon:  # the "?" may be the password's
        address = f"{name}:***"
    elif at and ":" in user:
        address = f"{name}:***@{host}"
    elif not at and not _NO_PASSWORD.fullmatch(address):
        address = f"{name}:***"
    return url[:start] + address + ("?***" if question_mark else "")


def parse_listen(text: str) -> ListenAddress:
    """Return host and port of "127.0.0.1:9466", "[::1]:9466" or ":9466"."""
    expected = f'expected "host:port" such as "127.0.0.1:9466", "[::1]:9466" or ":9466", got {quoted(text)}'
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(expected)
    if host.startswith("[") and host.endswith("]"):
        try:
            return ListenAddress(str(ipaddress.IPv6Address(host[1:-1])), int(port))
        except ValueError as error:
            raise ValueError(expected) from error
    if not re.fullmatch(r"[A-Za-z0-9._-]*", host):
        raise ValueError(expected)
    return ListenAddress(host, int(port))


def format_listen(address: ListenAddress) -> str:
    """Return the text that parse_listen reads as the address."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


def parse_topic(text: str) -> TopicSyntax:
    """Return the parts of a topic template such as "site/{room}/temperature".

    {name} captures one whole level as a label; + stands for any level, # as the last level for any rest.
    "$share/group/..." subscribes together with others; what follows the group is the template.
    """
    prefix, template = _split_share(text)
    if not template:
        raise ValueError('expected a topic such as "site/{room}/temperature", got an empty text')
    check_topic_text(text)
    levels = template.split("/")
    names = tuple(_captured(level, text) for level in levels)
    labels = [name for name in names if name]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"expected each {{name}} once, got {{{label}}} twice in {quoted(text)}")
    if "#" in levels[:-1]:
        raise ValueError(f"expected # as the last level only, got {quoted(text)}")
    plain = tuple("+" if name else level for level, name in zip(levels, names, strict=True))
    return TopicSyntax(prefix + "/".join(plain), plain, names)


def parse_external(text: str) -> TopicSyntax:
    """Return what to subscribe to for a topic template of external forecasts, such as "forecast/{stream}".

    {stream} is the name of a stream, which may be several levels; another {name} is one of its labels.
    """
    found = parse_topic(text.replace("{stream}", "{_name}"))  # which no label of a block is called
    if text.startswith("$") or set(text) & set("+#"):
        raise ValueError(
            f'expected a topic such as "forecast/{{stream}}", without + and #, got {quoted(text)}'
        )
    if "_name" not in found.names:
        return found
    levels = (*found.levels[: found.names.index("_name")], "#")
    return TopicSyntax("/".join(levels), levels, found.names)


def _split_share(text: str) -> tuple[str, str]:
    if not text.startswith("$share/"):
        return "", text
    group, slash, template = text.removeprefix("$share/").partition("/")
    if not group or not slash or not template or set(group) & set("+#{}"):
        raise ValueError(f'expected "$share/group/topic", got {quoted(text)}')
    return f"$share/{group}/", template


def check_topic_text(text: str) -> None:
    """Raise ValueError if MQTT can't carry a topic or filter."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"expected a topic in UTF-8, got {quoted(text)}") from error
    if size > MAX_TOPIC_BYTES:
        raise ValueError(f"expected a topic of at most {MAX_TOPIC_BYTES} bytes, got {size}")
    if "\0" in text:
        raise ValueError(f"expected a topic without NUL characters, got {quoted(text)}")


def _captured(level: str, text: str) -> str:
    """Return the name that a level captures, "" for none."""
    if level.startswith("{") and level.endswith("}"):
        name = level[1:-1]
        if not LABEL.fullmatch(name) or name.startswith("__"):
            raise ValueError(
                f"expected a label name of letters, digits and _ in {quoted(text)}, got {{{name}}}"
            )
        if name in RESERVED_LABELS:
            raise ValueError(
                f"{{{name}}} in {quoted(text)}: the label {name} is reserved; choose another name,"
                f" such as device_{name}"
            )
        return name
    if "{" in level or "}" in level:
        raise ValueError(f"expected {{name}} to be a whole level, got {quoted(level)} in {quoted(text)}")
    if level not in ("+", "#") and ("+" in level or "#" in level):
        raise ValueError(f"expected + or # to be a whole level, got {quoted(level)} in {quoted(text)}")
    return ""


def check_payload_label(name: str) -> str:
    """Return the name of a label whose value the payload tells. Raises ValueError."""
    if not LABEL.fullmatch(name) or name.startswith("__"):
        raise ValueError(f"expected a label name of letters, digits and _, got {quoted(name)}")
    if name in RESERVED_LABELS:
        raise ValueError(f"the label {name} is reserved; choose another name, such as device_{name}")
    return name


DSMR = "dsmr"  # a time_format of its own: smart meters of the Netherlands, Belgium and Luxembourg


def check_time_format(text: str) -> str:
    """Return a time_format that strptime understands. Raises ValueError."""
    expected = f'expected a format as strptime\'s, such as "%d.%m.%Y %H:%M:%S", got {quoted(text)}'
    if text == DSMR:
        return text
    try:
        moment = datetime(2026, 2, 10, 5, 5, 47, tzinfo=UTC)
        with warnings.catch_warnings():  # Python 3.13 warns of days without a year, which are refused below
            warnings.simplefilter("ignore", DeprecationWarning)
            read = datetime.strptime(moment.strftime(text), text)
    except ValueError as error:
        raise ValueError(f"{expected}: {error}") from error
    if "%" not in text:
        raise ValueError(expected)
    if read.date() != moment.date():
        raise ValueError(f"{expected}: it tells no date with a year, and samples would be of 1900")
    return text


def counted(n: int, noun: str) -> str:
    """Return so many of them: "1 stream", "2,000 streams"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def quoted(text: str, limit: int = 60) -> str:
    """Return text in double quotes for a message: control characters escaped, cut after limit characters."""
    cut = text[:limit].encode(
        "unicode_escape" if not text[:limit].isprintable() else "utf-8", "backslashreplace"
    )
    return f'"{cut.decode()}"' + ("..." if len(text) > limit else "")


_OTHER_NOTATIONS = (  # of programs that people know, and what they mean here
    (re.compile(r"\$\.?(.+)"), r"\1"),
    (re.compile(r"\{\{ *value_json\.?(.+?) *(?:\|.*)?\}\}"), r"\1"),
    (re.compile(r"value_json(?=[.\[])\.?(.+)"), r"\1"),
    (re.compile(r"msg\.payload\.(.+)"), r"\1"),
    (re.compile(r"(.+)"), r"\1"),
)
_BRACKETS = re.compile(r"""\.?\[['"]?([^\]'"]*)['"]?\]""")
_EACH = ("*", "#")  # steps that mean each element, to JSONPath, jq (from brackets without a number) and GJSON


def parse_field(text: str) -> tuple[str, ...]:
    """Return the steps of a JSON pointer ("/a/b/0") or a dotted path ("a.b.0") into a document.

    A path with {captures} may be written with slashes: "ZbReceived/{id}/Temperature".
    """
    if text.startswith("/"):
        if re.search(r"~(?![01])", text):
            raise ValueError(f"expected ~0 or ~1 after ~ in a JSON pointer, got {quoted(text)}")
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))
    steps = tuple(text.split("/" if "/" in text and "{" in text and "{{" not in text else "."))
    meant = meant_path(text)
    if meant != text:
        raise ValueError(f"expected a path such as {quoted(meant)}, got {quoted(text)}")
    if "" in steps:
        raise ValueError(f'expected a JSON pointer ("/a/b") or a dotted path ("a.b"), got {quoted(text)}')
    return steps


def meant_path(text: str) -> str:
    """Return what a path in the notation of another program means; others as they are."""
    for pattern, meaning in _OTHER_NOTATIONS:
        if parts := pattern.fullmatch(text):
            plain = _BRACKETS.sub(lambda found: f".{found[1] or '*'}", parts.expand(meaning)).lstrip(".")
            *before, last = plain.split(".")
            names = (f"{{name{n or ''}}}" for n in (0, *range(2, len(before) + 2)))
            return ".".join([*(next(names) if step in _EACH else step for step in before), last])
    return text


def field_name(steps: tuple[str, ...]) -> str:
    """Return the name of a field that stands at the end of these steps: a dotted path."""
    return ".".join(steps)
