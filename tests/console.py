"""The command line in this process: what a command prints and how it ends, without a start of Python."""

import io
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from ewad.cli import main
from tests.system.daemon import environment


class _Captured(io.TextIOWrapper):
    """A stream like that of a process into a pipe: bytes below, no terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="surrogateescape", write_through=True)

    def text(self) -> str:
        return self.buffer.getvalue().decode(errors="replace")


def ewad(
    *arguments: str | Path, stdin: str = "", cwd: Path | str = ".", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of ewad to its end, as tests.system.daemon.ewad does it in a process."""
    words = ["ewad", *map(str, arguments)]
    out, err = _Captured(), _Captured()
    with (
        patch.object(sys, "argv", words),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")),
        patch.dict(os.environ, environment(**environ), clear=True),
        chdir(cwd),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code
    return subprocess.CompletedProcess(words, int(status or 0), out.text(), err.text())
