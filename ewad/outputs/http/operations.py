"""The addresses of the HTTP API, what each takes and what it answers with.

The server checks and answers by this table, and the OpenAPI document tells of it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ewad.outputs.http import documents
from ewad.outputs.http.history import POINTS
from ewad.outputs.http.view import SORTS

ROOT: Final = "/api/v1"
LIMIT, MOST = 50, 500  # streams a page: 500 are about 200 KB
RECENT_MOST: Final = 120  # values of each, for a small curve
TEXT_MOST: Final = 1024  # characters of a search
WATCHED: Final = 100  # streams a reader of events may ask for


class Parameter(NamedTuple):
    """One query parameter. schema: its values, in the words of JSON schema, by which they are read too."""

    name: str
    text: str
    schema: dict[str, Any]


class Operation(NamedTuple):
    """One address of the API, and the document that it answers with; None: events."""

    path: str
    summary: str
    document: Any
    parameters: tuple[Parameter, ...] = ()


def _whole(name: str, text: str, least: int, most: int, default: int) -> Parameter:
    """Return a parameter that is a whole number."""
    return Parameter(name, text, {"type": "integer", "minimum": least, "maximum": most, "default": default})


TEXT: Final = {"type": "string", "maxLength": TEXT_MOST}
ORDERS: Final = [sign + key for sign in ("", "-") for key in SORTS]
SORT: Final = {"type": "string", "enum": ORDERS, "default": "name"}
NAMES: Final = {"type": "array", "items": TEXT, "maxItems": WATCHED}
GROUP: Final = Parameter("group", "The block of the stream, where several have one of that name.", TEXT)
OPERATIONS: Final = (
    Operation("/status", "How the daemon is.", documents.Status),
    Operation("/groups", "The blocks that streams are configured in.", documents.Groups),
    Operation(
        "/streams",
        "The streams, a page at a time.",
        documents.StreamsPage,
        (
            Parameter("search", "Only streams whose name, group or labels hold this text.", TEXT),
            Parameter("group", "Only streams of this group.", TEXT),
            Parameter("sort", "The largest first, but names from a on; - before it: the other way.", SORT),
            _whole("limit", "How many at the most.", 1, MOST, LIMIT),
            _whole("after", "Where the page begins: `next` of the page before.", 0, 10**9, 0),
            _whole("recent", "How many last values to add to each.", 0, RECENT_MOST, 0),
        ),
    ),
    Operation(
        "/streams/{stream}", "One stream, and what is configured for it.", documents.StreamDetail, (GROUP,)
    ),
    Operation(
        "/streams/{stream}/history",
        "The last points of a stream. They are kept of the streams that came first or were looked at last.",
        documents.History,
        (GROUP, _whole("points", "How many at the most.", 1, POINTS, POINTS)),
    ),
    Operation(
        "/streams/{stream}/learning",
        "How the model of a stream has learned since the stream's first sample. Kept of the same streams.",
        documents.Learning,
        (GROUP,),
    ),
    Operation("/streams/{stream}/forecast", "What is forecast of a stream.", documents.Curve, (GROUP,)),
    Operation(
        "/events",
        "Server-sent events: how the named streams stand, as they change.",
        None,
        (Parameter("stream", "A stream to follow; may be repeated.", NAMES),),
    ),
    Operation("/openapi.json", "This document.", dict[str, Any]),
)
