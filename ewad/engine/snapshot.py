"""The whole state of an engine at one moment; its portable form is a zip of .npy arrays and a JSON header."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

HEADER = "header"
SLICE = 2048  # streams encoded at a time: under 1 ms, for which no other thread runs
WRITTEN_BYTES = 1 << 18  # of an array, at a time


@dataclass(frozen=True, slots=True)
class EngineSnapshot:
    """header: what JSON can hold.  arrays: by names such as "0/streams/count"; views."""

    header: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    def write(self, file: IO[bytes] | io.RawIOBase) -> None:
        """Write the portable form, forwards only."""
        encoded = [each | {"streams": _pairs(*each["streams"])} for each in self.header["groups"]]
        header = msgspec.json.encode(self.header | {"groups": encoded})
        with zipfile.ZipFile(cast("IO[bytes]", file), "w") as archive:
            for name, array in (*self.arrays.items(), (HEADER, np.frombuffer(header, dtype=np.uint8))):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    _write_array(member, np.asarray(array, order="C"))

    def paired(self) -> dict[str, Any]:
        """Return the header with each stream's name beside its labels; 100,000 pairs take 10 to 50 ms."""
        groups = [
            each | {"streams": list(zip(*each["streams"], strict=True))} for each in self.header["groups"]
        ]
        return self.header | {"groups": groups}

    def to_bytes(self) -> bytes:
        """Return the portable form."""
        out = io.BytesIO()
        self.write(out)
        return out.getvalue()


def _write_array(member: IO[bytes], array: NDArray[Any]) -> None:
    """Write a .npy file in slices; np.savez takes 16 MB at once, which no other thread runs beside."""
    np.lib.format.write_array_header_1_0(member, np.lib.format.header_data_from_array_1_0(array))
    data = array.reshape(-1).view(np.uint8).data
    for start in range(0, len(data), WRITTEN_BYTES):
        member.write(data[start : start + WRITTEN_BYTES])


def _pairs(names: Sequence[str], labels: Sequence[Any]) -> msgspec.Raw:
    """Return JSON of the pairs, made in slices: 100,000 at once hold up all threads for 10 to 50 ms."""
    slices = (slice(start, start + SLICE) for start in range(0, len(names), SLICE))
    encoded = [msgspec.json.encode(list(zip(names[each], labels[each], strict=True))) for each in slices]
    return msgspec.Raw(b"[" + b",".join(each[1:-1] for each in encoded) + b"]")
