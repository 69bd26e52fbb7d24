"""Training measured: an optimizer's step beside torch, an epoch of 5,000,000 examples beside other libraries.

Run: python -m tests.bench.bench_training [examples]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from tests.bench.measure import Work, at_least, at_most, medians, peer

import numpy as np  # isort: skip

from ewad.numeric.minibatches import Training, epoch
from ewad.numeric.network import Network
from ewad.numeric.optimizers import Adam

# layers, batch size, how many times torch's time, at most how many times the bare products'
STEPS: tuple[tuple[tuple[int, ...], int, float, float | None], ...] = (
    ((16, 1), 64, 5.0, None),
    ((64, 32, 24), 64, 5.0, None),
    ((64, 32, 24), 256, 3.0, 2.0),
    ((128, 256, 128, 24), 1024, 1.0, 2.0),
)
N_X, BATCH = 20, 1000
RIVER_EXAMPLES = 5000


def our_step(layers: tuple[int, ...], m: int, dtype: type) -> Work:
    rng = np.random.default_rng(0)
    network, adam = Network(layers, dtype=dtype), Adam()
    theta = network.initial(rng)
    update, gradient = adam.bind(theta, adam.init(theta)), np.empty_like(theta)
    X, Y = (rng.standard_normal((n, m)).astype(dtype) for n in (layers[0], layers[-1]))

    def step() -> None:
        network.gradient(theta, X, Y, out=gradient)
        update(gradient, 0.001)

    return step


def torch_step(torch: ModuleType, layers: tuple[int, ...], m: int, dtype: type, fused: bool) -> Work:
    kind = torch.float32 if dtype is np.float32 else torch.float64
    modules = []
    for n_in, n_out in pairwise(layers):
        modules += [torch.nn.Linear(n_in, n_out, dtype=kind), torch.nn.ReLU()]
    network, loss = torch.nn.Sequential(*modules[:-1]), torch.nn.MSELoss()
    optimizer = torch.optim.Adam(network.parameters(), fused=fused)
    X, Y = (torch.randn(m, n, dtype=kind) for n in (layers[0], layers[-1]))

    def step() -> None:
        optimizer.zero_grad()
        loss(network(X), Y).backward()
        optimizer.step()

    return step


def bare_products(layers: tuple[int, ...], m: int, dtype: type) -> Work:
    """The matrix products of forward and backward, and nothing else."""
    rng = np.random.default_rng(0)
    A = [rng.standard_normal((n, m)).astype(dtype) for n in layers]
    dZ = [rng.standard_normal((n, m)).astype(dtype) for n in layers]
    W = [rng.standard_normal((n_out, n_in)).astype(dtype) for n_in, n_out in pairwise(layers)]
    Z, dA, dW = ([np.empty_like(matrix) for matrix in matrices] for matrices in (A, A, W))

    def products() -> None:
        for layer, weights in enumerate(W):
            np.matmul(weights, A[layer], out=Z[layer + 1])
        for layer, weights in enumerate(W):
            np.matmul(dZ[layer + 1], A[layer].T, out=dW[layer])
            if layer:
                np.matmul(weights.T, dZ[layer + 1], out=dA[layer])

    return products


def compare_steps(torch: ModuleType | None) -> None:
    for layers, m, faster, slower in STEPS:
        for dtype in (np.float32, np.float64):
            works = {"ewad": our_step(layers, m, dtype), "products": bare_products(layers, m, dtype)}
            if torch:
                for fused in (False, True):
                    works["torch fused" if fused else "torch"] = torch_step(torch, layers, m, dtype, fused)
            times = medians(works)
            name = f"{'-'.join(map(str, layers))}, batch {m}, {dtype.__name__}"
            print(f"{name}: " + ", ".join(f"{work} {1e6 * t:.0f} us" for work, t in times.items()))
            for other in ("torch", "torch fused") if torch else ():
                at_least(f"{other} / ewad", times[other] / times["ewad"], faster)
            if slower:
                at_most("ewad / bare products", times["ewad"] / times["products"], slower)


def regression(m: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (m, n_x) and targets (m,): one layout for all; ours sees its transpose."""
    rng = np.random.default_rng(1)
    rows, targets = np.empty((m, N_X)), np.empty(m)
    true = rng.standard_normal(N_X)
    for a in range(0, m, 100_000):
        part = rows[a : a + 100_000]
        rng.standard_normal(out=part)
        targets[a : a + 100_000] = part @ true + 3.0 + 0.1 * rng.standard_normal(len(part))
    return rows, targets


