"""What is fed with arbitrary bytes. A target returns for any of them; what else it lets out is a fault.

Each allows only the errors that its part of ewad names, and asserts what must hold of what was accepted.
"""

import asyncio
import io
import logging
import math
import tempfile
import zipfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ewad.config import StreamSettings, effective, parse
from ewad.config.passwords import PasswordHash
from ewad.engine import Batch, ByCount, Engine, GroupSettings, ModelSettings
from ewad.errors import ConfigError, DecodeError, SourceError, StateError
from ewad.ingest import files
from ewad.ingest.formats.point import WaitingSamples
from ewad.ingest.formats.reasons import ABSENT, REASONS
from ewad.ingest.formats.records import PayloadReader
from ewad.ingest.formats.table import FORMATS
from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.ingest.mqtt.mqtt5_session import Connection, Mqtt5Session
from ewad.ingest.mqtt.settings import ConnectionSettings, Subscription
from ewad.ingest.topics import TopicTemplate
from ewad.outputs.http.access import _credentials
from ewad.outputs.prometheus.negotiation import accepts_gzip, wants_openmetrics
from ewad.store import model_file
from ewad.store.changes import Changes
from ewad.store.file import StateFile
from ewad.store.log import JournalEntry
from ewad.store.records import Change, CommitRecord, Head, Manifest, encode
from ewad.store.recovery import recover
from tests.ingest.mqtt.bulk import End
from tests.ingest.mqtt.peer import Recorder
from tests.outputs.engines import feed

logging.getLogger("ewad").addHandler(
    logging.NullHandler()
)  # a warning for each damaged file would fill a disk
SCRATCH = Path("/dev/shm") if Path("/dev/shm").is_dir() else None  # files that are written so often


class Target(NamedTuple):
    """A function of bytes, words that its grammar knows, and its share of the long form's inputs."""

    run: Callable[[bytes], None]
    words: tuple[bytes, ...]
    share: float


# Blocks of each format that ask for all that it can be asked for; the first byte of an input chooses one.
BLOCKS: dict[str, list[dict[str, Any]]] = {
    "number": [
        {},
        {"scale": 1e90, "offset": -1e90},
        {
            "decimal": ",",
            "strip_unit": True,
            "states": (("on", 1.0),),
            "valid": (-5.0, 5.0),
            "ignore": (1.0,),
        },
    ],
    "json": [
        {"fields": (("a.b", ""),), "time_field": "t", "time_zone": "Europe/Berlin"},
        {"fields": (("/a/0", "x"), ("b", "y"))},
        {"fields": (("b", ""),)},
        {"fields": (("*", ""),), "labels": (("id", "id"),), "exclude": ("b*",)},
        {"fields": (("*", ""),), "records": "{key}.{each}"},
        {"fields": (("a/{id}/b", ""),), "time_field": "t", "time_format": "%d.%m.%Y %H:%M:%S"},
    ],
    "csv": [{}, {"columns": ("id", "t", "b"), "fields": (("b", ""),), "delimiter": ";", "time_field": "t"}],
    "keyvalue": [{}, {"fields": (("b", ""),), "decimal": ",", "strip_unit": True}],
    "influx": [{}, {"fields": (("b", ""),)}],
    "senml": [{}],
    "sparkplug": [{}, {"fields": (("temp", ""),)}],
}
KINDS = "NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH", "NCMD", "STATE"
# What all of them may meet, whatever they read.
ANYWHERE = (
    b"1e308", b"9" * 62, b"9" * 310, b"nan", b"-", b'"', b"1_0",
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\x1f\x8b\x08", b"\n",
)  # fmt: skip


def decoder(form: str) -> Callable[[bytes], None]:
    """Return the target of a format: any payload is finite numbers and times, or rejected for a known reason.

    And the same twice, but where earlier messages explain later ones.
    """
    settings = [StreamSettings(name=form, topics=("a",), format=form, **more) for more in BLOCKS[form]]
    readers = [PayloadReader(block, 200) for block in settings]
    ways = [_Ways(reader) for reader in readers]
    times = 1 if FORMATS[form].remembers else 2

    def decode(data: bytes) -> None:
        first = data[0] if data else 0
        topic = f"spBv1.0/group/{KINDS[first % len(KINDS)]}/node{first >> 4}/device"
        reader, way = readers[first % len(readers)], ways[first % len(readers)].of(topic)
        taken = way is not None and way.take(data[1:])
        found = [_outcome(reader, topic, data[1:]) for _ in range(times)]
        assert found[0] == found[-1]
        if way is not None:
            way.hold(data[1:], found[0], taken)

    return decode


