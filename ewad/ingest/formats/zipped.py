"""Payloads that are compressed, which their first bytes say."""

from __future__ import annotations

import zlib

from ewad.errors import DecodeError
from ewad.ingest.formats.reasons import too_large

GZIP = b"\x1f\x8b\x08"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def unzipped(payload: bytes, max_bytes: int) -> bytes:
    """Return the payload, uncompressed if it is gzip. Raises DecodeError, also for more than max_bytes."""
    if payload[:3] != GZIP or len(payload) > max_bytes:
        return payload
    decompress = zlib.decompressobj(_GZIP_WINDOW)
    try:
        content = decompress.decompress(payload, max_bytes + 1)
    except zlib.error as error:
        raise DecodeError("invalid_payload", f"expected gzip, as the first bytes say: {error}") from error
    if len(content) > max_bytes:
        raise too_large(len(content), max_bytes)
    if not decompress.eof:
        raise DecodeError("invalid_payload", "expected the whole of a gzip stream, got its beginning")
    return content
