"""Fixtures of the tests of files."""

import pytest


@pytest.fixture
def write(tmp_path):
    def writer(content, name="samples.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writer
