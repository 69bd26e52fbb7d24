"""One step per sample of each recurrence, compiled ahead of time where that could be done.

A kernel is a plain Python file that works on numbers and on arrays without axes; the C types of its names
stand beside it in a .pxd. Compiled or interpreted, the numbers are the same to the bit. Inside a step
nothing is allocated, no Python object is touched, and the interpreter's lock is not held.
"""

from ewad.kernels import averages

# The name and version of the arithmetic: states that were computed by another say so.
ARITHMETIC = "samples-5"
COMPILED = not averages.__file__.endswith(".py")
HOW = "compiled" if COMPILED else "interpreted"
