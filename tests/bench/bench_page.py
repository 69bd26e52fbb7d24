"""The live page measured: its weight, its first paint, what it costs the browser and the daemon.

Run: python -m tests.bench.bench_page [seconds]
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from ewad.demonstration.browser import Tab, browser, chromium
from ewad.outputs.http.bundle import FOLDER
from tests.bench.measure import at_most
from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.publisher import publish

STREAMS, PER_SECOND = 1000, 1000
STEP_SECONDS = 0.1
TICK_SECONDS = 1.0 / os.sysconf("SC_CLK_TCK")
SETTINGS = """
[[stream]]
name = "temperature"
topic = "site/{room}/temperature"
beta = [0.9, 0.98]
"""
MODEL = 'model = "auto"\n[model.auto]\nhorizons = [1, 6]\n'
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_SECONDS


def send(port: int, stop: threading.Event) -> None:
    """Publish PER_SECOND samples a second, the streams in turn, until told to stop."""
    number, due = 0, time.monotonic()
    while not stop.is_set():
        several = range(number, number + round(PER_SECOND * STEP_SECONDS))
        publish(
            port, [(f"site/{n % STREAMS}/temperature", b"%.2f" % (20 + n * 7 % 100 / 50)) for n in several]
        )
        number, due = several.stop, due + STEP_SECONDS
        time.sleep(max(0.0, due - time.monotonic()))


async def thread_seconds(tab: Tab) -> float:
    """Return the CPU time of the page's main thread so far."""
    metrics = {each["name"]: each["value"] for each in (await tab.call("Performance.getMetrics"))["metrics"]}
    return float(metrics["ThreadTime"])


async def shares(pid: int, url: str, seconds: float) -> tuple[float, float, dict[str, float], float]:
    """Return the daemon's share of a core without and with the page, the page's by view, the first paint."""

    async def spent() -> float:
        before = cpu_seconds(pid)
        await asyncio.sleep(seconds)
        return (cpu_seconds(pid) - before) / seconds

    without = await spent()
    async with browser() as tab:
        await tab.open(url, 1280, 900)
        await tab.call("Performance.enable")
        await tab.until("document.querySelectorAll('tbody tr').length >= 50")
        paint = float(await tab.until(PAINT)) / 1000.0
        page, with_page = {}, 0.0
        for name, fragment in (("the list", "#"), ("a stream", "#stream=site%2F0%2Ftemperature")):
            await tab.evaluate(f"location.hash = '{fragment}'")
            await asyncio.sleep(2.0)
            before = await thread_seconds(tab)
            with_page = max(with_page, await spent())
            page[name] = (await thread_seconds(tab) - before) / seconds
    return without, with_page, page, paint


def main() -> None:
    """Print the figures beside what they should be."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    weight = sum(path.stat().st_size for path in FOLDER.iterdir())
    at_most("weight of all files, kB, not compressed", weight / 1000.0, 150.0)
    if chromium() is None:
        print("  (chromium is not installed: left out)")
        return
    for title, model in (("smoothing", ""), ('model = "auto"', MODEL)):
        with tempfile.TemporaryDirectory() as name, mosquitto.running(Path(name, "mosquitto")) as broker:
            url = f"mqtt://127.0.0.1:{broker.port}"
            with daemons.running(Path(name, "ewad"), url, SETTINGS + model) as daemon:
                stop = threading.Event()
                sender = threading.Thread(target=send, args=(broker.port, stop), daemon=True)
                sender.start()
                time.sleep(3.0)
                page = f"http://{daemon.address}/"
                without, with_page, shared, paint = asyncio.run(shares(daemon.process.pid, page, seconds))
                stop.set()
                sender.join()
        print(f" {STREAMS:,} streams at {PER_SECOND:,} samples/s, {title}")
        print(f"  the daemon's share of a core without the page: {without:.3f}, with it: {with_page:.3f}")
        at_most("its CPU with the page to without", with_page / max(without, 1e-9), 1.2)
        for name, share in shared.items():
            at_most(f"main thread's share of a core, {name}", share, 0.2)
        at_most("first contentful paint, s", paint, 0.5)


if __name__ == "__main__":
    main()
