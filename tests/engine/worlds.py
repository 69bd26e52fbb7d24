"""Random worlds, of a model and what its streams report, in which the size of batches must not matter.

Run: python -m tests.engine.worlds SEED [SEED ...]
Prints the kernel of the linear algebra, and what differs; ends with 1 if anything does.
"""

import ctypes
import sys
from pathlib import Path

import numpy as np

from ewad.engine import ByCount, ByTime, GroupSettings, Held, ModelSettings
from ewad.engine.settings import auto
from tests.engine.scenarios import (
    Samples,
    every_expert,
    new_engine,
    observe_in_pieces,
    random_samples,
    state_of,
)

SIZES = (1, 2, 3, 5, 8, 20, 100)
KINDS = (*((expert,) for expert in every_expert), every_expert, "auto", "auto of lags")
SHAPES = ("as is", "coarse", "constant", "periodic", "at a level", "rare steps", "spikes", "last bits")
# States that decisions come from; others are sums whose last bits may differ.
DECIDING = ("/share", "/width", "/inside", "/anomaly", "track record", "/season", "/plateau")


def any_model(rng, kind):
    """Return a model of this kind with a few lags and small batches."""
    horizons = sorted(rng.choice(np.arange(1, 8), rng.integers(1, 4), replace=False).tolist())
    chosen = {
        "share": str(rng.choice(["stream", "group"])),
        "lags": int(rng.integers(1, 7)),
        "batch_size": int(rng.choice([1, 2, 3, 8])),
        "horizons": tuple(horizons),
        "every_seconds": None if rng.random() < 0.6 else float(rng.choice([5, 20, 120, 3600])),
        "resample": str(rng.choice(["mean", "last"])),
        "max_gap_seconds": None if rng.random() < 0.6 else float(rng.choice([10, 60, 300])),
        "season": None if rng.random() < 0.5 else int(rng.integers(2, 9)),
    }
    if isinstance(kind, str):
        return auto("m", features="lags" if kind == "auto of lags" else "full", **chosen)
    return ModelSettings("m", experts=kind, features="full", interval=0.9, **chosen)


def any_samples(rng, seed):
    """Return samples of some streams, and how many streams there are: reporting together, or at random with
    gaps, late ones and ties.
    """
    n_streams, n = int(rng.integers(1, 6)), int(rng.integers(40, 400))
    if rng.random() < 0.5:
        samples = random_samples(seed, n, n_streams)
    else:
        n = max(2, n // n_streams)
        hours = float(rng.choice([1 / 60, 1.0, 5.0, 24.0]))
        time = 1.6e9 + 3600.0 * hours * np.repeat(np.arange(n), n_streams)
        samples = Samples(np.tile(np.arange(n_streams), n), time, rng.normal(size=n * n_streams).cumsum())
    return samples, n_streams


def shaped(rng, value, n_streams):
    """Return values of some kind that sensors report, made of these."""
    shape = str(rng.choice(SHAPES))
    turn = np.arange(len(value)) // n_streams
    return {
        "as is": value,
        "coarse": np.round(value),
        "constant": np.full(len(value), 21.3),
        "periodic": np.round(10.0 * np.sin(turn * 2.0 * np.pi / 5.0), 3),
        "at a level": 1e6 + 1e-3 * value,
        "rare steps": np.where(rng.random(len(value)) < 0.05, np.round(value), 20.1),
        "spikes": np.where(rng.random(len(value)) < 0.02, rng.choice([1e6, -1e4, 0.0, 1e-160]), value),
        "last bits": 100.0 + 1e-13 * value,
    }[shape]


def world(seed):
    """Return the settings of a group, its samples and the number of its streams."""
    rng = np.random.default_rng(seed)
    model = any_model(rng, KINDS[seed % len(KINDS)])
    decays, order = (
        (ByCount(0.9), ByTime(30.0), ByCount(0.0), Held(30.0)),
        str(rng.choice(["drop", "accept"])),
    )
    samples, n_streams = any_samples(rng, seed)
    samples.value[:] = shaped(rng, samples.value, n_streams)
    return GroupSettings("plant", decays, model=model, out_of_order=order), samples, n_streams


def run(group, samples, n_streams, cuts=()):
    """Return outputs and state."""
    engine = new_engine(group, n_streams)
    return observe_in_pieces(engine, samples, cuts), state_of(engine)


def check(seed, sizes=SIZES):
    """Raise AssertionError where batches of any of these sizes come to something else than all at once.

    Outputs may differ by rounding: relative to themselves, to the level and to the spread of the values.
    """
    group, samples, n_streams = world(seed)
    expected, state = run(group, samples, n_streams)
    rounding = 1e-12 * np.abs(samples.value).max() + 1e-7 * samples.value.std()
    for size in sizes:
        outputs, ended = run(group, samples, n_streams, range(0, len(samples), size))
        assert outputs.keys() == expected.keys()
        for name, array in outputs.items():
            least = 1e-8 if name in ("loss", "learning_rate") else rounding
            _assert_close(array, expected[name], 1e-7, least, f"seed {seed}, batches of {size}: {name}")
        for name, array in ended.items():
            where = f"seed {seed}, batches of {size}: state {name}"
            if array.dtype.kind != "f":
                np.testing.assert_array_equal(array, state[name], err_msg=where)
            elif any(word in name for word in DECIDING):
                _assert_close(array, state[name], 1e-6, 1e-6, where)


def _assert_close(got, expected, rel, least, where):
    np.testing.assert_allclose(got, expected, rtol=rel, atol=least, equal_nan=True, err_msg=where)


def kernel():
    """Return which kernel of OpenBLAS numpy works with; "" if that can't be told."""
    folder = Path(np.__file__).parent.parent / "numpy.libs"
    for library in folder.glob("*openblas*"):
        for name in ("scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename"):
            corename = getattr(ctypes.CDLL(str(library)), name, None)
            if corename is not None:
                corename.restype = ctypes.c_char_p
                return corename().decode()
    return ""


def main(seeds):
    """Check these worlds; return the exit status."""
    print(f"kernel: {kernel()}", flush=True)
    failed = []
    for seed in seeds:
        try:
            check(seed)
        except AssertionError as error:
            failed.append(seed)
            print(error, flush=True)
    print(f"worlds: {len(seeds)}; differ: {failed}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main([int(word) for word in sys.argv[1:]]))
