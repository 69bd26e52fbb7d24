"""What thousands of [[stream]] blocks cost: the start, a reload, and for how long that holds the event loop.

Run: python -m tests.bench.bench_configuration [blocks]
"""

from __future__ import annotations

from tests.bench.measure import at_most  # isort: skip (before numpy)

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ewad.config import load
from ewad.daemon.daemon import Daemon
from ewad.daemon.reloader import Reloader
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.numeric.averages import ByCount
from tests.bench.brokers import free_port

HEAD = (
    '[mqtt]\nurl = "mqtt://127.0.0.1:{port}"\n[http]\nlisten = "127.0.0.1:0"\n'
    '[state]\npath = "{folder}/ewad.db"\n'
)
BLOCK = '[[stream]]\nname = "s{i}"\ntopic = "site/{{room}}/t{i}"\nbeta = [{beta}]\n'


def written(folder: Path, n: int, beta: float) -> Path:
    """Return a configuration of n blocks, whose broker is not there."""
    path = folder / "ewad.toml"
    blocks = (BLOCK.format(i=i, beta=beta) for i in range(n))
    path.write_text(HEAD.format(port=free_port(), folder=folder) + "".join(blocks))
    return path


async def ticks(held: list[float], clock: Callable[[], float]) -> None:
    """Note the clock's time between turns of the event loop."""
    last = clock()
    while True:
        await asyncio.sleep(0.001)
        now = clock()
        held.append(now - last)
        last = now


async def measure(folder: Path, n: int) -> None:
    """Print the CPU of a start and a reload, and the longest hold-up by it."""
    before = time.process_time()
    daemon = Daemon(load(written(folder, n, 0.9), {}))
    await daemon.start()
    at_most(f"start with {n:,} blocks, s of CPU", time.process_time() - before, 5.0)
    running = asyncio.create_task(daemon.run())
    done = asyncio.Event()
    messages: list[Any] = [
        SimpleNamespace(topic=f"site/a/t{i}", payload=b"1.5", retain=False) for i in range(n)
    ]
    daemon.committer.consume(messages, time.time())
    daemon.committer.commit(Acknowledgements(), done.set)
    await done.wait()
    held: list[float] = []
    # CPU of the whole process: what others take of a busy machine does not count
    watching = asyncio.create_task(ticks(held, time.process_time))
    before = time.process_time()
    path = written(folder, n, 0.5)
    reloader = Reloader(partial(load, path, {}))
    reloader.ask()
    reloading = asyncio.create_task(reloader.run(daemon))
    while daemon.settings.streams[0].decays != (ByCount(0.5),) or daemon.committer.busy:  # noqa: ASYNC110 (the daemon tells nobody)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    print(f"reload of all {n:,} blocks: {time.process_time() - before:.2f} s of CPU")
    at_most("the longest hold-up of the event loop by the reload, ms of CPU", 1000 * max(held), 50)
    for task in (watching, reloading, running):
        task.cancel()
    await asyncio.wait([watching, reloading, running])


def main() -> None:
    """Measure."""
    logging.getLogger("ewad").setLevel(logging.ERROR)
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), n))


if __name__ == "__main__":
    main()
