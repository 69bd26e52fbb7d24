"""Why a message gave no sample, in words that counters, logs and the documentation share."""

from __future__ import annotations

from ewad.config.syntax import quoted
from ewad.errors import DecodeError

# The counters of all of them start at 0.
REASONS = {
    "empty": "the payload is empty",
    "not_a_number": "the payload or field is not a number",
    "not_finite": "the number is NaN or infinite",
    "out_of_range": "the number is too large to be averaged",
    "invalid_value": "the number is outside `valid`, or one of `ignore`",
    "invalid_json": "the payload is not JSON",
    "invalid_payload": "the payload is not of the block's format",
    "unsupported": "the payload holds what ewad does not read: templates, data sets, sums, too deep JSON",
    "unknown_alias": "the certificate of birth that names the metric has not been seen",
    "sequence_gap": "messages of the edge node before this one were lost; its own values count",
    "wrong_type": "the field holds neither a number nor a number in a string",
    "invalid_label": "a label of the block leads to something else than a short text or a number",
    "invalid_time": "the time field is neither Unix time nor a time of day and date",
    "too_large": "the payload is larger than limits.max_payload_bytes",
    "retained": "a retained message whose value is not new, or that the block ignores",
    "topic_too_long": "the topic is longer than 1,024 bytes",
    "unknown_topic": "no [[stream]] block matches the topic",
    "unknown_stream": "a forecast of another program is for no stream that has had a sample",
    "too_many_points": "a forecast of another program has more than 512 points",
    "stream_limit": "limits.max_streams or the block's max_streams streams exist already",
}
# No fault: devices send their readings apart, and blocks share topics. Such messages are counted as absent.
ABSENT = {
    "missing_field": "the payload lacks the configured field",
    "null": "the field is null",
}
# Earlier messages of the sender are missing, which it may be asked for.
MISSED = ("unknown_alias", "sequence_gap")
# The block has understood what came, and refuses it: no other way to read it would help.
UNDERSTOOD = (
    "not_finite",
    "out_of_range",
    "invalid_value",
    "invalid_label",
    "invalid_time",
    "too_large",
    "unsupported",
)
QUOTED = 40  # characters of a payload that a message may show


def too_far_ahead(ahead: float, most: float) -> str:
    """Return why a sample counts at its arrival: the clock will show its time in so many seconds."""
    return (
        f"its time is {ahead:.0f} s ahead, more than max_ahead ({most:g} s): is a clock or time_zone wrong?"
    )


def too_large(size: int, max_bytes: int) -> DecodeError:
    """Return the refusal of a payload of so many bytes."""
    return DecodeError(
        "too_large", f"expected at most {max_bytes} bytes, got {size}: raise limits.max_payload_bytes"
    )


def beyond_limit(most: int) -> DecodeError:
    """Return the refusal of a stream where there may be so many."""
    return DecodeError("stream_limit", f"expected at most {most} streams")


def quote_payload(payload: bytes) -> str:
    """Return the beginning of payload in double quotes, safe to print."""
    text = payload[: 4 * QUOTED + 4].decode(errors="replace")
    return quoted(text, QUOTED)


def quote_around(payload: bytes, place: int) -> str:
    """Return the part of payload around a byte, in double quotes."""
    start = max(0, place - QUOTED // 2)
    return ("..." if start else "") + quote_payload(payload[start:])
