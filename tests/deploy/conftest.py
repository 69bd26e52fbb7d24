"""The packages, built once."""

import pytest

from tests import npm
from tests.deploy.building import build, copy


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The wheel and the source package."""
    npm.require_uplot()
    wheel, source = build(copy(tmp_path_factory.mktemp("first") / "project"), "sdist", "wheel")
    assert wheel.suffix == ".whl"
    return wheel, source
