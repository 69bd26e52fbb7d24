import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Exponential,
    InverseSqrt,
    InverseTime,
    Manual,
    ReduceOnPlateau,
    Staircase,
)


def test_inverse_time_gives_the_table_of_the_course():
    # A. Ng, Improving Deep Neural Networks, week 2: alpha0 = 0.2, decay rate 1, epochs 1 to 4.
    rates = [float(InverseTime(1.0).rate(0.2, epoch, 0)) for epoch in (1, 2, 3, 4)]
    assert [round(rate, 3) for rate in rates] == [0.1, 0.067, 0.05, 0.04]


def test_exponential_of_the_course_multiplies_by_its_base_each_epoch():
    assert [float(Exponential(0.95).rate(0.2, e, 0)) for e in (0, 1, 2)] == pytest.approx([0.2, 0.19, 0.1805])


def test_inverse_sqrt_by_epoch_falls_with_the_root_of_the_epoch_counted_from_1():
    assert [float(InverseSqrt(2.0).rate(0.1, e, 7)) for e in (0, 3, 8, 99)] == pytest.approx(
        [0.2, 0.1, 0.2 / 3, 0.02]
    )


def test_inverse_sqrt_by_batch_falls_with_the_root_of_the_mini_batch_counted_from_1():
    assert [float(InverseSqrt(2.0, per="batch").rate(0.1, 7, t)) for t in (0, 3, 8)] == pytest.approx(
        [0.2, 0.1, 0.2 / 3]
    )


def test_staircase_halves_at_each_tenth_epoch_by_default():
    rates = [float(Staircase().rate(0.8, e, 0)) for e in (0, 9, 10, 19, 20, 30)]
    assert rates == [0.8, 0.8, 0.4, 0.4, 0.2, 0.1]


def test_constant_stays():
    assert [float(Constant().rate(0.3, e, 0)) for e in (0, 1, 10**9)] == [0.3] * 3


def test_manual_holds_each_rate_from_its_epoch_on_in_whatever_order_they_were_written():
    schedule = Manual(((20, 0.001), (5, 0.01)))
    rates = [float(schedule.rate(0.1, e, 0)) for e in (0, 4, 5, 19, 20, 500)]
    assert rates == [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]


def test_manual_without_rates_is_constant():
    assert float(Manual().rate(0.1, 3, 0)) == 0.1


def test_cosine_falls_from_the_initial_rate_to_its_floor_and_stays_there():
    schedule = Cosine(epochs=4, floor=0.1)
    rates = [float(schedule.rate(0.2, e, 0)) for e in (0, 1, 2, 4, 400)]
    assert rates == pytest.approx([0.2, 0.2 * (0.1 + 0.9 * (1 + 0.5**0.5) / 2), 0.11, 0.02, 0.02])


def test_reduce_on_plateau_halves_at_each_plateau_down_to_its_floor():
    schedule = ReduceOnPlateau(factor=0.5, floor=0.2)
    assert [float(schedule.rate(0.8, plateaus, 0)) for plateaus in (0, 1, 2, 3, 50)] == pytest.approx(
        [0.8, 0.4, 0.2, 0.16, 0.16]
    )


EXAMPLES = {
    "manual": Manual(((2, 0.05), (7, 0.02))),
    **{name: schedule() for name, schedule in SCHEDULES.items() if name != "manual"},
    "inverse_sqrt by batch": InverseSqrt(per="batch"),
}


