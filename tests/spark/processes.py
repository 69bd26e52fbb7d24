"""`ewad spark` and the processes below it, and workers of a standalone cluster, to be killed by tests."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np
import pytest

from ewad import config
from ewad.scale import LogReader, Shard
from tests.system.daemon import environment

NEEDS_SPARK = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None, reason="pyspark isn't installed: make scale"
    ),
    pytest.mark.skipif(shutil.which("java") is None, reason="java isn't installed"),
]
PATIENCE_SECONDS = 900.0  # for a start of Spark on a busy machine
TRIES = 5  # starts again in one test
# An executor that is a process of its own; with SCALE_MASTER="local[2]" the driver is the executor too.
MASTER = os.environ.get("SCALE_MASTER", "local-cluster[1,2,1024]")


class Spark:
    """`ewad spark` in a process of its own, started again where it ends by itself, as a supervisor would do.

    On a busy machine Spark gives up a Python worker that has not started within 10 s.
    """

    def __init__(self, directory: Path, settings: Path, checkpoint: Path | None = None) -> None:
        self._directory, self._settings = directory, settings
        self._checkpoint = checkpoint or directory / "checkpoint"
        self._last: tuple[tuple[str, ...], str] = (), MASTER
        self._tries = TRIES
        self._output = directory / "spark"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str, master: str = MASTER) -> None:
        """Start it; do not wait. master: with what else spark-submit takes."""
        self._last = arguments, master
        submit = f"--master {master} --conf spark.ui.enabled=false pyspark-shell"
        environ = environment(PYSPARK_SUBMIT_ARGS=submit, PYTHONWARNINGS="ignore", SPARK_LOCAL_IP="127.0.0.1")
        command = [sys.executable, "-m", "ewad", "spark", "-c", self._settings]
        command += ["--checkpoint", self._checkpoint, *arguments]
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
    def batches(self) -> int:
        """How many batches have been committed."""
        return len(list((self._checkpoint / "commits").glob("[0-9]*")))

    @property
    def said(self) -> str:
        """The end of what it has written."""
        return self._output.read_text(errors="replace")[-6000:]

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds; what Spark takes to start is not the test's matter."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.said
            if self.process is not None:
                self.look()
            time.sleep(0.2)

    def wait_for_batches(self, more: int) -> None:
        """Wait until so many more batches have been committed."""
        wanted = self.batches + more
        self.wait_for(lambda: self.batches >= wanted)

    def kill(self) -> None:
        """Kill the driver, its JVM and its executors at once."""
        if self.process is not None:
            kill_family(self.process)
            self.process = None

    def kill_one(self, word: str, random: Random) -> bool:
        """Kill a process below the driver whose command line has this word; return whether there was one."""
        found = [pid for pid in family(self.process.pid) if word in command_of(pid)]
        if found:
            os.kill(random.choice(found), signal.SIGKILL)
        return bool(found)


class Standalone:
    """A process of Spark's standalone cluster, on loopback: its master or a worker, by Spark's own script."""

    def __init__(self, directory: Path, name: str, *arguments: str) -> None:
        """name: of the class, master.Master or worker.Worker.  directory: for its log and its work."""
        directory.mkdir()
        self._output = directory / "output"
        home = Path(importlib.util.find_spec("pyspark").origin).parent
        environ = environment(SPARK_HOME=str(home), SPARK_LOCAL_IP="127.0.0.1", SPARK_DAEMON_MEMORY="256m")
        command = [home / "bin" / "spark-class", f"org.apache.spark.deploy.{name}"]
        command += ["--host", "127.0.0.1", "--webui-port", "0", *arguments]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environ, cwd=directory, start_new_session=True
            )

    @property
    def said(self) -> str:
        """What it has written so far."""
        return self._output.read_text(errors="replace")

    @property
    def python_workers(self) -> int:
        """How many processes of Python run below it: none until an executor of it has had work to do."""
        return sum("pyspark.daemon" in command_of(pid) for pid in family(self.process.pid))

    def kill(self) -> None:
        """Kill it and all below it at once, as a machine that fails does."""
        kill_family(self.process)


def kill_family(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all below it at once."""
    for pid in sorted(family(process.pid), reverse=True):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


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
            with suppress(FileNotFoundError, ProcessLookupError):
                todo += map(int, task.read_text().split())
    return found


def assert_dumps_are_an_offline_replay(directory: Path) -> None:
    """Compare each shard's dump with that of a shard to which the log was applied in one go."""
    shards = offline_replay(directory)
    for number, shard in enumerate(shards):
        assert (directory / "dumps" / f"shard-{number}.npz").read_bytes() == shard.dump()
    assert sum(int(shard.engine.groups[0].count.sum()) for shard in shards) > 0
    np.testing.assert_array_less(0, [shard.engine.n_streams for shard in shards])


def offline_replay(directory: Path) -> list[Shard]:
    """Return the shards to which the log was applied in one go."""
    settings = config.load(directory / "ewad.toml", {}).engine_settings()
    shards = [Shard(settings) for _ in range(3)]
    for record in LogReader(directory / "log"):
        shards[record.shard].apply(record)
    return shards
