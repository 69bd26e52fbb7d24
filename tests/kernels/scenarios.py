"""Settings of groups that between them use every kernel, and what an engine makes of samples under each."""

import numpy as np

from ewad.engine import ByCount, ByTime, GroupSettings, ModelSettings
from ewad.engine.settings import auto
from ewad.numeric.experts import EXPERTS
from ewad.numeric.optimizers import Adam, GradientDescent, Momentum, RMSprop
from ewad.numeric.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseSqrt,
    InverseTime,
    Manual,
    ReduceOnPlateau,
    Staircase,
)
from tests.engine.scenarios import new_engine, observe_in_pieces, random_samples

OPTIMIZERS = [GradientDescent(), Momentum(), RMSprop(), Adam(weight_decay=0.1)]
SCHEDULES = [
    Constant(),
    InverseTime(0.5),
    Exponential(0.9),
    InverseSqrt(per="batch"),
    Staircase(0.5, 2),
    Manual(((1, 0.004), (3, 0.001))),
    Cosine(5, 0.1),
    ReduceOnPlateau(),
]


def of(model):
    return GroupSettings("plant", (ByCount(0.9),), model=model)


SCENARIOS = {
    "averages": GroupSettings("plant", (ByCount(0.9), ByTime(30.0), ByCount(0.0))),
    "averages, late ones accepted": GroupSettings("plant", (ByCount(0.98),), out_of_order="accept"),
    "all experts": of(
        auto("m", experts=EXPERTS, lags=4, horizons=(1, 3), season=5, batch_size=2, hidden=(3, 2))
    ),
    "shared, found season": of(auto("m", share="group", lags=3, horizons=(2,), batch_size=3)),
    "on a grid": of(
        auto("m", lags=3, horizons=(1, 4), batch_size=1, every_seconds=20.0, max_gap_seconds=60.0)
    ),
    "gaps": of(auto("m", lags=3, features="lags", max_gap_seconds=30.0, max_gradient_norm=0.1)),
    **{
        f"{type(optimizer).__name__}, {type(schedule).__name__}": of(
            ModelSettings(
                lags=2, batch_size=2, batches_per_epoch=3, l2=0.1, optimizer=optimizer, schedule=schedule
            )
        )
        for optimizer, schedule in zip(OPTIMIZERS * 2, SCHEDULES, strict=True)
    },
    "diverging": of(ModelSettings(lags=2, batch_size=1, optimizer=GradientDescent(), learning_rate=1e150)),
}


def run(group, n=400, n_streams=3, cuts=()):
    """Return the bytes of all results and of the state after n samples, cut into batches at these places."""
    engine = new_engine(group, n_streams)
    results = observe_in_pieces(engine, random_samples(5, n, n_streams), cuts)
    return b"".join(np.ascontiguousarray(each).tobytes() for each in results.values()) + engine.dump()
