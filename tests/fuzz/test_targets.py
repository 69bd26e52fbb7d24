"""The short form: hypothesis makes inputs of each target's words and of anything between them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS


# Where text isn't UTF-8 the codec both panics and reports an exception that nobody can catch.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_lets_out_anything_but_the_projects_own_errors(name: str) -> None:
    target = TARGETS[name]
    words = st.sampled_from(target.words) | st.binary(max_size=8)

    @settings(max_examples=200, deadline=None)
    @given(st.builds(bytes.__add__, st.binary(max_size=1), st.lists(words, max_size=8).map(b"".join)))
    def holds(data: bytes) -> None:
        target.run(data)

    holds()
