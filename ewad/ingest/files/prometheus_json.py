"""What Prometheus answers to a query: {"status": "success", "data": {"resultType": "matrix", ...}}."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ewad.ingest.files.archive import Archive
from ewad.ingest.files.number_times import UNIX
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.rows import Row, RowReader
from ewad.ingest.files.table import Known


def is_prometheus(head: bytes) -> bool:
    """Return whether a file is an answer of Prometheus' API."""
    return re.match(rb'\s*\{\s*"status"\s*:\s*"[a-z]+"', head) is not None and (
        b'"result' in head or b'"errorType' in head
    )


class Series(msgspec.Struct):
    """One series: its labels, and times with values (of a matrix) or one of them (of a vector)."""

    metric: dict[str, str]
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class Data(msgspec.Struct, rename="camel"):
    """The series of an answer."""

    result_type: str
    result: list[Series]


class Answer(msgspec.Struct):
    """An answer of the API."""

    status: str
    data: Data | None = None
    error: str = ""


class PrometheusReader(RowReader):
    """A stream for each series, named by the labels in which they differ; every label is a column."""

    kind = "an answer of Prometheus"

    def __init__(self, archive: Archive, options: FileOptions) -> None:
        super().__init__(archive, options)
        self._series = self._decoded().result
        labels = list(dict.fromkeys(name for series in self._series for name in series.metric))
        self._labels = labels or ["__name__"]
        self.names = ["time", *self._labels, "value"]
        differ = [name for name in labels if len({series.metric.get(name) for series in self._series}) > 1]
        streams = [name for name in labels if name == "stream"] or differ or self._labels[:1]
        self.known = Known(
            layout="long",
            time=0,
            streams=tuple(1 + self._labels.index(name) for name in streams),
            values=(len(self.names) - 1,),
            times={0: UNIX[1.0]},
        )

    def rows(self) -> Iterator[Row]:
        """Yield the samples, series by series."""
        for series in self._series:
            labels = [series.metric.get(name, "-") for name in self._labels]
            for time, value in [*series.values, *([series.value] if series.value else [])]:
                yield None, [time, *labels, value]

    def _decoded(self) -> Data:
        answer: Answer = self.document("the answer of a query of Prometheus", Answer)
        if answer.data is None:
            self.fail(f"expected the answer of a query of Prometheus, got its error: {answer.error}")
        return answer.data


def document(series: list[dict[str, Any]]) -> bytes:
    """Return series as the answer of a query holds them."""
    data = {"resultType": "matrix", "result": series}
    return msgspec.json.encode({"status": "success", "data": data})
