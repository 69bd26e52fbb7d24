"""ewad: smooths and forecasts MQTT streams online, and exposes the results as Prometheus metrics."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ewad.estimators.forecaster import Forecaster
    from ewad.estimators.smoother import Smoother
    from ewad.numeric.offline import ewa

__version__ = "0.1.0"
__all__ = ["Forecaster", "Smoother", "__version__", "ewa"]

# where each name is; imported when it is asked for: without them, ewad starts without numpy
PLACES = {
    "ewa": "ewad.numeric.offline",
    "Forecaster": "ewad.estimators.forecaster",
    "Smoother": "ewad.estimators.smoother",
}


def __getattr__(name: str) -> Any:
    if name in PLACES:
        return getattr(import_module(PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *PLACES})
