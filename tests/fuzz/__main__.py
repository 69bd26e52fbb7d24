"""The long form: `python -m tests.fuzz [--inputs 20000000] [TARGET...]`, guided by coverage (atheris).

Each target runs in a process of its own, ends at the first fault and prints the input; the number of objects
has to stay flat from the first tenth of the inputs to the last. `make fuzz` installs atheris.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import TARGETS

INPUTS = 20_000_000
LONGEST_INPUT = 512


def main() -> None:
    """Run the targets that are named, or all, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--inputs", type=int, default=INPUTS, help="of all targets together")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    chosen = parser.parse_args()
    if unknown := set(chosen.targets) - set(TARGETS):
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(TARGETS)}")
    for name in chosen.targets or TARGETS:
        runs = int(chosen.inputs * TARGETS[name].share)
        print(f"{name}: {runs:,} inputs", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            words = Path(folder, "words")
            words.write_text("\n".join(map(_quoted, TARGETS[name].words)) + "\n")
            options = (
                f"-dict={words}",
                f"-max_len={LONGEST_INPUT}",
                "-verbosity=0",
                f"-artifact_prefix={folder}/",
            )
            command = sys.executable, "-m", "tests.fuzz.guided", name, str(runs), *options
            # the codec panics at text that is not UTF-8; with a backtrace that takes 50 MiB
            subprocess.run(command, check=True, env=os.environ | {"RUST_BACKTRACE": "0"})


def _quoted(word: bytes) -> str:
    """Return the word as libFuzzer's dictionaries have it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


if __name__ == "__main__":
    main()
