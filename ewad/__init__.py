"""ewad: smooths and forecasts MQTT streams online, and exposes the results as Prometheus metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ewad.numeric.offline import ewa

__version__ = "0.1.0"
__all__ = ["__version__", "ewa"]


def __getattr__(name: str) -> Any:
    """Import `ewa` when it is asked for: without it, ewad starts without numpy."""
    if name == "ewa":
        from ewad.numeric.offline import ewa

        return ewa
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
