"""MQTT -> gateway -> log -> Spark, with every process killed at random moments: nothing is lost or doubled.

Run: make scale. It needs Java and the extra `spark`.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np
import pytest

from ewad import config
from ewad.scale import LogReader, Shard
from tests.system import mosquitto
from tests.system.daemon import environment
from tests.system.numbered import NumberedPublisher
from tests.system.test_gateway import (
    assert_nothing_is_lost_or_doubled,
    assert_shards_are_what_one_engine_is,
    gateway,
    records_of,
)

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None, reason="pyspark isn't installed: make scale"
    ),
    pytest.mark.skipif(shutil.which("java") is None, reason="java isn't installed"),
]

MESSAGES = int(os.environ.get("SCALE_MESSAGES", "75000"))
PATIENCE_SECONDS = 900.0  # for a start of Spark on a busy machine
TRIES = 5  # starts again in one test
ROUND = ("worker", "gateway", "driver", "worker", "executor", "gateway")
# An executor that is a process of its own; with SCALE_MASTER="local[2]" the driver is the executor too.
MASTER = os.environ.get("SCALE_MASTER", "local-cluster[1,2,1024]")


class Spark:
    """`ewad spark` in a process of its own, started again where it ends by itself, as a supervisor would do.

    On a busy machine Spark gives up a Python worker that has not started within 10 s.
    """

    def __init__(self, directory: Path, settings: Path) -> None:
        self._directory, self._settings = directory, settings
        self._last: tuple[tuple[str, ...], str] = (), MASTER
        self._tries = TRIES
        self._output = directory / "spark"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str, master: str = MASTER) -> None:
        """Start it; do not wait."""
        self._last = arguments, master
        submit = f"--master {master} --conf spark.ui.enabled=false pyspark-shell"
        environ = environment(PYSPARK_SUBMIT_ARGS=submit, PYTHONWARNINGS="ignore", SPARK_LOCAL_IP="127.0.0.1")
        command = [sys.executable, "-m", "ewad", "spark", "-c", self._settings]
        command += ["--checkpoint", self._directory / "checkpoint", *arguments]
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environ, start_new_session=True
            )

    def run(self, *arguments: str) -> None:
        """Run it to its end. Nothing is killed meanwhile, so that one JVM does."""
        self.start(*arguments, master="local[2]")
        while self.process.wait(PATIENCE_SECONDS) != 0:
            self.look()

    def look(self) -> None:
        """Start it again if it has ended."""
        if self.process.poll() is not None:
            self._tries -= 1
            assert self._tries > 0, self.said
            arguments, master = self._last
            self.start(*arguments, master=master)

    @property
    def said(self) -> str:
        """The end of what it has written."""
        return self._output.read_text(errors="replace")[-6000:]

    def kill(self) -> None:
        """Kill the driver, its JVM and its executors at once."""
        if self.process is not None:
            for pid in sorted(family(self.process.pid), reverse=True):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def kill_one(self, word: str, random: Random) -> bool:
        """Kill a process below the driver whose command line has this word; return whether there was one."""
        found = [pid for pid in family(self.process.pid) if word in command_of(pid)]
        if found:
            os.kill(random.choice(found), signal.SIGKILL)
        return bool(found)


def command_of(pid: int) -> str:
    """Return the command line of a process, "" of one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def family(pid: int) -> list[int]:
    """Return a process and all below it, by Linux' own account."""
    found, todo = [], [pid]
    while todo:
        each = todo.pop()
        found.append(each)
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            todo += map(int, task.read_text().split())
    return found


def batches(directory: Path) -> int:
    """Return how many batches have been committed."""
    return len(list((directory / "checkpoint" / "commits").glob("[0-9]*")))


def wait_for(condition, spark: Spark) -> None:
    """Wait until a condition holds; what Spark takes to start is not this test's matter."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, spark.said
        if spark.process is not None:
            spark.look()
        time.sleep(0.2)


def test_nothing_is_lost_or_doubled_whatever_is_killed(tmp_path):
    random = Random(3)
    with mosquitto.running(tmp_path / "mosquitto", options=["max_queued_messages 0"]) as broker:
        ways = gateway(tmp_path, broker.port)
        spark = Spark(tmp_path, ways.config)
        arguments = ("--log", str(tmp_path / "log"), "--partitions", "2", "--trigger", "500 milliseconds")
        sink = ("--sink", f"parquet:{tmp_path / 'out'}")
        ways.start()
        ways.until_ready()
        try:
            spark.start(*arguments, *sink)
            with NumberedPublisher(broker.port, pause_seconds=0.02) as publisher:
                wait_for(lambda: batches(tmp_path) > 0, spark)
                for what in ROUND if "cluster" in MASTER else (each for each in ROUND if each != "executor"):
                    before = batches(tmp_path)
                    wait_for(lambda before=before: batches(tmp_path) > before + 1, spark)
                    time.sleep(random.random())  # any moment of a batch will do
                    if what == "gateway":
                        ways.kill()
                        ways.start()
                    elif what == "driver":
                        spark.kill()
                        spark.start(*arguments, *sink)
                    else:
                        words = {"worker": "pyspark.daemon", "executor": "CoarseGrainedExecutorBackend"}
                        assert spark.kill_one(words[what], random), what
                wait_for(lambda: publisher.sent >= MESSAGES, spark)
            wait_for(lambda: sum(map(len, records_of(tmp_path))) >= publisher.sent, spark)
            assert ways.end() == 0, ways.stderr
            spark.kill()
            spark.run(*arguments, "--once")
            spark.run("--dump", str(tmp_path / "dumps"))
        finally:
            ways.kill()
            spark.kill()
    assert_nothing_is_lost_or_doubled(records_of(tmp_path), publisher.sent)
    assert_shards_are_what_one_engine_is(tmp_path, publisher.sent)
    assert_dumps_are_an_offline_replay(tmp_path)


def assert_dumps_are_an_offline_replay(directory):
    """Compare each shard's dump with that of a shard to which the log was applied in one go."""
    settings = config.load(directory / "ewad.toml", {}).engine_settings()
    shards = [Shard(settings) for _ in range(3)]
    for record in LogReader(directory / "log"):
        shards[record.shard].apply(record)
    for number, shard in enumerate(shards):
        assert (directory / "dumps" / f"shard-{number}.npz").read_bytes() == shard.dump()
    assert sum(int(shard.engine.groups[0].count.sum()) for shard in shards) > 0
    np.testing.assert_array_less(0, [shard.engine.n_streams for shard in shards])
