"""Messages -> blocks: presets where they are known, else topics and payloads of one shape as one block."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ewad.commands.totals import Totals, is_uptime, name_of
from ewad.config import StreamSettings, parse, presets
from ewad.config.syntax import LABEL, RESERVED_LABELS, counted
from ewad.errors import DecodeError
from ewad.ingest.block import StreamBlock
from ewad.ingest.formats.fields import TOO_DEEP, numbers
from ewad.ingest.formats.hints import fits, path_text
from ewad.ingest.formats.json import parse_json
from ewad.ingest.formats.records import PayloadRecord
from ewad.ingest.formats.times import zone_offset
from ewad.ingest.formats.zipped import unzipped

MOST_BYTES = 1 << 20
SHOWN = 40  # streams in the table at the end of the configuration
SHOWN_TOPICS = 10
# So many characters of literal levels, and one more, tell a preset by its template: any at all
# where the payload is a document of all the fields that the preset names.
GENERAL = 3
# What payloads are tried as, by these keys of a block, that are neither a number nor a table of JSON.
OTHERS: tuple[dict[str, Any], ...] = (
    {"decimal": ","},
    {"strip_unit": True},
    {"decimal": ",", "strip_unit": True},
    {"format": "senml"},
    {"format": "influx"},
    {"format": "keyvalue"},
)
SPARKPLUG = "spBv1.0/"  # how its topics begin; births explain data, so that one block takes all

COUNTER: tuple[tuple[str, Any], ...] = (("kind", "counter"), ("per", "1h"))  # keys of a total

Payloads = Mapping[str, bytes]
Keys = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class MessageShape:
    """What messages of one block have in common."""

    levels: int
    first: str
    last: str
    keys: Keys
    paths: tuple[str, ...]


@dataclass
class ProposedBlocks:
    """The blocks that were made, as text, and the streams that they give."""

    url: str
    topics: int
    version: str = "5"
    blocks: list[str] = field(default_factory=list)
    streams: list[tuple[str, float]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    uptimes: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """What was found, in a line."""
        return (
            f"{counted(self.topics, 'topic')}: {counted(len(self.blocks), 'block')},"
            f" {counted(len(self.streams), 'stream')}; {counted(len(self.unread), 'topic')} in no block"
        )

    @property
    def text(self) -> str:
        """The configuration."""
        head = [
            "# Written by `ewad init` from the messages that came while it listened.",
            f"# {self.summary}",
            "[mqtt]",
            f"url = {json.dumps(self.url)}",
            *([] if self.version == "5" else [f"version = {json.dumps(self.version)}"]),
            "",
        ]
        table = ["# The streams of these messages:"]
        table += [f"#   {name} = {value!r}" for name, value in self.streams[:SHOWN]]
        if len(self.streams) > SHOWN:
            table.append(f"#   and {len(self.streams) - SHOWN} more")
        if self.left_out:
            table.append(
                f"# Left out by these presets, as no measurements or as totals: {_some(self.left_out)}"
            )
        if self.uptimes:
            table.append(f"# Left out, since an uptime's growth tells nothing: {_some(self.uptimes)}")
        if self.unread:
            topics = _some(self.unread)
            table.append(f"# Without a number in a form that `ewad init` knows, and so in no block: {topics}")
            table.append("# Where one of them has another format, such as csv, add a block with `format`.")
        return "\n".join([*head, *(f"{block}\n" for block in self.blocks), *table, ""])


def described(
    payloads: Payloads,
    url: str,
    version: str = "5",
    arrivals: Mapping[str, float] | None = None,
    zone: str | None = None,
    first: Payloads | None = None,
) -> ProposedBlocks:
    """Return the blocks for the last messages of topics; url, version: of the broker, and of its MQTT.

    arrivals: of messages that were not retained, Unix seconds.  zone: of this machine.  first: the first
    messages of topics.
    """
    found, arrivals = ProposedBlocks(url, len(payloads), version), arrivals or {}
    payloads = {topic: _unpacked(payload) for topic, payload in payloads.items()}
    known = presets_of(payloads)
    found.left_out = sorted(_left_out(payloads, known))
    sparkplug = [topic for topic in payloads if topic.startswith(SPARKPLUG)]
    done = {*known, *found.left_out, *sparkplug}
    rest = {topic: payload for topic, payload in payloads.items() if topic not in done}
    names: set[str] = set()
    for name in sorted(set(known.values())):
        its = [topic for topic, each in known.items() if each == name]
        names.add(name)
        live = [(topic, payloads[topic], arrivals[topic]) for topic in its if topic in arrivals]
        found.blocks.append(
            f"# {counted(len(its), 'topic')} as {name} has them: see `ewad presets {name}`\n"
            f"[[stream]]\npreset = {json.dumps(name)}{_zone_line(name, live, zone)}"
        )
    if sparkplug:
        names.add("sparkplug")
        found.blocks.append(
            f"# {counted(len(sparkplug), 'topic')} of Sparkplug B, such as {json.dumps(sparkplug[0])}\n"
            f'[[stream]]\nname = "sparkplug"\ntopic = "{SPARKPLUG}#"\nformat = "sparkplug"'
        )
    earlier = {topic: _unpacked(payload) for topic, payload in (first or {}).items()}
    totals = Totals((topic, earlier.get(topic, payload), payload) for topic, payload in rest.items())
    for shape, topics in _shapes(rest, totals, found).items():
        found.blocks.append(_block(shape, topics, rest, names))
    found.streams = list(_streams(found, payloads)) if found.blocks else []
    return found


def _zone_line(name: str, messages: Sequence[tuple[str, bytes, float]], zone: str | None) -> str:
    """Return the line of a preset's block that puts times right which are as far off as zones differ.

    messages: topic, payload, arrival.  zone: of this machine, which the devices may have as well.
    """

    def offsets(**keys: str) -> set[float]:
        readers = [block for block in _blocks_of({"preset": name, **keys}) if block.settings.time_field]
        return {
            zone_offset(record.time, arrival)
            for topic, payload, arrival in messages
            for block in readers
            if block.takes(topic) and _covers(block, topic)
            for record in _records(block, topic, payload, arrival)
            if record.time is not None
        } - {0.0}

    found = offsets()
    if not found:
        return ""
    if zone is not None and not offsets(time_zone=zone):
        return f"\ntime_zone = {json.dumps(zone)}  # this machine's: the devices tell local time, it seems"
    offset = min(found)
    return (
        f"\n# A time was {abs(offset) / 3600.0:g} h {'before' if offset < 0.0 else 'after'} its arrival:"
        " set time_zone to what the devices are set to, such as\n"
        '# time_zone = "Europe/Berlin"'
    )


def _some(topics: Sequence[str]) -> str:
    more = f" and {len(topics) - SHOWN_TOPICS} more" if len(topics) > SHOWN_TOPICS else ""
    return ", ".join(map(json.dumps, topics[:SHOWN_TOPICS])) + more


def _unpacked(payload: bytes) -> bytes:
    try:
        return unzipped(payload, MOST_BYTES)
    except DecodeError:
        return payload


def _left_out(payloads: Payloads, known: Mapping[str, str]) -> Iterator[str]:
    """Yield the topics that presets which others are of would take, but for `exclude_topic`."""
    blocks = [block for name in set(known.values()) for block in _blocks_of({"preset": name})]
    for topic in payloads.keys() - known.keys():
        if any(_covers(block, topic) and not block.takes(topic) for block in blocks):
            yield topic


def _covers(block: StreamBlock, topic: str) -> bool:
    return any(template.mismatch(topic) is None for template in block.templates)


def presets_of(payloads: Payloads) -> dict[str, str]:
    """Return topic -> preset, of the topics that one takes: the one whose template says most of the topic."""
    best: dict[str, tuple[int, str]] = {}
    for name in presets.names():
        for block in _blocks_of({"preset": name}):
            for topic, payload in payloads.items():
                said = _literal(block, topic)
                least = 0 if _has_all_fields(block, payload) else GENERAL
                if said > max(least, best.get(topic, (0, ""))[0]):
                    best[topic] = said, name
    return {topic: name for topic, (_, name) in best.items()}


def _has_all_fields(block: StreamBlock, payload: bytes) -> bool:
    """Return whether a payload is a document with a number in each field that the block names."""
    named = {path for path, _ in block.settings.fields}
    return bool(named) and named <= set(_paths(payload))


def _blocks_of(raw: dict[str, object]) -> list[StreamBlock]:
    return [
        StreamBlock(group, settings, MOST_BYTES)
        for group, settings in enumerate(parse({"stream": [raw]}, "preset", {}).streams)
    ]


def _literal(block: StreamBlock, topic: str) -> int:
    """Return how many characters of a topic the block's template spells out; 0 if it does not take it."""
    if not block.takes(topic):
        return 0
    matching = [template for template in block.templates if template.mismatch(topic) is None]
    spelled = (sum(len(level) for level in each.levels if level not in ("+", "#")) for each in matching)
    return max(spelled, default=0)


