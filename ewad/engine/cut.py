"""The whole state of an engine at one moment; its portable form is a zip of .npy arrays and a JSON header."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

HEADER = "header"


@dataclass(frozen=True, slots=True)
class Cut:
    """header: what JSON can hold.  arrays: by names such as "0/streams/count"; the cut's own, or views."""

    header: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    def copy(self) -> Cut:
        """Return a cut that later batches leave as it is; about 1 ms for each 10 MB of arrays."""
        return Cut(self.header, {name: array.copy() for name, array in self.arrays.items()})

    def write(self, file: IO[bytes] | io.RawIOBase) -> None:
        """Write the portable form, forwards only."""
        # msgspec: the names of 100,000 streams take 6 ms; json holds up every other thread for 50
        header = np.frombuffer(msgspec.json.encode(self.paired()), dtype=np.uint8)
        np.savez(cast("IO[bytes]", file), allow_pickle=False, **self.arrays, **{HEADER: header})

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
