"""`ewad demo`: a broker of its own, samples as live sensors with their troubles, and the daemon on them."""

from __future__ import annotations

import asyncio
import os
import signal
import webbrowser
from pathlib import Path

import click
import numpy as np

from ewad import config
from ewad.config.syntax import counted, parse_duration
from ewad.daemon import logs
from ewad.daemon.daemon import Daemon
from ewad.demonstration.broker import embedded_broker
from ewad.demonstration.publisher import publish_samples
from ewad.errors import ConfigError

SAMPLES_PER_SECOND = 100.0  # a second shows four days of the office's hours
SHOWN = "site/office/temperature"

# Sized for a minute: a mini-batch is full after a fifth of a second, an epoch is over after 4 s.
SETTINGS = """
[[stream]]
name = "temperature"
topic = "site/{room}/temperature"
unit = "celsius"
beta = [0.9, 0.98]
model = "demo"
stale_after = "2s"
stuck_after = "1s"
thresholds = { hot = "> 26" }
# The record itself jumps by 3 or 4 degrees now and then. An anomaly lasts a minute otherwise: 250 days here.
anomaly = { min_deviation = 5, calm = "2s" }

[[stream]]
name = "wind"
topic = "site/{place}/wind_speed"
unit = "m/s"
beta = [0.9, 0.98]
anomaly = { min_deviation = 10, calm = "2s" }

[[stream]]
name = "door"
topic = "site/{place}/door"
states = { open = 1, closed = 0 }
half_life = ["500ms", "5s"]

[model.demo]                # no experts named: that of model = "auto", its learning rate decaying
horizons = [1, 2, 3, 6, 12, 24]
batch_size = 16
batches_per_epoch = 20
learning_rate = 0.01
schedule = { kind = "inverse_time", decay_rate = 0.1 }
"""

TO_SEE = """\
to see   office: a day's season; hall: spikes, each an anomaly for 2 s; cellar: steps of 4 degrees;
         attic: fails (nan), then is silent; porch: gets stuck; door: reports changes alone.
         The first spike comes after 3 s, and each trouble again every 12 s.
         The records are real ones: once a minute or so one jumps by itself."""

# Of --record: some epochs of training, and a cycle of the troubles.
SETTLED = 1500
OFFICE = "#stream=site%2Foffice%2Ftemperature&group=temperature"
FACTS = "[...document.querySelectorAll('dt')].find((each) => each.innerText === 'Samples')"
COUNTED = f"Number({FACTS}?.nextSibling.innerText.replaceAll(',', '') ?? 0) > {SETTLED}"
RATED = "/^[1-9]/.test(document.querySelectorAll('.tile strong')[2]?.innerText)"
PICTURES = {"live_page": (OFFICE, COUNTED, 1100, 760), "overview": ("#", RATED, 1100, 760)}


def run(duration: str | None, listen: str, browse: bool = False, pictures: Path | None = None) -> None:
    """Show the daemon at work until Ctrl-C, or for `duration` such as "30s".

    browse: open the page in a browser.  pictures: draw the page into this folder, then end.
    """
    try:
        seconds = None if duration is None else parse_duration(duration)
    except ValueError as error:
        raise ConfigError(f"--duration: {error}") from error
    logs.configure("error", "text")  # that a sensor fails is a part of the story
    asyncio.run(_run(seconds, listen, browse, pictures))


async def _run(seconds: float | None, listen: str, browse: bool, pictures: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with embedded_broker() as url:
        daemon = Daemon(_settings(url, listen))
        address = (await daemon.start())[0]
        click.echo(_banner(url, address))
        if browse and not webbrowser.open(f"http://{address}/"):
            click.echo(f"--open: no browser is here; the page is at http://{address}/", err=True)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(daemon.run(), name="daemon"),
                tasks.create_task(
                    publish_samples(url, samples_per_second=SAMPLES_PER_SECOND), name="publisher"
                ),
                tasks.create_task(_tell(daemon), name="teller"),
            ]
            try:
                async with asyncio.timeout(seconds):
                    await (stop.wait() if pictures is None else _draw(address, pictures))
            except TimeoutError:
                pass
            finally:  # also where a task has failed, as when nobody reads what the teller prints
                for task in running:
                    task.cancel()
                await _insist(running[1])
    click.echo(f"done: {counted(daemon.intake.received, 'message')}")


async def _draw(address: str, folder: Path) -> None:
    """Draw the pictures of the page that PICTURES names."""
    from ewad.demonstration.browser import record

    for path in await record(f"http://{address}/", folder, PICTURES):
        click.echo(path)


async def _insist(task: asyncio.Task[None]) -> None:
    """Cancel the task until it is over: Python 3.11 loses a cancellation that meets a finished wait_for."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.1)


def _settings(url: str, listen: str) -> config.Settings:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EWAD_")}
    overrides = {"EWAD_MQTT__URL": url, "EWAD_HTTP__LISTEN": listen}
    return config.parse(SETTINGS, "demo", environ | overrides)


def _banner(url: str, address: str) -> str:
    return (
        f"broker   {url}  (embedded; sample data at {SAMPLES_PER_SECOND:.0f} samples/s a stream)\n"
        f"page     http://{address}/\n"
        f"metrics  http://{address}/metrics\n"
        f"{TO_SEE}\n"
        f"\n{SHOWN}\n"
        "    time   value  smoothed 0.9  smoothed 0.98  forecast   90 % interval"
        "    loss  learning rate   skill"
    )


async def _tell(daemon: Daemon) -> None:
    """Print a line each second of how the shown stream is doing."""
    group = daemon.engine.groups[0]
    second = 0
    while True:
        await asyncio.sleep(1.0)
        second += 1
        row = group.streams.find(SHOWN)
        if row is None or group.forecaster is None:
            click.echo(f"{second:6d} s  {daemon.source.status}")
            continue
        forecaster = group.forecaster
        learner, lower, upper = forecaster.learner, forecaster.lower[row, 0], forecaster.upper[row, 0]
        fast, slow = (average.mean[row] for average in group.averages)
        click.echo(
            f"{second:6d} s{_cell(group.value[row], 8)}{_cell(fast, 14)}{_cell(slow, 15)}"
            f"{_cell(forecaster.forecast[row, 0], 10)}{_cell(lower, 7)} ..{_cell(upper, 6)}"
            f"{_cell(learner.loss[row], 8, 4)}{_cell(learner.learning_rate[row], 15, 5)}"
            f"{_cell(forecaster.skill()[row, 0], 8)}"
        )


def _cell(number: float, width: int, digits: int = 2) -> str:
    return "-".rjust(width) if np.isnan(number) else f"{number:{width}.{digits}f}"
