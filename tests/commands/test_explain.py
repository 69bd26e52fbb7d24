"""`ewad explain` and `ewad presets` where nothing is configured yet."""

from pathlib import Path

import pytest

from ewad.config import presets
from tests.console import ewad


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_explain_without_any_configuration_reads_the_message_as_if_its_topic_were_subscribed_to() -> None:
    shown = ewad("explain", "a/b", "21.5")
    assert shown.returncode == 0
    assert shown.stdout.splitlines()[0] == "without a configuration: as if by --topic a/b"
    assert 'stream: "a/b" value: 21.5' in shown.stdout
    pairs = ewad("explain", "--format", "keyvalue", "--field", "hum", "a/b", "temp=21;hum=40")
    assert 'stream: "a/b" value: 40.0' in pairs.stdout


def test_explain_names_the_preset_that_reads_a_rejected_message() -> None:
    energy = '{"Time":"2026-03-01T10:00:00","ENERGY":{"Total":12.3,"Power":55}}'
    hint = 'a preset reads it: preset = "tasmota" in a [[stream]] block, or --preset tasmota'
    assert ewad("explain", "tele/plug/SENSOR", energy).stdout.splitlines()[-1] == hint
    read = ewad("explain", "--preset", "tasmota", "tele/plug/SENSOR", energy)
    assert read.returncode == 0
    assert "a preset reads it" not in read.stdout
    assert "a preset reads it" not in ewad("explain", "own/plug", energy).stdout


def test_explain_does_not_name_a_preset_that_the_configuration_has(tmp_path: Path) -> None:
    (tmp_path / "ewad.toml").write_text("""
[mqtt]
url = "mqtt://localhost"
[[stream]]
preset = "homeassistant-statestream"
""")
    left_alone = ewad("explain", "homeassistant/sensor/attic/state", "unavailable")
    assert left_alone.returncode == 1
    assert "left alone" in left_alone.stdout
    assert "a preset reads it" not in left_alone.stdout


def test_presets_are_listed_with_a_whole_sentence_each() -> None:
    shown = ewad("presets").stdout
    assert " ".join(shown.split()).count(". ") == len(presets.names()) - 1
    assert shown.rstrip().endswith(".")


def test_an_at_sign_without_a_file_is_told_what_it_lacks() -> None:
    done = ewad("explain", "a/b", "@")
    assert done.returncode == 1
    assert done.stderr == "ewad: PAYLOAD: expected a file behind @, such as @message.json, got none\n"


def test_explain_tells_of_a_payload_that_is_too_large_the_limit_and_no_other_way_to_read_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "ewad.toml").write_text("""
[mqtt]
url = "mqtt://localhost"
[limits]
max_payload_bytes = 10
[[stream]]
topic = "a/{x}"
""")
    refused = ewad("explain", "a/b", '{"value": 21.5}')
    assert refused.returncode == 1
    last = "rejected: too_large: expected at most 10 bytes, got 15: raise limits.max_payload_bytes"
    assert refused.stdout.splitlines()[-1] == last


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("a/" + "b" * 65_534, "expected a topic of at most 65535 bytes, got 65536"),
        ("a/\udcff", 'expected a topic in UTF-8, got "a/\\udcff"'),
    ],
)
def test_explain_refuses_a_topic_that_no_message_can_have(tmp_path: Path, topic: str, expected: str) -> None:
    (tmp_path / "ewad.toml").write_text(
        '[mqtt]\nurl = "mqtt://localhost"\n[[stream]]\nname = "a"\ntopic = "a/#"\n'
    )
    refused = ewad("explain", topic, "5")
    assert (refused.returncode, refused.stderr) == (2, f"ewad: TOPIC: {expected}\n")


def test_explain_refuses_a_topic_that_is_longer_than_the_daemon_takes() -> None:
    refused = ewad("explain", "n/" + "a" * 1_100, "5")
    assert refused.returncode == 1
    last = "rejected: topic_too_long: expected a topic of at most 1024 bytes, got 1102"
    assert refused.stdout.splitlines()[-1] == last


def test_explain_keeps_to_the_limit_of_streams(tmp_path: Path) -> None:
    (tmp_path / "ewad.toml").write_text("""
[mqtt]
url = "mqtt://localhost"
[limits]
max_streams = 1
[[stream]]
name = "a"
topic = "a/#"
format = "json"
field = "*"
""")
    refused = ewad("explain", "a/b", '{"x":1,"y":2}')
    assert refused.returncode == 1
    assert 'stream: "a/b/x" (field="x") value: 1.0' in refused.stdout
    assert 'stream: "a/b/y" (field="y") rejected: stream_limit: expected at most 1 streams' in refused.stdout
