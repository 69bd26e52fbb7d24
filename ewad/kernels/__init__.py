"""One step per sample of each recurrence, compiled ahead of time where that could be done.

A kernel is a plain Python file that works on numbers and on arrays without axes; the C types of its names
stand beside it in a .pxd. Compiled or interpreted, the numbers are the same to the bit. Inside a step
nothing is allocated, no Python object is touched, and the interpreter's lock is not held.
"""

from pathlib import Path

# What Linux tells of the first processor; the others are like it.
_CPUINFO = Path("/proc/cpuinfo")
WIDE = "avx2"  # the folder of kernels that are compiled for processors with AVX2, as hatch_build.py has it


def _has_avx2() -> bool:
    try:
        with _CPUINFO.open("rb") as file:
            return b" avx2 " in file.read(8192)
    except OSError:  # another system
        return False


if _has_avx2():  # what is there is found first
    __path__.insert(0, str(Path(__file__).with_name(WIDE)))

from ewad.kernels import averages  # noqa: E402

# The name and version of the arithmetic: states that were computed by another say so.
ARITHMETIC = "samples-5"
COMPILED = not averages.__file__.endswith(".py")
HOW = "compiled" if COMPILED else "interpreted"
