"""Where a gateway's log may be."""

from pathlib import Path

from tests.console import ewad


def test_an_address_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "ewad.toml").write_text('[[stream]]\ntopic = "t"\n')
    done = ewad("gateway", "--log", "kafka://broker/topic", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        'ewad: --log: expected a folder, got "kafka://broker/topic": a gateway writes files alone\n'
    )
    assert [path.name for path in tmp_path.iterdir()] == ["ewad.toml"]