class _Ways:
    """The quick ways of a reader's topics."""

    def __init__(self, reader: PayloadReader) -> None:
        self._reader = reader
        self._known: dict[str, _Way | None] = {}

    def of(self, topic: str) -> "_Way | None":
        if topic not in self._known:
            opened = self._reader.topic_way and _Way(self._reader, topic)
            self._known[topic] = opened if opened and opened.way else None
        return self._known[topic]


class _Way:
    """The quick way of a reader for one topic: what it takes is what the general way finds after it."""

    def __init__(self, reader: PayloadReader, topic: str) -> None:
        self._reader, self._topic = reader, topic
        self._begin()

    def _begin(self) -> None:
        self._out = WaitingSamples(array("q"), array("d"), array("d"))
        self.way = self._reader.topic_way and self._reader.topic_way(self._topic, self._out)
        self._rows: dict[Any, int] = {}

    def take(self, payload: bytes) -> bool:
        for column in self._out:
            del column[:]
        return bool(self.way.take(payload, 1.0, 1e300))

    def hold(self, payload: bytes, found: list[tuple[object, ...]], taken: bool) -> None:
        samples = [each for each in found if len(each) == 3]
        rows = [self._rows.setdefault(key, len(self._rows)) for key, *_ in samples]
        if taken:
            assert self._out.rows.tolist() == rows
            assert self._out.values.tolist() == [value for _, value, _ in samples]
            times = [1.0 if time is None else time for _, _, time in samples]
            assert self._out.times.tolist() == times or not self._reader.timed
            assert all(each[1] in ABSENT for each in found if len(each) == 2)
        elif len(samples) == len(found):
            self.way.learn(payload, [(key, value) for key, value, _ in samples], self._rows)
        if len(self._rows) > 1000:
            self._begin()


def _outcome(reader: PayloadReader, topic: str, payload: bytes) -> list[tuple[object, ...]]:
    try:
        records = reader.read(topic, payload, 1.0)
    except DecodeError as error:
        assert error.reason in REASONS | ABSENT
        return [(error.reason,)]
    outcome: list[tuple[object, ...]] = []
    for record in records:
        assert record.time is None or math.isfinite(record.time)
        labels, name = record.key
        "".join((name, *(text for label in labels for text in label))).encode()  # outputs carry it as UTF-8
        if isinstance(record.value, DecodeError):
            assert record.value.reason in REASONS | ABSENT
            outcome.append((record.key, record.value.reason))
        else:
            assert math.isfinite(record.value)
            outcome.append((record.key, record.value, record.time))
    return outcome


def topics(data: bytes) -> None:
    """Two templates and a topic, a line each: what covers takes, and what share a topic overlap."""
    one, two, topic, *_ = [*data.decode("utf-8", "surrogateescape").split("\n"), "", "", ""]
    found = []
    for text in (one, two):
        with suppress(ValueError):
            found.append(TopicTemplate.parse(text))
    taken = [template.match(topic) is not None for template in found]
    assert taken == [template.mismatch(topic) is None for template in found]
    if len(found) == 2:
        mine, other = found
        assert not (taken[1] and mine.covers(other)) or taken[0]
        assert not all(taken) or (mine.overlaps(other) and other.overlaps(mine))


def configuration(data: bytes) -> None:
    """A document, or a variable of the environment and its value: settings that read back as they are."""
    text = data[1:].decode("utf-8", "replace")
    document, environ = text, {}
    if data[:1] < b"\x40":  # a quarter
        name, _, value = text.partition("=")
        document, environ = '[[stream]]\nname = "a"\ntopic = "a"\n', {f"EWAD_{name}": value}
    try:
        settings = parse(document, "fuzz", environ)
    except ConfigError as error:
        assert str(error).strip()
        return
    if not settings.secrets.mqtt_password:
        assert parse(effective(settings), "again", {}) == settings


def http(data: bytes) -> None:
    """Headers of a request, and a line of the users' file."""
    text = data.decode("latin-1")
    wants_openmetrics(text)
    accepts_gzip(text)
    _credentials(text)
    _credentials(f"Basic {text}")
    with suppress(ValueError):
        read = PasswordHash.parse(text)
        assert PasswordHash.parse(read.text()) == read


class Deaf(asyncio.Transport):
    """A transport to nobody."""

    def write(self, data: bytes) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def packets(data: bytes) -> None:
    """What a broker sends in reads of any size: the session ends by a SourceError or waits for more."""
    _loop().run_until_complete(_receive(data))


async def _receive(data: bytes) -> None:
    settings = ConnectionSettings(host="h", subscriptions=(Subscription("a/+"), Subscription("+/b")))
    connection = Connection(Mqtt5Session(settings, Recorder(), lambda: 0.0))
    connection.connection_made(Deaf())
    step = 1 + (data[0] if data else 0)
    for start in range(1, len(data), step):
        piece = data[start : start + step]
        connection.get_buffer(-1)[: len(piece)] = piece
        connection.buffer_updated(len(piece))
    if connection.ended.done():
        assert isinstance(connection.ended.exception(), SourceError)
    connection.connection_lost(None)
    assert isinstance(connection.ended.exception(), SourceError)


