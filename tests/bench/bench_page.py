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
from ewad.outputs.http.page import files
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


async def shares(
    pid: int, url: str, seconds: float
) -> tuple[dict[str, list[float]], dict[str, float], float]:
    """Return of each view what share of a core the daemon takes without it, with it and without it again, the
    browser's main thread, and the first paint: a machine that others use, too, changes within a minute.
    """

    async def spent() -> float:
        before = cpu_seconds(pid)
        await asyncio.sleep(seconds)
        return (cpu_seconds(pid) - before) / seconds

    daemon, page = {}, {}
    async with browser() as tab:
        await tab.open(url, 1280, 900)
        await tab.call("Performance.enable")
        await tab.until("document.querySelectorAll('tbody tr').length >= 50")
        paint = float(await tab.until(PAINT)) / 1000.0
        for name, fragment in (("the list", "#"), ("a stream", "#stream=site%2F0%2Ftemperature")):
            await tab.call("Page.navigate", url="about:blank")
            without = await spent()
            await tab.open(url + fragment, 1280, 900)
            await asyncio.sleep(2.0)
            before = await thread_seconds(tab)
            with_page = await spent()
            page[name] = (await thread_seconds(tab) - before) / seconds
            await tab.call("Page.navigate", url="about:blank")
            daemon[name] = [without, with_page, await spent()]
    return daemon, page, paint


def main() -> None:
    """Print the figures beside what they should be."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    weight = sum(len(file.body) for file in files().values())
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
                daemon_shares, shared, paint = asyncio.run(shares(daemon.process.pid, page, seconds))
                stop.set()
                sender.join()
        print(f" {STREAMS:,} streams at {PER_SECOND:,} samples/s, {title}")
        for name, (before, during, after) in daemon_shares.items():
            told = f"{before:.3f}, {during:.3f}, {after:.3f}"
            print(f"  the daemon's share of a core without {name}, with it, without it again: {told}")
            at_most("its CPU with the page to without", 2 * during / max(before + after, 1e-9), 1.2)
        for name, share in shared.items():
            at_most(f"main thread's share of a core, {name}", share, 0.2)
        at_most("first contentful paint, s", paint, 0.5)


if __name__ == "__main__":
    main()
