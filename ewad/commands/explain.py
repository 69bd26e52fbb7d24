"""`ewad explain`: what becomes of one message."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import click

from ewad.commands.options import (
    CONFIG,
    FAILED,
    broker_options,
    configured,
    settings_of,
    stream_options,
)
from ewad.commands.shapes import presets_of
from ewad.config import Settings
from ewad.config.syntax import check_topic_text, quoted
from ewad.engine import Engine
from ewad.errors import ConfigError, SourceError
from ewad.ingest.explain import Explanation
from ewad.ingest.explain import explain as explained
from ewad.ingest.intake import Intake


# a payload may begin with a minus: -63
@click.command("explain", context_settings={"ignore_unknown_options": True})
@click.argument("of_topic", metavar="TOPIC")
@click.argument("payload", type=click.UNPROCESSED)
@CONFIG
@broker_options
@stream_options
def command(of_topic: str, payload: str, config: Path | None, **options: Any) -> None:
    """Say what becomes of a message: block, labels, value - or why it is rejected.

    PAYLOAD is the text itself, - for standard input, or @FILE for the content of a file. Without a
    configuration it is read as if TOPIC were subscribed to. Ends with 1 if something of the message is
    rejected, or if nothing of it counts.
    """
    if config is None and not configured(options):
        click.echo(f"without a configuration: as if by --topic {shlex.quote(of_topic)}")
        options["topic"] = (of_topic,)
    data = payload_of(payload)
    settings = settings_of(config, options)
    explanation = explain(settings, of_topic, data)
    click.echo(str(explanation))
    if explanation.rejected:
        known = presets_of({of_topic: data}).get(of_topic)
        in_use = {block.name.partition(".")[0] for block in settings.streams}
        if known and not explanation.taken and known not in in_use:
            click.echo(f'a preset reads it: preset = "{known}" in a [[stream]] block, or --preset {known}')
        raise click.exceptions.Exit(FAILED)


def explain(settings: Settings, topic: str, payload: bytes) -> Explanation:
    """Return what becomes of a message under these settings, if it came now.

    Raises ConfigError for a topic that no message can have.
    """
    if not topic or set(topic) & set("+#\0"):
        raise ConfigError(
            "TOPIC: expected the topic of one message, such as site/kitchen/temperature,"
            f" got {quoted(topic)}: + and # stand in filters alone"
        )
    try:
        check_topic_text(topic)
    except ValueError as error:
        raise ConfigError(f"TOPIC: {error}") from error
    engine = Engine(settings.group_settings(), settings.limits.max_streams)
    intake = Intake(engine, settings.streams, settings.limits.max_payload_bytes)
    return explained(intake, topic, payload, time.time())


def payload_of(given: str) -> bytes:
    """Return the bytes of a payload as given, of standard input (-) or of a file (@FILE).

    Raises SourceError.
    """
    if given == "-":
        return sys.stdin.buffer.read()
    if not given.startswith("@"):
        return os.fsencode(given)
    if given == "@":
        raise SourceError("PAYLOAD: expected a file behind @, such as @message.json, got none")
    try:
        return Path(given[1:]).read_bytes()
    except OSError as error:
        raise SourceError(f"{given[1:]}: can't read the payload: {error.strerror}") from error
