"""`ewad demo`: the daemon on sample temperatures, with a broker of its own."""

from __future__ import annotations

from pathlib import Path

import click

from ewad.demonstration import demo


@click.command("demo")
@click.option(
    "--duration",
    default=None,
    metavar="30s",
    help="End after this time; by default the demo runs until Ctrl-C.",
)
@click.option(
    "--listen",
    default="127.0.0.1:9466",
    show_default=True,
    help="Serve the page and the metrics at this address.",
)
@click.option("--open", "browse", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Draw pictures of the page there, by Chromium, and end.",
)
def command(duration: str | None, listen: str, browse: bool, record: Path | None) -> None:
    """Show it all at work: a broker of its own, sensors that have their troubles, the daemon."""
    demo.run(duration, listen, browse, record)
