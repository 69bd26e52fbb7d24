"""The table of sinks: what turns each one on, and where its class is. A newcomer is a line here.

A sink is on where `Settings.sinks` has its name: the configuration has its section, or a command says so.
Classes lie in ewad/outputs, which this package knows nothing of.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final, NamedTuple

from ewad.config.section import Section


class SinkEntry(NamedTuple):
    """A sink.

    place: module:class, which is made of the Settings.  options: the file in this folder with its SECTION;
    "": it has none, and an option of a command turns it on.  needs: a module that its extra brings.
    """

    place: str
    options: str = ""
    needs: str = ""


SINKS: Final = {
    "jsonl": SinkEntry("ewad.outputs.files.jsonl:JsonlSink"),
    "publish": SinkEntry("ewad.outputs.mqtt.publisher:Publisher", "publish"),
    "otlp": SinkEntry("ewad.outputs.otlp.exporter:Exporter", "otlp", needs="opentelemetry"),
}


def sections() -> dict[str, Section]:
    """Return the sections of the sinks that have one."""
    named = {name: entry.options for name, entry in SINKS.items() if entry.options}
    return {name: import_module(f"ewad.config.{file}").SECTION for name, file in named.items()}
