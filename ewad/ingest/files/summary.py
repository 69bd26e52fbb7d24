"""What was decided about a file, for people."""

from __future__ import annotations

import datetime

from ewad.config.syntax import counted, format_duration, quoted
from ewad.ingest.files.archive import InputFile
from ewad.ingest.files.profile import FEW, Profile
from ewad.ingest.files.table import FileReader
from ewad.ingest.files.times import TextForm

ORDERS = {"sorted": "", "newest first": "; newest first", "unsorted": "; not in order of time"}


def lines(path: InputFile, reader: FileReader, profile: Profile) -> list[str]:
    """Return the file's summary: how it was read, from when to when, which streams, what was left out."""
    roles = profile.roles
    said = [
        f"{path}: {', '.join([reader.kind, *reader.facts])}; {counted(profile.rows, 'row')}",
        f"  time: {_time(reader, profile)}",
    ]
    if profile.span is not None:
        said.append(f"  {_span(profile)}")
    said.append(f"  streams: {_streams(reader, profile)}")
    said += [f"  {note}" for note in profile.notes]
    if profile.gaps and roles.layout != "messages":
        said.append(f"  gaps: {counted(profile.gaps, 'cell')} without a reading")
    said += [f"  left out: {counted(count, 'row')} {reason}" for reason, count in profile.left_out.items()]
    said += [f"  guess: {guess}" for guess in profile.guesses]
    return said + [f"  doubt: {doubt}" for doubt in profile.doubts]


def _time(reader: FileReader, profile: Profile) -> str:
    clock = profile.roles.clock
    names = " and ".join(quoted(reader.names[index] or str(index + 1)) for index in clock.columns)
    word = "column" if len(clock.columns) == 1 else "columns"
    forms = [form.name for form in clock.forms if form is not None and form.name]
    track = clock.track
    if track is not None and track.good and track.zoned == track.good:
        zone = "with a zone of their own"
    elif clock.zone is None:
        zone = "UTC"
    elif isinstance(clock.zone, float):
        zone = _offset(clock.zone)
    else:
        zone = clock.zone
    form = clock.forms[0]
    if not forms or isinstance(form, TextForm) or form is None or not form.zoned:
        forms.append(zone)
    return f"{word} {names}, {', '.join(forms)}"


def _offset(hours: float) -> str:
    minutes = round(60 * abs(hours))
    return f"UTC{'-' if hours < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}" if minutes else "UTC"


def _span(profile: Profile) -> str:
    assert profile.span is not None  # noqa: S101 (the caller has looked)
    first, last = (readable(seconds) for seconds in profile.span)
    step = f", every {_step(profile.step)} typically" if profile.step else ""
    order = {"sorted": "", "newest first": "; newest first", "unsorted": "; not in order of time"}[
        profile.order
    ]
    return f"from {first} to {last} UTC{step}{order}"


def _step(seconds: float) -> str:
    try:
        return format_duration(round(seconds, 3))
    except ValueError:
        return f"{seconds:g} s"


def readable(seconds: float) -> str:
    """Return a Unix time as people read it, UTC."""
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return moment.isoformat(" ", "milliseconds" if moment.microsecond else "seconds")


def _streams(reader: FileReader, profile: Profile) -> str:
    if profile.roles.layout == "messages":
        return (
            f"recorded messages of {counted(profile.different_streams, 'topic')}"
            if profile.different_streams
            else ("recorded messages")
        )
    shown = [
        f"{quoted(name)} ({counted(count, 'row')}{_unit(profile, name)})"
        for name, count in list(profile.streams.items())[:FEW]
    ]
    more = profile.different_streams - len(shown)
    names = ", ".join([*shown, *([f"and {more:,} more"] if more > 0 else [])])
    if not shown:
        names = "one for each of many names"
    return names


def _unit(profile: Profile, name: str) -> str:
    unit = profile.units.get(name) or profile.units.get(name.rpartition("/")[2], "")
    return f", {unit}" if unit else ""
