"""Sums over many numbers, in an order that stays: each has accumulators of its own, as many as fit
registers.
"""

from __future__ import annotations

from ewad.kernels.memory import Floats


def dot(a: Floats, i: int, b: Floats, j: int, n: int) -> float:
    """Return the sum of a[i + k] * b[j + k] over n numbers."""
    s0 = 0.0
    s1 = 0.0
    s2 = 0.0
    s3 = 0.0
    s4 = 0.0
    s5 = 0.0
    s6 = 0.0
    s7 = 0.0
    whole = n - n % 8
    for k in range(0, whole, 8):
        s0 += a[i + k] * b[j + k]
        s1 += a[i + k + 1] * b[j + k + 1]
        s2 += a[i + k + 2] * b[j + k + 2]
        s3 += a[i + k + 3] * b[j + k + 3]
        s4 += a[i + k + 4] * b[j + k + 4]
        s5 += a[i + k + 5] * b[j + k + 5]
        s6 += a[i + k + 6] * b[j + k + 6]
        s7 += a[i + k + 7] * b[j + k + 7]
    for k in range(whole, n):
        s0 += a[i + k] * b[j + k]
    return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))


def add_multiple(factor: float, x: Floats, i: int, y: Floats, j: int, n: int) -> None:
    """Add factor * x[i + k] to y[j + k] for n numbers; y changes."""
    for k in range(n):
        y[j + k] += factor * x[i + k]


def divide(y: Floats, j: int, n: int, by: float) -> None:
    """Divide n numbers from y[j] on; y changes."""
    for k in range(n):
        y[j + k] /= by


def affine(x: Floats, i: int, w: Floats, j: int, n_x: int, n_y: int, y: Floats, at: int) -> None:
    """Write x W + b to y[at:], (n_y,).  w[j:]: W by rows, (n_x, n_y), and then b."""
    bias = j + n_x * n_y
    if n_y == 1:
        y[at] = w[bias] + dot(x, i, w, j, n_x)
        return
    for h in range(n_y):
        y[at + h] = w[bias + h]
    whole = n_x - n_x % 4
    for k in range(0, whole, 4):
        add_four(x, i + k, w, j + k * n_y, n_y, y, at)
    for k in range(whole, n_x):
        add_multiple(x[i + k], w, j + k * n_y, y, at, n_y)


def add_four(x: Floats, i: int, w: Floats, j: int, n_y: int, y: Floats, at: int) -> None:
    """Add four rows of W, each times its x, to y[at:], one after another: y is read and written once."""
    x0 = x[i]
    x1 = x[i + 1]
    x2 = x[i + 2]
    x3 = x[i + 3]
    j1, j2, j3 = j + n_y, j + 2 * n_y, j + 3 * n_y
    for h in range(n_y):
        y[at + h] = (((y[at + h] + x0 * w[j + h]) + x1 * w[j1 + h]) + x2 * w[j2 + h]) + x3 * w[j3 + h]


def add_product(x: Floats, i: int, e: Floats, j: int, w: Floats, at: int, n_x: int, n_y: int) -> None:
    """Add the outer product x' e, (n_x, n_y), to w[at:], by rows: w changes."""
    if n_y == 1:
        add_multiple(e[j], x, i, w, at, n_x)
        return
    for k in range(n_x):
        add_multiple(x[i + k], e, j, w, at + k * n_y, n_y)


def symmetric_product(p: Floats, j: int, x: Floats, i: int, n: int, y: Floats) -> None:
    """Write P x to y, (n,).  p[j:]: the lower triangle of P, row by row."""
    row = j
    for k in range(n):
        y[k] = dot(p, row, x, i, k) + p[row + k] * x[i + k]
        add_multiple(x[i + k], p, row, y, 0, k)
        row += k + 1


def symmetric_update(p: Floats, j: int, x: Floats, factor: float, growth: float, n: int) -> None:
    """Make of P, as in `symmetric_product`, growth * (P + factor * x x'): in place.  x: (n,)."""
    row = j
    for k in range(n):
        times = factor * x[k]
        for m in range(k + 1):
            p[row + m] = growth * (p[row + m] + times * x[m])
        row += k + 1