def minibatches(rows: np.ndarray, targets: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for a in range(0, len(rows), BATCH):
        yield rows[a : a + BATCH], targets[a : a + BATCH]


def our_epoch(rows: np.ndarray, targets: np.ndarray) -> None:
    network = Network([N_X, 1])
    theta = np.zeros(network.n_params)
    gradient = partial(network.gradient, out=np.empty_like(theta))
    training = Training(gradient, theta, learning_rate=0.01, batch_size=BATCH, block=BATCH)
    for _ in training.run(rows.T, targets[None], 1, np.random.default_rng(2)):
        pass


def read_and_multiply(rows: np.ndarray, targets: np.ndarray, back: bool = False) -> None:
    """Only the products of the forward direction, or of both, over the very mini-batches of our_epoch."""
    w, out, dw = np.ones((1, N_X)), np.empty((1, BATCH)), np.empty((1, N_X))
    for X, _ in epoch(rows.T, targets[None], BATCH, np.random.default_rng(2), BATCH):
        np.matmul(w, X, out=out)
        if back:
            np.matmul(out, X.T, out=dw)


def sklearn_epoch(linear_model: ModuleType, rows: np.ndarray, targets: np.ndarray) -> None:
    model = linear_model.SGDRegressor()
    for X, y in minibatches(rows, targets):
        model.partial_fit(X, y)


def torch_epoch(torch: ModuleType, rows: np.ndarray, targets: np.ndarray) -> None:
    network, loss = torch.nn.Linear(N_X, 1, dtype=torch.float64), torch.nn.MSELoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, fused=True)
    for X, y in minibatches(torch.from_numpy(rows), torch.from_numpy(targets)[:, None]):
        optimizer.zero_grad()
        loss(network(X), y).backward()
        optimizer.step()


def river_slice(river: ModuleType, rows: np.ndarray, targets: np.ndarray) -> None:
    model = river.linear_model.LinearRegression(optimizer=river.optim.Adam())
    for x, y in zip(rows[:RIVER_EXAMPLES].tolist(), targets[:RIVER_EXAMPLES].tolist(), strict=True):
        model.learn_one(dict(enumerate(x)), y)


def compare_epochs(m: int, torch: ModuleType | None) -> None:
    print(f"An epoch of linear regression: {m:,} examples of {N_X}, mini-batches of {BATCH} (CPU seconds)")
    rows, targets = regression(m)
    works: dict[str, Work] = {
        "read once and multiply": partial(read_and_multiply, rows, targets),
        "read once, both products": partial(read_and_multiply, rows, targets, back=True),
        "ewad": partial(our_epoch, rows, targets),
    }
    if torch:
        works["torch, fused Adam"] = partial(torch_epoch, torch, rows, targets)
    if linear_model := peer("sklearn.linear_model"):
        works["scikit-learn SGDRegressor"] = partial(sklearn_epoch, linear_model, rows, targets)
    times = medians(works, runs=3)
    if river := peer("river.linear_model") and peer("river.optim") and peer("river"):
        slice_time = medians({"river": partial(river_slice, river, rows, targets)}, runs=3)["river"]
        times["river, extrapolated from a slice"] = slice_time * m / RIVER_EXAMPLES
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        rows.tofile(path)
        del rows, works
        mapped = np.memmap(path, dtype=np.float64, mode="r", shape=(m, N_X))
        times["ewad, from a memory-mapped file"] = medians({"": partial(our_epoch, mapped, targets)}, runs=3)[
            ""
        ]
    for name, seconds in times.items():
        print(f"  {name:36} {seconds:9.3f}")
    at_most("ewad / reading once and multiplying", times["ewad"] / times["read once and multiply"], 2.5)
    print(f"  ewad / both products: {times['ewad'] / times['read once, both products']:.2f}")
    for name in times:
        if not name.startswith(("ewad", "read")):
            at_least(f"{name} / ewad", times[name] / times["ewad"], 1.0)


def main(m: int = 5_000_000) -> None:
    print("One step of training: forward, backward, Adam; one thread each")
    if torch := peer("torch"):
        torch.set_num_threads(1)
    compare_steps(torch)
    compare_epochs(m, torch)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