def bulk(data: bytes) -> None:
    """What a broker sends to topics that are known, in reads of any size: the same in bulk and one by one."""
    ends = End(bulk=True, session_present=True), End(bulk=False, session_present=True)
    step = 1 + (data[0] if data else 0)
    for end in ends:
        end.receive(PLAIN)
        end.receive(data[1:], range(step, len(data) - 1, step))
    assert ends[0].outcome() == ends[1].outcome()


SETTINGS = [GroupSettings("a", (ByCount(0.9),), model=ModelSettings(name="m", lags=2))]


@cache
def _dump() -> dict[str, bytes]:
    engine = Engine(SETTINGS)
    feed(engine, 0, "s", [1.0, 2.0, 4.0, 3.0] * 5, labels=(("k", "v"),))
    return _members(engine.dump())


@cache
def _model() -> dict[str, bytes]:
    with _scratch() as path:
        model_file.save(model_file.TrainedModel("linear", 2, (1,), (), np.zeros(3)), path)
        return _members(path.read_bytes())


def state(data: bytes) -> None:
    """A dump with any bytes of one of its parts changed: refused, or loaded into an engine that works."""
    engine = Engine(SETTINGS)
    try:
        engine.load(_damaged(_dump(), data))
    except StateError:
        return
    engine.dump()


def file(data: bytes) -> None:
    """A state file with any bytes changed, or those of a record, or of a header: recovered or refused."""
    part = data[0] % 3 if data else 0
    with _scratch() as path:
        whole = _state_file(data if part == 1 else b"", data if part == 2 else b"")
        path.write_bytes(whole if part else _changed(whole, data))
        try:
            opened, _ = recover(path, "off", "", lambda: Engine(SETTINGS), 0.0)
        except StateError:
            return
        opened.close()


@lru_cache(maxsize=1)
def _state_file(record_damage: bytes, header_damage: bytes) -> bytes:
    """Return a state file of a snapshot and a record whose bytes are changed, the checksums right."""
    names = [(0, "s", (("k", "v"),)), (0, "t", ())]
    batch = Batch(0, np.array([0, 1, 0], dtype=np.int32), np.arange(3.0), np.ones(3))
    notes = Acknowledgements(pubacks=[1, 2], pubrecs=[3], pubcomps=[4])
    record = encode(CommitRecord.of(Change(names, [batch], [(0, ["t"], [1])], ["a"]), 0, 0, notes))
    with _scratch() as path:
        made, changes = StateFile(path, "off"), Changes(Engine(SETTINGS))
        made.begin_snapshot(whole=True)
        changes.begin(made.add_block, whole=True)
        while changes.copy_next():
            pass
        header, blocks = changes.copied()
        head = encode(Head.of("", Deliveries([1], [2])))
        made.finish_snapshot(1, Manifest(0.0, head, _changed(header, header_damage), []), blocks)
        made.append([JournalEntry(2, 3, _changed(record, record_damage))])
        made.close()
        return path.read_bytes()


def model(data: bytes) -> None:
    """A model file with any bytes of one of its parts changed: refused, or a model."""
    with _scratch() as path:
        path.write_bytes(_damaged(_model(), data))
        with suppress(StateError):
            model_file.load(path)


def table(data: bytes) -> None:
    """A CSV file: samples or messages, or one located error."""
    with _scratch() as path:
        path.write_bytes(data)
        try:
            with closing(files.read(path)) as opened:
                for _ in opened.messages() if opened.layout == "messages" else opened:
                    pass
        except SourceError as error:
            assert str(error).startswith(str(path))


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        yield Path(folder) / "file"


def _members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def _damaged(members: dict[str, bytes], data: bytes) -> bytes:
    """Return the archive with one member changed, its checksum right; or with data only, if that is a zip."""
    if data.startswith(b"PK"):
        return data
    name = sorted(members)[data[0] % len(members) if data else 0]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for member, content in (members | {name: _changed(members[name], data)}).items():
            archive.writestr(member, content)
    return out.getvalue()


PLAIN = b"\x30\x07\x00\x03a/1\x001\x30\x07\x00\x03b/1\x002"
PUBLISH, CONNACK = b"\x30\x07\x00\x03a/b\x00\x31", b"\x20\x03\x00\x00\x00"
SUBACKS = b"\x90\x04\x00\x01\x00\x01\x90\x04\x00\x02\x00\x01"


def _changed(content: bytes, data: bytes) -> bytes:
    """Return the content with bytes changed: after the first of data, three say where and into what."""
    changed = bytearray(content)
    for high, low, byte in zip(data[1::3], data[2::3], data[3::3], strict=False):
        changed[(high << 8 | low) % len(changed)] = byte
    return bytes(changed)


