"""The registry: what results tell is what stands when the batch is over, under one name everywhere."""

import numpy as np
import pytest

from ewad.engine import Batch
from ewad.outputs.registry import QUANTITIES, result_columns, result_values
from tests.outputs.engines import mixture_engine


def test_no_two_quantities_share_a_metric_or_a_column():
    for names in ([each.name for each in QUANTITIES], [each.column for each in QUANTITIES if each.column]):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
def test_a_quantity_says_what_it_is_as_prometheus_wants_it(quantity):
    assert quantity.help.endswith(".")
    assert (quantity.kind == "counter") == quantity.name.endswith("_total")
    assert (quantity.unit == "seconds") == quantity.name.endswith("_seconds")
    assert (quantity.unit == "ratio") == quantity.name.endswith("_ratio")


def test_results_of_a_streams_last_sample_are_what_stands_afterwards():
    engine = mixture_engine()
    group = engine.groups[0]
    newest = float(group.time[: len(group.streams)].max())
    batch = Batch(0, np.zeros(1, dtype=np.int32), np.array([newest + 1.0]), np.array([21.5]))
    told = result_values(engine.groups[0].settings, engine.observe(batch))
    compared = []
    for quantity in QUANTITIES:
        if quantity.told_by(group.settings) and quantity.axis:
            for labels, values in quantity.standing(group):
                name = quantity.named(labels)
                np.testing.assert_array_equal(told[name][0], values[0], err_msg=name)
                compared.append(name)
    assert {name.split("_")[0] for name in compared} >= {"smoothed", "stddev", "forecast", "lower", "upper"}


def test_columns_of_results_are_those_that_the_values_have():
    engine = mixture_engine()
    group = engine.groups[0]
    newest = float(group.time[: len(group.streams)].max())
    batch = Batch(0, np.zeros(1, dtype=np.int32), np.array([newest + 1.0]), np.array([21.5]))
    told = result_values(engine.groups[0].settings, engine.observe(batch))
    assert set(result_columns([group.settings])) == {"value", *told}
