"""The latest rows of all shards as one place to scrape: /metrics of all, or /metrics?shard=3 of one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from ewad.engine import GroupSettings
from ewad.outputs.prometheus.exposition import header_of, label_text, suffix_of
from ewad.outputs.registry import QUANTITIES, Labels

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
Row = Mapping[str, Any]


def told(settings: GroupSettings) -> Iterator[tuple[Any, Labels, str]]:
    """Yield what the rows of a group tell: quantity, further labels, and the column's name."""
    for quantity in QUANTITIES:
        if quantity.told_by(settings):
            for labels in quantity.labels(settings):
                yield quantity, labels, quantity.named(labels)


def document_of(settings: GroupSettings, row: Row) -> dict[str, Any]:
    """Return a row as a document: names, time, and each of its columns that has a value."""
    names = {"stream": row["stream"], "group": row["group"], "labels": msgspec.json.decode(row["labels"])}
    numbers = {name: row[name] for _, _, name in told(settings) if row.get(name) is not None}
    return names | {"time": row["time"], "samples": row["samples"]} | numbers


class LatestMetrics:
    """The latest row of each stream, served until `close`."""

    def __init__(
        self,
        groups: Sequence[GroupSettings],
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._groups = {group.name: group for group in groups}
        self._clock = clock
        self._rows: dict[int, dict[tuple[str, str], Row]] = {}  # of each shard, by group and stream
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((host, port), _handler(self))
        self.address: tuple[str, int] = self._server.server_address[:2]  # type: ignore[assignment]
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def update(self, rows: Iterable[Row]) -> None:
        """Take later rows of some streams."""
        with self._lock:
            for row in rows:
                self._rows.setdefault(row["shard"], {})[row["group"], row["stream"]] = row

    def render(self, shard: int | None = None) -> str:
        """Return the series of one shard, or of all; streams that are silent for too long have none."""
        now = self._clock()
        with self._lock:
            shards = self._rows if shard is None else {shard: self._rows.get(shard, {})}
            rows = [
                row
                for held in shards.values()
                for row in held.values()
                if row["samples"]
                and now - (row["seen"] or row["time"]) <= self._groups[row["group"]].stale_after_seconds
            ]
        return "".join(self._families(rows))

    def _families(self, rows: Sequence[Row]) -> Iterator[str]:
        """Yield each family with its header, where it has any series."""
        lines: dict[str, list[str]] = {}
        for row in rows:
            captured = msgspec.json.decode(row["labels"], type=dict[str, str])
            text = _label_text(row, captured)
            for quantity, further, name in told(self._groups[row["group"]]):
                value = row.get(name)
                if value is not None:
                    line = f"{quantity.metric}{{{text}{suffix_of(further, captured)}}} {value!r}\n"
                    lines.setdefault(quantity.metric, []).append(line)
            lines.setdefault("ewad_samples_total", []).append(
                f"ewad_samples_total{{{text}}} {row['samples']}\n"
            )
        for quantity in QUANTITIES:
            if quantity.metric in lines:
                yield header_of(quantity, openmetrics=False) + "".join(lines[quantity.metric])

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()


def _label_text(row: Row, captured: Mapping[str, str]) -> str:
    """Return the labels of a row's stream; ewad's own gives way where the stream has one named shard."""
    own = (("stream", row["stream"]), *captured.items(), ("group", row["group"]))
    return label_text(own) + suffix_of((("shard", str(row["shard"])),), captured)


def _handler(metrics: LatestMetrics) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """GET /metrics, or of one shard."""

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            wanted = parse_qs(parts.query).get("shard", [""])[0]
            if parts.path != "/metrics" or not (wanted.isdigit() or not wanted):
                self.send_error(404)
                return
            body = metrics.render(int(wanted) if wanted else None).encode()
            self.send_response(200)
            self.send_header("Content-Type", TEXT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log no scrape."""

    return Handler
