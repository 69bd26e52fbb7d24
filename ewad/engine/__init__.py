"""The state of all streams: batches of samples in, averages and forecasts out. No I/O and no clock."""

from ewad.engine.batch import Batch, Results
from ewad.engine.blocks import BlockKey
from ewad.engine.engine import REFUSED, Ending, Engine, Forgotten, Leaving
from ewad.engine.group import VALUE_LIMIT
from ewad.engine.settings import MAX_HELD, GroupSettings, ModelSettings
from ewad.engine.settings_json import EngineSettings
from ewad.engine.snapshot import EngineSnapshot
from ewad.engine.state import Loaded
from ewad.numeric.averages import ByCount, ByTime, Held
from ewad.numeric.external import MOST_POINTS

__all__ = [
    "MAX_HELD",
    "MOST_POINTS",
    "REFUSED",
    "VALUE_LIMIT",
    "Batch",
    "BlockKey",
    "ByCount",
    "ByTime",
    "Ending",
    "Engine",
    "EngineSettings",
    "EngineSnapshot",
    "Forgotten",
    "GroupSettings",
    "Held",
    "Leaving",
    "Loaded",
    "ModelSettings",
    "Results",
]
