"""Simulate many worlds: python -m tests.simulation [--seeds 100000]; or replay one: --seed N."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.world import World, simulate

CHUNK = 500


def chunk(first: int) -> list[str]:
    """Return what went wrong with some seeds."""
    faults = []
    for seed in range(first, first + CHUNK):
        try:
            simulate(seed)
        except AssertionError as error:
            faults.append(str(error))
    return faults


def replay(seed: int) -> int:
    """Print what happens in one world; return 1 if that is wrong."""
    world = World(seed)
    try:
        world.run()
    except Exception as error:
        print("\n".join(world.trace))
        print(f"seed {seed}: {error}")
        return 1
    print("\n".join(world.trace))
    print(f"seed {seed}: {len(world.published)} messages, each counted once")
    return 0


def main() -> int:
    """Return 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100_000, help=f"how many, in steps of {CHUNK}")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--seed", type=int, help="only this one, with all that happens")
    options = parser.parse_args()
    if options.seed is not None:
        return replay(options.seed)
    began, wrong = time.monotonic(), 0
    firsts = range(options.first, options.first + options.seeds, CHUNK)
    with ProcessPoolExecutor() as pool:
        for done, faults in enumerate(pool.map(chunk, firsts), start=1):
            wrong += len(faults)
            print("".join(f"{fault}\n" for fault in faults), end="")
            if sys.stderr.isatty():
                print(f"\r{done * CHUNK} seeds", end="", file=sys.stderr)
    seconds = time.monotonic() - began
    print(f"{len(firsts) * CHUNK} seeds from {options.first}, {wrong} wrong ({seconds:.0f} s)")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
