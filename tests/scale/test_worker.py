"""What Spark's Python workers need once."""

import gc

from ewad.scale.spark.worker import settle


def test_collections_pass_over_what_a_worker_has_loaded():
    try:
        settle.__wrapped__()
        assert gc.get_freeze_count() > 1000
        assert len(gc.get_objects()) < 1000
    finally:
        gc.unfreeze()
