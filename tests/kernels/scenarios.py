"""Settings of groups that between them use every kernel, and what an engine makes of samples under each."""

import numpy as np

from ewad.engine import ByCount, ByTime, GroupSettings
from tests.engine.scenarios import new_engine, observe_in_pieces, random_samples

SCENARIOS = {
    "averages": GroupSettings("plant", (ByCount(0.9), ByTime(30.0), ByCount(0.0))),
    "averages, late ones accepted": GroupSettings("plant", (ByCount(0.98),), out_of_order="accept"),
}


def run(group, n=400, n_streams=3, cuts=()):
    """Return the bytes of all results and of the state after n samples, cut into batches at these places."""
    engine = new_engine(group, n_streams)
    results = observe_in_pieces(engine, random_samples(5, n, n_streams), cuts)
    return b"".join(np.ascontiguousarray(each).tobytes() for each in results.values()) + engine.dump()
