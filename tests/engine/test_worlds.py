"""The size of batches matters to nothing: in fixed worlds, in fresh ones, on several kernels.

LAW_SEED=123 tries the world of that seed alone; LAW_WORLDS=200 tries so many fresh ones.
"""

import os
import platform
import secrets
import subprocess
import sys

import pytest

from tests.engine.worlds import KINDS, check, kernel
from tests.system.daemon import UNMEASURED

FIXED = 2 * len(KINDS)  # each kind of model twice
# Sums in other orders, by vectors of 8, 4 and 2 numbers: what kernels round otherwise must decide nothing.
KERNELS = ("SkylakeX", "Haswell", "Nehalem")


def fresh_seeds():
    """Return seeds that nobody has tried, or the one that is asked for."""
    if "LAW_SEED" in os.environ:
        return [int(os.environ["LAW_SEED"])]
    return [secrets.randbits(32) for _ in range(int(os.environ.get("LAW_WORLDS", "8")))]


@pytest.mark.parametrize("seed", range(FIXED))
def test_batches_of_any_size_come_to_the_same(seed):
    check(seed)


def test_batches_of_any_size_come_to_the_same_in_worlds_never_seen():
    for seed in fresh_seeds():
        print(f"LAW_SEED={seed}")
        check(seed)


@pytest.mark.parametrize("name", KERNELS)
def test_batches_of_any_size_come_to_the_same_on_every_kernel(name):
    if platform.machine() not in ("x86_64", "AMD64") or not kernel():
        pytest.skip(f"{name} is a kernel of OpenBLAS for x86-64")
    seeds = [*range(FIXED, FIXED + len(KINDS)), *fresh_seeds()[:4]]
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.worlds", *map(str, seeds)],
        env={**os.environ, "OPENBLAS_CORETYPE": name, **UNMEASURED},
        capture_output=True,
        text=True,
    )
    if f"kernel: {name}" not in done.stdout and not done.returncode:
        pytest.skip(f"this processor can't run {name}: OpenBLAS chose {done.stdout.splitlines()[0]}")
    assert done.returncode == 0, f"replay with LAW_SEED, of {seeds}:\n{done.stdout}{done.stderr}"
