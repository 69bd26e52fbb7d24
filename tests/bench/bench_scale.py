"""What a shard costs a sample: records of 1,000 out of a log, through smoothing, linear and auto, and Spark.

`ewad gateway` is measured beside the other subscribers: python -m tests.bench ingest --only gateway.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ewad import config
from ewad.ingest.sharding import shard_of
from ewad.scale import LogReader, LogWriter, Record, Shard
from ewad.scale.record import encoded_labels
from tests.bench.brokers import cpu_seconds
from tests.bench.measure import at_least

SIZE, SHARDS = 1000, 4  # samples a record; each commit has a record of each shard, as a gateway writes them
WARM = 3  # batches until Java has compiled most of what it runs
OFFLINE_COMMITS = 250  # are applied without Spark
LINEAR = '[model.m]\nshare = "stream"\nexperts = ["linear"]\nlags = 24\n'


class Kind(NamedTuple):
    """A model. commits: that Spark takes in a batch.  target: samples a second and core through Spark."""

    configuration: str
    streams: int
    commits: int
    target: float


KINDS = {
    "smoothing": Kind("", 1000, 1000, 0.8e6),
    "linear": Kind(f'model = "m"\n{LINEAR}', 1000, 1000, 0.5e6),
    "auto": Kind('model = "auto"\n', 100, 100, 0.08e6),
}


def written(directory: Path, kind: Kind, commits: int) -> Path:
    """Write a log of so many commits of random samples, and the configuration beside it."""
    text = (
        f'[[stream]]\nname = "plant"\ntopic = "plant/{{n}}"\n{kind.configuration}[shard]\ncount = {SHARDS}\n'
    )
    (directory / "ewad.toml").write_text(text)
    random, names = np.random.default_rng(1), [f"plant/{n}" for n in range(kind.streams)]
    of_shard = [[name for name in names if shard_of(name, SHARDS) == shard] for shard in range(SHARDS)]
    writer = LogWriter(directory / "log")
    for number in range(commits):
        time_, commit = 1.7e9 + number, []
        for shard, mine in enumerate(of_shard):
            stream = random.integers(0, len(mine), SIZE).astype(np.uint32)
            labels = encoded_labels([(("n", name),) for name in mine])
            value = random.normal(20.0, 3.0, SIZE)
            times = time_ + np.sort(random.random(SIZE))
            commit.append(Record(shard, SHARDS, "plant", time_, mine, labels, stream, times, value))
        writer.append(commit, b"", time_)
    writer.close()
    return directory / "ewad.toml"


def offline(directory: Path) -> tuple[float, float]:
    """Return the CPU microseconds a sample of applying the log here, and the bytes of a stream in a dump."""
    settings = config.load(directory / "ewad.toml", {}).engine_settings()
    shards = [Shard(settings) for _ in range(SHARDS)]
    reader, samples = LogReader(directory / "log"), 0
    started = time.process_time()
    for entry in reader.entries(0, min(reader.last(), OFFLINE_COMMITS)):
        record = Record.decode(entry.data)
        shards[record.shard].apply(record)
        samples += len(record)
    spent = (time.process_time() - started) / samples * 1e6
    n = sum(shard.engine.n_streams for shard in shards)
    return spent, sum(len(shard.dump()) for shard in shards) / n


class Spent(NamedTuple):
    """CPU seconds of `ewad spark` up to the end of a batch: of its Python processes, and of the JVM."""

    batches: int
    python: float
    jvm: float


def through_spark(directory: Path, commits: int) -> tuple[float, float]:
    """Return the CPU microseconds a sample of `ewad spark --once`: of its Python processes, and of the JVM.

    Counted from the end of the batch WARM on: what starting costs, and compiling Java, is left out.
    """
    command = [sys.executable, "-m", "ewad", "spark", "-c", str(directory / "ewad.toml"), "--once"]
    command += ["--log", str(directory / "log"), "--checkpoint", str(directory / "checkpoint")]
    command += ["--partitions", "2", "--max-commits", str(commits)]
    with (directory / "said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    marks = [Spent(0, 0.0, 0.0)]
    of: dict[int, tuple[str, float]] = {}  # each process: its program, CPU seconds
    while process.poll() is None:
        for pid in family(process.pid):
            with suppress(FileNotFoundError, ProcessLookupError):
                of[pid] = Path(f"/proc/{pid}/comm").read_text(), cpu_seconds(pid)
        batches = len(list((directory / "checkpoint" / "commits").glob("[0-9]*")))
        if batches > marks[-1].batches:
            python = sum(seconds for program, seconds in of.values() if program.startswith("python"))
            marks.append(Spent(batches, python, sum(seconds for _, seconds in of.values()) - python))
        time.sleep(0.05)
    if process.returncode or marks[-1].batches <= WARM:
        said_last = (directory / "said").read_text(errors="replace")[-3000:]
        raise SystemExit(f"ewad spark: {process.returncode}, {marks[-1].batches} batches: {said_last}")
    warm, last = next(mark for mark in marks if mark.batches >= WARM), marks[-1]
    samples = (last.batches - warm.batches) * commits * SHARDS * SIZE / 1e6
    return (last.python - warm.python) / samples, (last.jvm - warm.jvm) / samples


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    found, todo = [], [pid]
    while todo:
        each = todo.pop()
        found.append(each)
        with suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{each}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print microseconds of CPU a sample, and a core's samples a second beside what they should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=8, help="of 4,000,000 samples each; of auto a tenth")
    parser.add_argument("--spark", action="store_true", help="through Spark too: needs the extra and Java")
    parser.add_argument("--only", default="", help="this model alone")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    heads = ("shard us", "bytes/stream", "Spark us", "of it Python", "JVM")
    print(f"{'model':12s}" + "".join(f"{head:>14s}" for head in heads))
    for name, kind in KINDS.items():
        if options.only in name:
            measure(name, kind, options.batches, options.spark)


def measure(name: str, kind: Kind, batches: int, spark: bool) -> None:
    """Print one model's row."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        written(directory, kind, batches * kind.commits if spark else OFFLINE_COMMITS)
        spent, state_bytes = offline(directory)
        row = f"{name:12s}{spent:14.2f}{state_bytes:14.0f}"
        if not spark:
            print(row, flush=True)
            return
        python, jvm = through_spark(directory, kind.commits)
        print(f"{row}{python + jvm:14.2f}{python:14.2f}{jvm:14.2f}", flush=True)
        at_least(f"{name}: samples a second and core through Spark", 1e6 / (python + jvm), kind.target)


if __name__ == "__main__":
    main()
