"""Building ewad's packages from a copy of the project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.system.daemon import UNMEASURED

ROOT = Path(__file__).parents[2]
NEEDED = (
    *("pyproject.toml", "hatch_build.py", "fetch_uplot.py", "requirements-npm.txt", "README.md", "LICENSE"),
    *("ewad", "samples", "deploy"),
)


def copy(place: Path) -> Path:
    """Copy what a build reads, and the compiled kernels with it: compiling is the same, and takes minutes."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place / name)
    keep_compiled(place)
    return place


def keep_compiled(place: Path) -> None:
    for path in (*(ROOT / "build").glob("kernels*/**/*.key"), *(ROOT / "ewad" / "kernels").rglob("*.so")):
        target = place / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def failing_npm(place: Path) -> str:
    """Return a path of commands whose npm finds no registry."""
    folder = place / "without"
    folder.mkdir(exist_ok=True)
    npm = folder / "npm"
    npm.write_text("#!/bin/sh\necho no registry here >&2\nexit 1\n")
    npm.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def build(place: Path, *targets: str, **variables: str) -> list[Path]:
    """Build a project into its dist, and return what was made."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", "dist"]
    for target in targets:
        command += ["-t", target]
    environ = os.environ | UNMEASURED | variables
    subprocess.run(command, cwd=place, env=environ, check=True, capture_output=True, timeout=300)
    return sorted((place / "dist").iterdir())
