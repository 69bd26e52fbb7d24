"""`ewad gateway`: where it writes, by what is said on the command line."""

from __future__ import annotations

from pathlib import Path

from ewad.config import Settings
from ewad.daemon.parts import session_of
from ewad.scale.file_log import FileLog
from ewad.scale.gateway import Gateway, GatewayLog, run


def gateway(
    settings: Settings, target: str, keep_seconds: float | None = None, keep_bytes: int | None = None
) -> None:
    """Write what comes to target until a signal ends it. Raises ConfigError, StateError."""
    run(Gateway(settings, opened(settings, target, keep_seconds, keep_bytes)))


def opened(
    settings: Settings, target: str, keep_seconds: float | None = None, keep_bytes: int | None = None
) -> GatewayLog:
    """Return the log that target names: a directory."""
    session = session_of(settings)
    return FileLog(Path(target), session, keep_seconds=keep_seconds, keep_bytes=keep_bytes)