TOML = (
    b'[[stream]]\nname = "a"\ntopic = "a/{b}"\n', b"[mqtt]\n", b"[model.m]\n", b"[http]\n", b"[limits]\n",
    b"[log]\n", b'model = "m"\n', b'url = "mqtt://u:p@h:1/"\n', b"beta = [0.5, 0.9]\n", b'half_life = "1m"\n',
    b'schedule = { kind = "manual", rates = [[0, 0.1]] }\n', b"lags = 3\n", b'optimizer = "adam"\n',
    b"qos = 1\n",
    b'format = "json"\n', b'field = { "a.b" = "x" }\n', b'listen = "[::1]:1"\n', b"= 1\n", b'"', b"{}", b"[]",
    b"MQTT__URL=", b"STREAM__0__BETA=", b"STREAM__1__NAME=", b"MODEL__M__LAGS=", b"1e999", b"nan", b"-1",
)  # fmt: skip
WORDS: dict[str, tuple[bytes, ...]] = {
    "number": (b"on", b"21,5", "\u00b0C".encode(), b"1.234,5"),
    "json": (
        b'{"a": {"b": 1}, "t": 1}', b'{"a": [1], "b": 2}', b'{"b":', b"[", b"]", b"{", b"}", b":", b",",
        b"true", b"null", b"-Infinity", b'"01.02.2026 03:04:05"', b'"2026-03-29T02:30:00"', b"\\u0000",
        b"\\ud800",
    ),
    "csv": (b"id;t;b", b";", b"2026-03-01T10:00:00Z", b'""', b"\r"),
    "keyvalue": (b"b=21,5", b" ", b"=", b"b:", b";", b"temp=21.4 hum=44"),
    "influx": (
        b"weather,station=roof temp=21.4,hum=44i 1772359200000000000", b" ", b",", b"=", b"\\", b"b=1", b"#",
        b"t", b"F", b"10u", b"-9223372036854775808",
    ),
    "senml": (
        b'[{"bn":"urn:dev:1","bt":1772359200,"n":":t1","v":23.1},{"n":":t2","v":23.9,"t":-60}]', b'"bv":1',
        b'"vb":true', b'"vs":"x"', b'"s":1', b'"bs":1', b"{", b"}", b"[", b"]", b",", b'"v":', b'"bt":',
    ),
    "sparkplug": (
        b"\x08\x80\xa8\xd6\xb9\xcb3", b"\x12\x13\x0a\x04temp\x10\x05\x20\x0ai\x00\x00\x00\x00\x00@5@",
        b"\x18\x01", b"\x12\x09\x10\x05\x20\x09e\x00\x00\xa8A", b"\x20\x10", b"\x20\x13", b"\x38\x01",
        b"\x12\x04\x0a\x02ab", b"\x12\x04\x10\x05\x50\x07", b"\x12\x08\x0a\x04temp\x50\x01",
    ),
}  # fmt: skip
TARGETS = {
    **{form: Target(decoder(form), (*WORDS[form], *ANYWHERE), 0.1) for form in FORMATS},
    "topics": Target(topics, (b"a/{b}/+", b"#", b"\n", b"/", b"$share/g/", b"$SYS", b"{", b"}", b"a"), 0.15),
    "http": Target(
        http,
        (b"text/plain;q=0.5,", b"application/openmetrics-text; version=1.0.0", b"gzip", b"Basic ", b"YTpi",
         b"$scrypt$ln=14,r=8,p=5$c2FsdA$aGFzaA"),
        0.05,
    ),
    "packets": Target(
        packets,
        (CONNACK, SUBACKS, PUBLISH, b"\x32", b"\xd0\x00", b"\x62\x02\x00\x01", b"\xff\xff\xff\x7f"),
        0.05,
    ),
    "bulk": Target(
        bulk, (PLAIN, PLAIN[:9], b"\x32\x0a\x00\x03a/1\x00\x01\x00", b"1.5", b"\x00\x01\x00", b"-.5"), 0.005
    ),
    "configuration": Target(configuration, TOML, 0.035),
    "state": Target(state, (b"\x00\x00\x00", b"\x00\x10[", b"\x00\x20\x39"), 0.0035),
    "file": Target(file, (b"\x01\x00", b"\x00\x10", b"\x00\x00\xff"), 0.001),
    "model": Target(model, (b"\x00\x00\x00", b"\x00\x10[", b"\x00\x20\x39"), 0.0045),
    "table": Target(
        table, (b"time,stream,value\n", b"time,topic,payload\n", b"time,a\n", b"1,2\n", b'"'), 0.001
    ),
}  # fmt: skip
