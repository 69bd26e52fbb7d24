"""Whether a state file can be kept where the configuration has it: to be known before anything is written."""

from __future__ import annotations

import os
from pathlib import Path


def hindrance(path: Path) -> str:
    """Return what keeps this user from keeping a state file there, and what helps; "" if nothing seems to.

    A file that is there may be written in a folder that may not, as where a container has it mounted alone.
    """
    path = Path(os.path.realpath(path))
    folder = path.parent
    if not os.access(folder, os.F_OK) or not folder.is_dir():
        return f"there is no folder {folder} that this user may enter: make it, or name another path"
    if not path.exists() and not os.access(folder, os.W_OK | os.X_OK):
        return f"this user may not write into the folder {folder}: allow it, or name another path"
    if path.is_dir():
        return "expected a file, got a folder: name a file in it"
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return "this user may not read and write this file: allow it, or name another path"
    return ""
