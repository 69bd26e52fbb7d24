"""One target under libFuzzer, with ewad's bytecode instrumented: TARGET RUNS OPTION..."""

import gc
import os
import sys
from pathlib import Path

import atheris

PACKAGE = Path(__file__).parents[2] / "ewad"
# atheris leaks an object at each comparison of arrays that it watches. What these do with numbers is tested
# elsewhere; bytes are taken apart before.
ARITHMETIC = [f"ewad.numeric.{file.stem}" for file in (PACKAGE / "numeric").glob("*.py")] + [
    f"ewad.engine.{name}"
    for name in ("engine", "features", "forecaster", "group", "learner", "recursive_learner", "rounds")
]
with atheris.instrument_imports(include=["ewad"], exclude=ARITHMETIC):
    from ewad.ingest.formats import known, lines, sparkplug_nodes
    from tests.fuzz.targets import TARGETS

# full, and forgotten, before a tenth of the inputs
lines.MOST_ENTRIES = known.MOST_ENTRIES = 1 << 9
sparkplug_nodes.MOST_BYTES = 1 << 17
FLAT = 1.1  # caches fill
TOLD = 100_000  # inputs: how far it came shows where it is ended before its end


def objects() -> int:
    """Return how many blocks of memory Python's objects take: libFuzzer's own learning isn't among them."""
    gc.collect()
    return sys.getallocatedblocks()


def rss_mib() -> float:
    """Return this process's resident memory, libFuzzer's included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Feed the target until `runs` inputs are done or one is a fault."""
    name, runs, *options = sys.argv[1:]
    target, done, early = TARGETS[name].run, 0, 0

    def run(data: bytes) -> None:
        nonlocal done, early
        target(data)
        done += 1
        if done % TOLD == 0:
            print(f"{name}: {done:,} inputs so far", flush=True)
        if done == max(int(runs) // 10, 1):
            early = objects()
        if done == int(runs):
            late = objects()
            print(f"{name}: {done:,} inputs; objects: {early:,} after a tenth, {late:,} at the end", end="; ")
            print(f"{rss_mib():.0f} MiB", flush=True)
            assert late < FLAT * early, "memory is not flat"

    # libFuzzer itself makes one input more: the empty one
    atheris.Setup([sys.argv[0], f"-atheris_runs={int(runs) + 1}", *options], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