@pytest.mark.parametrize("name", EXAMPLES)
class TestEverySchedule:
    def test_starts_at_the_initial_rate(self, name):
        assert float(EXAMPLES[name].rate(0.25, 0, 0)) == 0.25

    def test_rates_of_arrays_are_those_of_their_numbers(self, name):
        epoch = np.arange(24).reshape(4, 6)
        batch = 3 * epoch + 1
        got = EXAMPLES[name].rate(0.25, epoch, batch)
        one_by_one = [
            float(EXAMPLES[name].rate(0.25, int(e), int(b)))
            for e, b in zip(epoch.flat, batch.flat, strict=True)
        ]
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, np.reshape(one_by_one, (4, 6)))

    def test_leaves_its_arguments_alone(self, name):
        epoch, batch = np.arange(5), np.arange(5)
        EXAMPLES[name].rate(0.25, epoch, batch)
        assert epoch.tolist() == batch.tolist() == [0, 1, 2, 3, 4]

    @settings(max_examples=50, deadline=None)
    @given(initial=st.floats(1e-9, 1e3), epoch=st.integers(0, 10**6), batch=st.integers(0, 10**9))
    def test_never_rises_above_the_initial_rate_and_stays_finite(self, name, initial, epoch, batch):
        schedule = EXAMPLES[name]
        if name == "manual":
            initial = max(initial, 0.05)
        assert 0.0 <= float(schedule.rate(initial, epoch, batch)) <= initial


@pytest.mark.parametrize(
    "schedule", [*(kind() for kind in SCHEDULES.values()), InverseSqrt(per="batch")], ids=repr
)
def test_says_whether_its_rate_changes_within_an_epoch(schedule):
    rates = {float(schedule.rate(0.1, 3, batch)) for batch in range(300, 310)}
    assert schedule.by_batch == (len(rates) > 1)


@pytest.mark.parametrize(
    ("kind", "constants", "message"),
    [
        ("inverse_sqrt", {"per": "day"}, 'per: must be "epoch" or "batch", got \'day\''),
        ("inverse_sqrt", {"k": 0.0}, "k: must be in (0, inf), got 0.0"),
        ("inverse_time", {"decay_rate": -1.0}, "decay_rate: must be in [0, inf), got -1.0"),
        ("exponential", {"base": 1.5}, "base: must be in (0, 1], got 1.5"),
        ("staircase", {"every": 0}, "every: must be a whole number of 1 or more, got 0"),
        ("staircase", {"factor": float("nan")}, "factor: must be in (0, 1], got nan"),
        ("cosine", {"epochs": 0}, "epochs: must be a whole number of 1 or more, got 0"),
        ("cosine", {"epochs": 2.5}, "epochs: must be a whole number of 1 or more, got 2.5"),
        ("cosine", {"floor": -0.1}, "floor: must be in [0, 1], got -0.1"),
        ("reduce_on_plateau", {"factor": 0.0}, "factor: must be in (0, 1], got 0.0"),
        ("manual", {"rates": ((3, -0.1),)}, "rates: must be pairs of an epoch and a positive rate"),
    ],
)
def test_constants_that_can_t_be_are_told(kind, constants, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SCHEDULES[kind](**constants)


def test_the_defaults_are_those_of_the_course():
    # A. Ng, Improving Deep Neural Networks, week 2: decay rate 1, 0.95 to the epoch, k over the root, halves
    assert InverseTime() == InverseTime(decay_rate=1.0)
    assert Exponential() == Exponential(base=0.95)
    assert InverseSqrt() == InverseSqrt(k=1.0, per="epoch")
    assert Staircase() == Staircase(factor=0.5, every=10)
    assert Cosine() == Cosine(epochs=100, floor=0.0)
    assert ReduceOnPlateau() == ReduceOnPlateau(factor=0.5, floor=1e-3)


def test_models_at_the_same_epoch_cost_one_rate():
    asked = []

    class Asked(InverseTime):
        def kernel(self):
            kernel = super().kernel()
            return SimpleNamespace(after=lambda *args: asked.append(args) or kernel.after(*args))

    rates = Asked(1.0).rate(0.6, np.repeat([3, 0, 1], 1000), np.arange(3000))
    assert len(asked) == 3
    np.testing.assert_array_equal(rates, np.repeat([0.15, 0.6, 0.3], 1000))
