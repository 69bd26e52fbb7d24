"""All measurements one after another: python -m tests.bench [names, such as engine replay] [options]."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    """Run each bench in a process of its own; return how many failed."""
    known = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    names = list(itertools.takewhile(lambda word: not word.startswith("-"), sys.argv[1:]))
    options = sys.argv[1 + len(names) :]
    if options and not names:
        print(
            f"{__doc__}\nnames: {', '.join(known)}; options are those of a name: try NAME --help",
            file=sys.stderr,
        )
        return 0 if options[0] in ("-h", "--help") else 2
    wanted = names or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}", file=sys.stderr)
        return 2
    failed = []
    for name in wanted:
        print(f"\n== {name} ==", flush=True)
        started = time.perf_counter()
        command = [sys.executable, "-m", f"tests.bench.bench_{name}", *options]
        done = subprocess.run(command, cwd=FOLDER.parents[1])
        failed += [name] if done.returncode else []
        print(f"({time.perf_counter() - started:.0f} s)", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
