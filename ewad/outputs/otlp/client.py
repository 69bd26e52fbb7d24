"""One request after another to an OTLP receiver over HTTP. Source: OTLP specification, OTLP/HTTP."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError as ProtobufError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from ewad import __version__
from ewad.config.otlp import OtlpSettings, parse_endpoint
from ewad.errors import ConfigError

TIMEOUT_SECONDS: Final = 10.0
ANSWER_BYTES: Final = 64 * 1024  # of an answer, what is read
RETRYABLE: Final = (429, 502, 503, 504)  # the specification's; every other refusal is for good


class Unsent(OSError):  # noqa: N818 (as Refused)
    """The receiver could not take a request now. after_seconds: until it wants to be asked again, if told."""

    def __init__(self, reason: str, after_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


class Refused(Exception):  # noqa: N818 (an answer, no fault of ours to be raised further)
    """The receiver will never take this request."""


class Taken(NamedTuple):
    """What a receiver says of a request that it took. rejected: data points that it did not, and why."""

    rejected: int
    message: str


class OtlpClient:
    """Posts to one receiver, by a connection that stays open. Raises ConfigError if its TLS file is unfit."""

    def __init__(self, settings: OtlpSettings, headers: Mapping[str, str]) -> None:
        self._endpoint = parse_endpoint(settings.endpoint)
        self._headers = {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
            "User-Agent": f"ewad/{__version__}",
            **headers,
        }
        self._tls = _tls(settings)
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes) -> Taken:
        """Send a compressed request. Raises Unsent where it is to be tried again, Refused where not."""
        kept = self._connection is not None
        try:
            response, text = self._exchange(body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if kept:  # a receiver may close a connection that was idle
                return self.post(body)
            raise Unsent(str(error) or type(error).__name__) from error
        if 200 <= response.status < 300:
            return _answer(text)
        reason = f"{response.status} {response.reason}"
        if response.status in RETRYABLE:
            raise Unsent(reason, _seconds(response.getheader("Retry-After")))
        raise Refused(reason)

    def _exchange(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request("POST", self._endpoint.path, body, self._headers)
        response = self._connection.getresponse()
        text = response.read(ANSWER_BYTES)
        if response.will_close or not response.isclosed():  # or there is more of it than is read
            self.close()
        return response, text

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._endpoint.host, self._endpoint.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=self._tls)

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _tls(settings: OtlpSettings) -> ssl.SSLContext | None:
    if not parse_endpoint(settings.endpoint).secure:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"otlp.ca_file: {settings.ca_file}: expected certificates in PEM: {error}"
        ) from error


def _answer(text: bytes) -> Taken:
    """Return what an answer says; one that is no protobuf says that all was taken."""
    try:
        found = ExportMetricsServiceResponse.FromString(text)
    except ProtobufError:
        return Taken(0, "")
    return Taken(found.partial_success.rejected_data_points, found.partial_success.error_message)


def _seconds(retry_after: str | None) -> float:
    """Return the seconds of a Retry-After header: RFC 9110, 10.2.3; a date counts as none."""
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0
