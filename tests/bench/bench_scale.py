"""What a shard costs a sample: records of 1,000 out of a log, through smoothing, linear and auto, and Spark.

`ewad gateway` is measured beside the other subscribers: python -m tests.bench ingest --only gateway.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from ewad import config
from ewad.ingest.sharding import shard_of
from ewad.scale import LogReader, LogWriter, Record, Shard
from ewad.scale.record import encoded_labels
from tests.bench.brokers import cpu_seconds
from tests.bench.measure import at_least

SIZE, SHARDS = 1000, 4  # samples a record
LINEAR = '[model.m]\nshare = "stream"\nexperts = ["linear"]\nlags = 24\n'
# model -> its configuration, streams, and the samples a second and core that it should reach through Spark
KINDS = {
    "smoothing": ("", 1000, 0.8e6),
    "linear": (f'model = "m"\n{LINEAR}', 1000, 0.5e6),
    "auto": ('model = "auto"\n', 100, 0.08e6),
}


def written(directory: Path, kind: str, records: int) -> Path:
    """Write a log of so many records of random samples, and the configuration beside it."""
    model, n_streams, _ = KINDS[kind]
    text = f'[[stream]]\nname = "plant"\ntopic = "plant/{{n}}"\n{model}[shard]\ncount = {SHARDS}\n'
    (directory / "ewad.toml").write_text(text)
    random, names = np.random.default_rng(1), [f"plant/{n}" for n in range(n_streams)]
    of_shard = [[name for name in names if shard_of(name, SHARDS) == shard] for shard in range(SHARDS)]
    writer = LogWriter(directory / "log")
    for number in range(records):
        shard = number % SHARDS
        mine, time_ = of_shard[shard], 1.7e9 + number
        stream = random.integers(0, len(mine), SIZE).astype(np.uint32)
        labels = encoded_labels([(("n", name),) for name in mine])
        value = random.normal(20.0, 3.0, SIZE)
        times = time_ + np.sort(random.random(SIZE))
        writer.append([Record(shard, SHARDS, "plant", time_, mine, labels, stream, times, value)], b"", time_)
    writer.close()
    return directory / "ewad.toml"


def offline(directory: Path) -> tuple[float, float]:
    """Return the CPU seconds of applying the log here, and the bytes of a stream in a dump."""
    settings = config.load(directory / "ewad.toml", {}).engine_settings()
    shards = [Shard(settings) for _ in range(SHARDS)]
    started = time.process_time()
    for record in LogReader(directory / "log"):
        shards[record.shard].apply(record)
    spent = time.process_time() - started
    n = sum(shard.engine.n_streams for shard in shards)
    return spent, sum(len(shard.dump()) for shard in shards) / n


def through_spark(directory: Path, checkpoint: str) -> float:
    """Return the CPU seconds of `ewad spark --once` with all its processes, start included."""
    command = [sys.executable, "-m", "ewad", "spark", "-c", str(directory / "ewad.toml")]
    command += ["--log", str(directory / "log"), "--checkpoint", str(directory / checkpoint), "--once"]
    with (directory / "said").open("wb") as said:
        process = subprocess.Popen([*command, "--partitions", "2"], stdout=said, stderr=said)
    spent: dict[int, float] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            for pid in family(process.pid):
                try:
                    spent[pid] = cpu_seconds(pid)
                except (FileNotFoundError, ProcessLookupError):
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    ended.set()
    watcher.join()
    if status:
        said_last = (directory / "said").read_text(errors="replace")[-3000:]
        raise SystemExit(f"ewad spark ended with {status}: {said_last}")
    return sum(spent.values())


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    found, todo = [], [pid]
    while todo:
        each = todo.pop()
        found.append(each)
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                todo += map(int, task.read_text().split())
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print microseconds of CPU a sample, and a core's samples a second beside what they should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1000, help="of 1,000 samples each")
    parser.add_argument("--spark", action="store_true", help="through Spark too: needs the extra and Java")
    parser.add_argument("--only", default="", help="this model alone")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    print(f"{'model':12s}{'shard us':>10s}{'bytes/stream':>14s}{'Spark us':>10s}")
    for kind, (_, _, target) in KINDS.items():
        if options.only in kind:
            measure(kind, options.records // (10 if kind == "auto" else 1), options.spark, target)


def measure(kind: str, records: int, spark: bool, target: float) -> None:
    """Print one model's row."""
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large", Path(folder) / "small"
        for directory, n in ((large, records), (small, records // 10)):
            directory.mkdir()
            written(directory, kind, n)
        spent, state_bytes = offline(large)
        of_spark = ""
        if spark:  # what starting costs is in both
            more = through_spark(large, "checkpoint") - through_spark(small, "checkpoint")
            of_spark = f"{more / ((records - records // 10) * SIZE) * 1e6:10.2f}"
        print(f"{kind:12s}{spent / (records * SIZE) * 1e6:10.2f}{state_bytes:14.0f}{of_spark}", flush=True)
        if spark:
            at_least(f"{kind}: samples a second and core through Spark", 1e6 / float(of_spark), target)


if __name__ == "__main__":
    main()
