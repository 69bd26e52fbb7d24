"""What Spark's Python workers need once, each of them."""

from __future__ import annotations

import gc
from functools import cache


@cache
def settle() -> None:
    """Let garbage collections pass over what is loaded by now.

    Spark makes a full one after each task, over all that pandas, pyarrow and pyspark have loaded: with tasks
    of a quarter of a million samples that took a third of the workers' time.
    """
    gc.collect()
    gc.freeze()