def _values(block: StreamBlock, topic: str, payload: bytes) -> Iterator[tuple[str, float]]:
    return (
        (block.stream_name(topic, record.key), block.scaled(record.value))
        for record in _records(block, topic, payload, 0.0)
        if isinstance(record.value, float)
    )


def _records(block: StreamBlock, topic: str, payload: bytes, arrival: float) -> Sequence[PayloadRecord]:
    """Return what a block reads of a payload, nothing if it can't."""
    try:
        return block.reader.read(topic, payload, arrival)
    except DecodeError:
        return ()


def _shapes(payloads: Payloads, totals: Totals, told: ProposedBlocks) -> dict[MessageShape, list[str]]:
    """Return the shapes of messages and their topics. A document with totals is of two: they are counters."""
    shapes: dict[MessageShape, list[str]] = defaultdict(list)
    number, *others = (_block_of_keys(keys) for keys in ({}, *OTHERS))
    for topic, payload in sorted(payloads.items()):
        if topic.startswith("$") or {"+", "#", "\0"} & set(topic):
            continue
        levels = topic.split("/")
        last = levels[-1] if len(levels) > 2 else ""
        found = _form_of(topic, payload, number, others)
        if found is None:
            told.unread.append(topic)
            continue
        keys, paths = found
        parts: dict[Keys, list[str]] = {}
        for name in paths or (name_of(topic),):
            if is_uptime(name):
                told.uptimes.append(f"{topic}: {name}" if paths else topic)
            else:
                parts.setdefault(keys + (COUNTER if totals.has(name) else ()), []).append(name)
        for of_part, its in parts.items():
            shape = MessageShape(len(levels), levels[0], last, of_part, tuple(its) if paths else ())
            shapes[shape].append(topic)
    return shapes


