"""Messages -> blocks: presets where they are known, else topics and payloads of one shape as one block."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ewad.config import StreamSettings, parse, presets
from ewad.config.syntax import LABEL, RESERVED_LABELS, counted
from ewad.errors import DecodeError
from ewad.ingest.block import StreamBlock
from ewad.ingest.formats.fields import numbers
from ewad.ingest.formats.hints import fits, path_text
from ewad.ingest.formats.json import parse_json

MOST_BYTES = 1 << 20
SHOWN = 40  # streams in the table at the end of the configuration
# So many characters of literal levels, and one more, tell a preset by its template: any at all
# where the payload is a document of all the fields that the preset names.
GENERAL = 3
# What payloads are tried as that are neither a number nor a table of JSON.
FORMATS = ("senml", "influx", "keyvalue")

Payloads = Mapping[str, bytes]


@dataclass(frozen=True)
class MessageShape:
    """What messages of one block have in common."""

    levels: int
    first: str
    last: str
    format: str
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
        if self.unread:
            topics = ", ".join(map(json.dumps, self.unread[:10]))
            table.append(f"# Without a number in a form that `ewad init` knows, and so in no block: {topics}")
            table.append("# Where one of them has another format, such as csv, add a block with `format`.")
        return "\n".join([*head, *(f"{block}\n" for block in self.blocks), *table, ""])


def described(payloads: Payloads, url: str, version: str = "5") -> ProposedBlocks:
    """Return the blocks for the last messages of topics; url, version: of the broker, and of its MQTT."""
    found = ProposedBlocks(url, len(payloads), version)
    known = presets_of(payloads)
    rest = {topic: payload for topic, payload in payloads.items() if topic not in known}
    names: set[str] = set()
    for name in sorted(set(known.values())):
        n = sum(1 for each in known.values() if each == name)
        names.add(name)
        found.blocks.append(
            f"# {counted(n, 'topic')} as {name} has them: see `ewad presets {name}`\n"
            f"[[stream]]\npreset = {json.dumps(name)}"
        )
    for shape, topics in _shapes(rest, found.unread).items():
        found.blocks.append(_block(shape, topics, rest, names))
    found.streams = list(_streams(found, payloads)) if found.blocks else []
    return found


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
    try:
        records = block.reader.read(topic, payload, 0.0)
    except DecodeError:
        return iter(())
    return iter(
        [
            (block.stream_name(topic, record.key), block.scaled(record.value))
            for record in records
            if isinstance(record.value, float)
        ]
    )


def _shapes(payloads: Payloads, unread: list[str]) -> dict[MessageShape, list[str]]:
    shapes: dict[MessageShape, list[str]] = defaultdict(list)
    number, *others = (_block_of_format(form) for form in ("number", *FORMATS))
    for topic, payload in sorted(payloads.items()):
        if topic.startswith("$") or {"+", "#", "\0"} & set(topic):
            continue
        levels = topic.split("/")
        last = levels[-1] if len(levels) > 2 else ""
        form, paths = _format_of(topic, payload, number, others)
        if form:
            shapes[MessageShape(len(levels), levels[0], last, form, paths)].append(topic)
        else:
            unread.append(topic)
    return shapes


def _block_of_format(form: str) -> StreamBlock:
    return StreamBlock(0, StreamSettings(name=form, topics=("#",), format=form), MOST_BYTES)


def _format_of(
    topic: str, payload: bytes, number: StreamBlock, others: Sequence[StreamBlock]
) -> tuple[str, tuple[str, ...]]:
    """Return the format that reads numbers of a payload, and of JSON their paths; "" if none does."""
    if any(_values(number, topic, payload)):
        return "number", ()
    if paths := _paths(payload):
        return "json", paths
    for block in others:
        form = block.settings.format
        if fits(form, payload) and any(_values(block, topic, payload)):
            return form, ()
    return "", ()


def _paths(payload: bytes) -> tuple[str, ...]:
    """Return the paths of the numbers of a document, none if it is no document."""
    try:
        document = parse_json(payload, MOST_BYTES)
    except DecodeError:
        return ()
    if type(document) is not dict:
        return ()
    return tuple(sorted(path_text(steps) for steps, _ in numbers(document)))


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
    if shape.format != "number":
        lines.append(f"format = {json.dumps(shape.format)}")
    if shape.paths:
        several = len(shape.paths) > 1
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
            if _literal(block, topic) or any(t.mismatch(topic) is None for t in block.templates):
                yield from _values(block, topic, payload)
