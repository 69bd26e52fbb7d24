"""An engine's state in blocks of rows: put together again it is the same, whatever was copied when."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from ewad.engine import Batch, ByCount, Engine, GroupSettings, ModelSettings, blocks
from ewad.engine.blocks import (
    BLOCK_BYTES,
    MODELS,
    NAMES,
    NAMES_A_BLOCK,
    ROWS,
    BlockKey,
    Outline,
    PastMoment,
    shift_of,
)
from ewad.errors import StateError
from tests.engine.scenarios import groups, new_engine, observe_in_pieces, random_samples, state_of
from tests.engine.test_laws import seeds

MODEL = ModelSettings("outdoor", lags=3, horizons=(1, 2), batch_size=4)


def copied(engine):
    """Return the header and all blocks of an engine."""
    outlines, header = engine.outlines()
    found = {
        BlockKey(group, kind, number): outline.copy(kind, number)
        for group, outline in enumerate(outlines)
        for kind in (ROWS, MODELS, NAMES)
        for number in range(outline.count(kind))
    }
    return header, found


def assembled(engine, header, found):
    """Put a new engine together; return it and what became of the blocks."""
    assembly = engine.assembly(header)
    assembly.name({
        group: [found[block] for block in assembly.name_blocks() if block.group == group]
        for group in range(len(header["groups"]))
    })  # fmt: skip
    for block in assembly.blocks():
        assembly.put(block, found[block])
    return engine, assembly.finish()


def assert_equal(got, expected):
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


@settings(max_examples=25, deadline=None)
@given(group=groups, seed=seeds)
def test_any_state_comes_back_from_its_blocks_bit_for_bit(group, seed):
    engine = new_engine(group, 3)
    observe_in_pieces(engine, random_samples(seed, 60, 3))
    again, loaded = assembled(Engine([group]), *copied(engine))
    assert loaded.dropped == []
    assert again.dump() == engine.dump()


@settings(max_examples=25, deadline=None)
@given(group=groups, seed=seeds)
def test_a_batch_changes_the_rows_of_its_streams_and_shared_models_alone(group, seed):
    """The state file rests on that: it writes the rows of the streams that had samples."""
    engine = new_engine(group, 6)
    samples = random_samples(seed, 120, 6)
    observe_in_pieces(engine, samples)
    before = state_of(engine)
    few = random_samples(seed + 1, 12, 2)
    engine.observe(Batch(0, few.stream.astype(np.int32) * 3, few.time + 1e5, few.value))
    rows = np.ones(6, dtype=bool)
    rows[[0, 3]] = False
    for name, array in state_of(engine).items():
        if len(array) == 6:
            np.testing.assert_array_equal(array[rows], before[name][rows], err_msg=name)


def test_blocks_are_of_neighbouring_rows_and_names_and_hold_what_fits():
    engine = new_engine(GroupSettings("plant"), 5000)
    (outline,), _ = engine.outlines()
    assert outline.count(ROWS) == -(-5000 // (1 << outline.shift))
    assert outline.count(NAMES) == -(-5000 // NAMES_A_BLOCK)
    assert outline.count(MODELS) == 0
    again, _ = assembled(Engine([GroupSettings("plant")]), *copied(engine))
    assert again.groups[0].streams.names == engine.groups[0].streams.names
    assert again.groups[0].n_rows == 5000  # no room beside


@pytest.mark.parametrize("row_bytes", [1, 150, 1000, 105_000, BLOCK_BYTES, 10 * BLOCK_BYTES])
def test_a_block_holds_at_least_a_row_and_at_most_its_bytes(row_bytes):
    rows = 1 << shift_of(row_bytes)
    assert rows == 1 or rows * row_bytes <= BLOCK_BYTES
    assert rows <= NAMES_A_BLOCK


def test_blocks_that_do_not_fit_the_configuration_are_told_and_the_rest_is_kept():
    group = GroupSettings("plant", (ByCount(0.9),), model=MODEL)
    engine = new_engine(group, 3)
    observe_in_pieces(engine, random_samples(1, 90, 3))
    other = replace(group, model=replace(MODEL, lags=4))
    by_blocks, told = assembled(Engine([other]), *copied(engine))
    by_dump = Engine([other])
    assert told.dropped == by_dump.load(engine.dump()).dropped != []
    assert_equal(state_of(by_blocks), state_of(by_dump))


def test_a_block_of_fewer_rows_is_refused_and_one_of_more_is_cut(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 20)
    engine = new_engine(GroupSettings("plant"), 5)
    observe_in_pieces(engine, random_samples(1, 50, 5))
    _, found = copied(engine)
    left = engine.forget_streams(0, ["stream 4"])
    assert left.moved == []
    header, _ = copied(engine)
    again, _ = assembled(Engine([GroupSettings("plant")]), header, found)
    assert again.dump() == engine.dump()
    found[BlockKey(0, ROWS, 0)] = found[BlockKey(0, ROWS, 0)][: -outline_bytes(engine) * 2]
    with pytest.raises(ValueError, match=r"expected 4 rows, got 3"):
        assembled(Engine([GroupSettings("plant")]), header, found)


def outline_bytes(engine):
    return engine.outlines()[0][0].row_bytes


def test_a_shared_model_is_of_its_moment_though_streams_come_before_it_is_copied():
    group = GroupSettings("plant", model=replace(MODEL, share="group"))
    engine = Engine([group])
    moment = PastMoment.of(engine.groups[0])
    engine.add_stream(0, "stream 0")
    outline = Outline(engine.groups[0], moment)
    assert (outline.n, outline.count(ROWS), outline.count(MODELS)) == (0, 0, 1)
    assert len(outline.copy(MODELS, 0)) == outline.model_bytes > 0


def test_a_header_of_a_newer_version_is_refused():
    engine = new_engine(GroupSettings("plant"), 1)
    header, found = copied(engine)
    with pytest.raises(StateError, match=r"expected ewad-engine up to version"):
        assembled(Engine([GroupSettings("plant")]), header | {"version": 99}, found)