def _block_of_keys(keys: dict[str, Any]) -> StreamBlock:
    return StreamBlock(0, StreamSettings(name="any", topics=("#",), **keys), MOST_BYTES)


def _form_of(
    topic: str, payload: bytes, number: StreamBlock, others: Sequence[StreamBlock]
) -> tuple[Keys, tuple[str, ...]] | None:
    """Return the keys by which a block reads numbers of a payload, and of JSON their paths; None: none do."""
    if any(_values(number, topic, payload)):
        return (), ()
    if paths := _paths(payload):
        return (("format", "json"),), paths
    for keys, block in zip(OTHERS, others, strict=True):
        if fits(block.settings.format, payload) and any(_values(block, topic, payload)):
            return tuple(keys.items()), ()
    return None


def _paths(payload: bytes) -> tuple[str, ...]:
    """Return the paths of the numbers of a document, none if it is no document.

    Numbers are left out whose keys mean something else in a path.
    """
    try:
        document = parse_json(payload, MOST_BYTES)
    except DecodeError:
        return ()
    if type(document) is not dict:
        return ()
    found = (steps for steps, number in numbers(document) if number is not TOO_DEEP)
    return tuple(sorted(path_text(steps) for steps in found if _is_plain(steps)))


def _is_plain(steps: Sequence[str]) -> bool:
    """Return whether a path of these keys leads there: without captures, a "*" behind and ^ in front."""
    captures = any(step.startswith("{") and step.endswith("}") for step in steps)
    return not (captures or steps[0].startswith("^") or steps[-1] == "*")


def _block(shape: MessageShape, topics: list[str], payloads: Payloads, names: set[str]) -> str:
    """Return the text of a block for topics of one shape."""
    template, name = _template(topics)
    number, base = 2, name
    while name in names:
        name, number = f"{base}-{number}", number + 1
    names.add(name)
    sample = payloads[topics[0]][:60].decode("utf-8", "replace")
    lines = [
        f"# {counted(len(topics), 'topic')}, such as {json.dumps(topics[0])} with {json.dumps(sample)}",
        "[[stream]]",
        f"name = {json.dumps(name)}",
        f"topic = {json.dumps(template, ensure_ascii=False)}",
    ]
    lines += [f"{key} = {json.dumps(value)}" for key, value in shape.keys]
    if shape.paths:
        several = len(shape.paths) > 1 or shape.keys[-2:] == COUNTER  # a list names the streams by the field
        written = json.dumps(list(shape.paths) if several else shape.paths[0], ensure_ascii=False)
        lines.append(f"field = {written}")
    return "\n".join(lines)


def _template(topics: list[str]) -> tuple[str, str]:
    """Return a template that takes these topics, of as many levels each, and a name for it."""
    columns = [set(column) for column in zip(*(topic.split("/") for topic in topics), strict=True)]
    levels, words = [], []
    for place, texts in enumerate(columns):
        if len(texts) == 1 and not set(next(iter(texts))) & set("{}"):
            levels.append(next(iter(texts)))
            words.append(levels[-1])
        else:
            levels.append(f"{{{_capture(levels[-1] if levels else '', place + 1)}}}")
    return "/".join(levels), "-".join(word for word in words if word) or "messages"


def _capture(before: str, number: int) -> str:
    """Return a name for a level that varies: "sensor" behind "sensors"."""
    word = before.removesuffix("s")
    usable = word != before and LABEL.fullmatch(word) and word not in RESERVED_LABELS
    return word if usable else f"level{number}"


def _streams(found: ProposedBlocks, payloads: Payloads) -> Iterator[tuple[str, float]]:
    """Yield the streams of these messages, and their values."""
    settings = parse("\n".join(found.blocks), "what was found", {})
    blocks = [StreamBlock(group, block, MOST_BYTES) for group, block in enumerate(settings.streams)]
    for topic, payload in sorted(payloads.items()):
        for block in blocks:
            if block.takes(topic) and _covers(block, topic):
                yield from _values(block, topic, payload)
