"""The system clock of one process, set by libfaketime; its monotonic clocks go on."""

from pathlib import Path

from tests import components

PLACES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class FakeClock:
    """A clock that is so many seconds ahead of the machine's own; `environ` gives it to a process."""

    def __init__(self, directory: Path) -> None:
        if not PLACES:
            components.missing("libfaketime isn't installed (Debian: faketime)")
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "ahead"
        self.set(0)
        self.environ = {
            "LD_PRELOAD": str(PLACES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",  # its name in earlier versions
        }

    def set(self, ahead_seconds: float) -> None:
        """Set the clock, at once."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead_seconds:+.3f}\n")
        new.replace(self._file)
