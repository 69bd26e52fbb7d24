"""An OTLP receiver for tests: HTTP on a free port, the published messages, answers as they are told."""

import gzip
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from tests import components
from tests.system.polling import until

Labels = tuple[tuple[str, str], ...]


def require_otlp():
    """Return the published messages; without them skip the test, or fail it where CI=true."""
    return components.module("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")


class Point(NamedTuple):
    """One data point. start: 0 of a gauge."""

    name: str
    labels: Labels
    time: float
    start: float
    value: float


class Received(NamedTuple):
    """One request that was answered by 200."""

    path: str
    headers: dict[str, str]
    message: object


class Receiver:
    """Takes requests, all but those that `answers` has a status and headers for: they get those, in order."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._messages = require_otlp()
        self.received: list[Received] = []
        self.refused = 0
        self.answers: deque[tuple[int, dict[str, str], bytes]] = deque()
        self._tls = tls
        self._open: list[socket.socket] = []
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen; again on the same port, where it has done so before."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                receiver._open.append(self.connection)

            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more, and cut what is connected."""
        if self._server is not None:
            self._server.shutdown()
            while self._open:
                with suppress(OSError):
                    self._open.pop().shutdown(socket.SHUT_RDWR)
            self._server.server_close()
            self._server = None

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        status, headers, answer = self.answers.popleft() if self.answers else (200, {}, b"")
        if status == 200:
            message = self._messages.ExportMetricsServiceRequest.FromString(gzip.decompress(body))
            self.received.append(Received(request.path, dict(request.headers), message))
        else:
            self.refused += 1
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(answer)

    @property
    def points(self) -> list[Point]:
        """All data points, in the order in which they came."""
        return [point for received in list(self.received) for point in points_of(received.message)]

    def values(self, name: str, **labels: str) -> list[tuple[float, float]]:
        """Return times and values of the points of this name that have these labels among their own."""
        return [
            (point.time, point.value)
            for point in self.points
            if point.name == name and labels.items() <= dict(point.labels).items()
        ]

    def until_values(self, name: str, expected: list[float], **labels: str) -> None:
        """Wait until the values of these points are as expected."""
        until(
            lambda: [value for _, value in self.values(name, **labels)] == expected,
            lambda: f"{name} {labels}: {self.values(name, **labels)}, not {expected}",
        )


def points_of(message: object) -> Iterator[Point]:
    """Yield the data points of a request."""
    for resource in message.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in getattr(metric, metric.WhichOneof("data")).data_points:
                    labels = tuple((each.key, each.value.string_value) for each in point.attributes)
                    value = getattr(point, point.WhichOneof("value"))
                    times = point.time_unix_nano / 1e9, point.start_time_unix_nano / 1e9
                    yield Point(metric.name, labels, *times, value)


@contextmanager
def receiving(**options: object) -> Iterator[Receiver]:
    """Yield a receiver that listens; end it afterwards."""
    receiver = Receiver(**options)
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()
