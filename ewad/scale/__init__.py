"""One engine after another: shards, the records that they take, and the durable log between them and MQTT.

No stream engine is named here: those that drive shards have a module each.
"""

from ewad.scale.log_reader import LogReader
from ewad.scale.log_writer import LogWriter
from ewad.scale.record import Record
from ewad.scale.shard import Shard

__all__ = ["LogReader", "LogWriter", "Record", "Shard"]
