"""[limits], [state], [log], [reload]: how the daemon lives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ewad.config.kinds import choice, duration, integer, text
from ewad.config.options import DocumentPlace, Option, table_of


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds the daemon's memory."""

    max_streams: Annotated[
        int, Option(integer(1, 100_000_000), "Streams at a time. Further ones are refused and counted.")
    ] = 100_000
    max_payload_bytes: Annotated[
        int,
        Option(
            integer(1, 2**28 - 1), "The largest payload. A larger one is rejected and counted."
        ),  # MQTT's largest packet
    ] = 65_536


class StateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how state is kept; see docs/explanation/state.md for what each durability survives."""

    path: Annotated[str, Option(text, "The state file, relative to the configuration.")] = "ewad.db"
    commit_interval_seconds: Annotated[
        float,
        Option(
            duration("1ms", "10s"), "After how long what came is stored at the latest, and then acknowledged."
        ),
    ] = 0.05
    snapshot_interval_seconds: Annotated[
        float,
        Option(duration("1s", "1d"), "How often changed state is written at most: a start replays the rest."),
    ] = 60.0
    durability: Annotated[
        Literal["power", "process", "off"],
        Option(
            choice("power", "process", "off"),
            "What stored samples survive: see [State](../explanation/state.md).",
        ),
    ] = "power"
    on_disk_error: Annotated[
        Literal["wait", "continue"],
        Option(choice("wait", "continue"), "Whether acknowledgements wait while the disk can't be written."),
    ] = "wait"


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged, and how."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Option(choice("debug", "info", "warning", "error"), "What is logged: this level and worse."),
    ] = "info"
    format: Annotated[
        Literal["text", "json"], Option(choice("text", "json"), "Plain lines, or a JSON object a line.")
    ] = "text"


class ReloadSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When the configuration is read again besides at SIGHUP: every so often, if at all."""

    poll_seconds: Annotated[
        float | None,
        Option(
            duration("1s", "365d"),
            "How often to look for a changed configuration; `kill -HUP` has it read at once.",
        ),
    ] = None


LIMITS = table_of("[limits]", "What bounds the memory.", LimitSettings)
STATE = table_of("[state]", "Where what is known is kept. Without this table nothing is.", StateSettings)
LOG = table_of("[log]", "What is logged, and how.", LogSettings)
RELOAD = table_of("[reload]", "When the configuration is read again.", ReloadSettings)


def state_settings(values: dict[str, Any], place: DocumentPlace) -> StateSettings:
    """Return the settings of checked values."""
    values["path"] = str(place.base / values.get("path", StateSettings().path))
    return StateSettings(**values)
