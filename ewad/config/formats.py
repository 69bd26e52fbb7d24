"""The table of formats: the names that a block may have, and where each is read. A newcomer is a line here.

The file of a format lies in ewad/ingest/formats, which this package knows nothing of, and holds its FORMAT.
"""

from __future__ import annotations

from typing import NamedTuple


class FormatEntry(NamedTuple):
    """A format.  module: its file in ewad/ingest/formats.  tells_times: whether its points may have times."""

    module: str
    tells_times: bool = False


FORMATS = {
    "number": FormatEntry("number"),
    "json": FormatEntry("json"),
    "keyvalue": FormatEntry("keyvalue"),
    "csv": FormatEntry("csv"),
    "influx": FormatEntry("influx", tells_times=True),
    "senml": FormatEntry("senml", tells_times=True),
    "sparkplug": FormatEntry("sparkplug", tells_times=True),
}
