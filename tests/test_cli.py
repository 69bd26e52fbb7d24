"""The commands from outside: what they print, what they write, how they fail.

Most run in the tests' own process. What depends on a process runs in one: `ewad_process`.
"""

import csv
import inspect
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ewad.cli import COMMANDS, THREADS, cli
from ewad.config.passwords import PasswordHash
from tests import components
from tests.console import ewad
from tests.system import mosquitto
from tests.system.daemon import environment, failed
from tests.system.daemon import ewad as ewad_process
from tests.system.polling import until

STREAM = '[[stream]]\nname = "t"\ntopic = "site/{room}/t"\n'
SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder: an ewad.toml of the developer's would be read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    return tmp_path


def config(text: str, name: str = "ewad.toml") -> str:
    Path(name).write_text(text)
    return name


# -- help --


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(command: str) -> None:
    done = ewad(*filter(None, [command]), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    first = (
        inspect.cleandoc(cli.get_command(click.Context(cli), command).help).split("\n\n")[0]
        if command
        else ""
    )
    assert first.replace("\n", " ") == COMMANDS.get(command, "")
    assert "Usage:" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from ewad.cli import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    heavy = {"numpy", "pandas", "aiohttp", "asyncio", "matplotlib", "mqtt5", "aiomqtt", "prometheus_client"}
    loaded = set(done.stderr.split())
    assert "click" in loaded
    assert heavy & loaded == set()


@pytest.mark.parametrize(("wanted", "told"), [({}, "1 1\n"), ({"OPENBLAS_NUM_THREADS": "2"}, "2 ")])
def test_linear_algebra_has_one_thread_unless_more_are_wanted(wanted: dict[str, str], told: str) -> None:
    program = (
        "import os, sys; from ewad.cli import main\n"
        "sys.argv = ['ewad', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "import numpy\n"
        "threads = len(os.listdir('/proc/self/task'))\n"
        "print(os.environ['OPENBLAS_NUM_THREADS'], threads, file=sys.stderr)\n"
    )
    environ = {name: value for name, value in environment().items() if name not in THREADS} | wanted
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environ
    )
    assert done.stderr.startswith(told)


def test_the_daemon_does_without_pandas_and_matplotlib() -> None:
    program = "import sys, ewad.daemon.daemon; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    loaded = set(done.stdout.split())
    assert "numpy" in loaded
    assert {"pandas", "matplotlib", "aiomqtt"} & loaded == set()


@pytest.mark.parametrize(
    "arguments",
    [["bogus"], ["replay"], ["run", "--bogus"], ["explain", "topic"], ["replay", "a", "--speed", "x"]],
)
def test_misuse_is_two_lines_and_status_2(arguments: list[str]) -> None:
    said = failed(ewad(*arguments), 2, lines=2)
    assert said.startswith("ewad: ")
    assert "--help" in said


# -- configuration --


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[mqqt]\nurl = "mqtt://a"\n' + STREAM, ['"mqqt"', '"mqtt"']),
        ('[mqtt]\nulr = "mqtt://a"\n' + STREAM, ['"ulr"', '"url"']),
        (STREAM + 'betas = 0.9\n', ["stream[0]", '"betas"', '"beta"']),
        (STREAM + "beta = [0.9, 1.0]\n", ["stream[0].beta[1]", "1.0"]),
        (STREAM + 'beta = "0.9"\n', ["stream[0].beta"]),
        (STREAM + 'format = "jsn"\n', ["stream[0].format", '"json"']),
        (STREAM + 'model = "outdor"\n[model.outdoor]\n', ["stream[0].model", '"outdoor"']),
        (STREAM + 'model = "m"\n[model.m]\noptimizer = "adm"\n', ["model.m.optimizer", '"adam"']),
        (STREAM + 'stale_after = "15"\n', ["stream[0].stale_after"]),
        ('[mqtt]\nurl = "http://a"\n' + STREAM, ["mqtt.url"]),
        ('[http]\nlisten = "nowhere"\n' + STREAM, ["http.listen"]),
        ("[mqtt]\n", ["[[stream]]"]),
        ("", ["[[stream]]"]),
        ("= nonsense", ["line 1"]),
        (STREAM.replace("{room}", "{room}x"), ["stream[0].topic", "{room}x"]),
    ],
    ids=range(15),
)  # fmt: skip
def test_a_mistake_in_the_configuration_is_named(text: str, words: list[str]) -> None:
    said = failed(ewad("check", "-c", config(text, "my.toml")), 2)
    assert said.startswith("ewad: my.toml: ")
    assert [word for word in words if word not in said] == [], said


@pytest.mark.parametrize("command", ["run", "explain site/a/t 1", "replay wide.csv"])
def test_every_command_names_a_mistake_in_the_configuration(command: str) -> None:
    Path("wide.csv").write_text(WIDE)
    said = failed(ewad(*command.split(), "-c", config(STREAM + "qos = 1\n")), 2)
    assert said.startswith('ewad: ewad.toml: stream[0].qos: unknown key "qos"')


@pytest.mark.parametrize(
    ("command", "ways"),
    [
        ("run", "-c FILE, or ewad.toml in this folder, or --topic (and --url)"),
        ("check", "-c FILE, or ewad.toml in this folder, or --topic (and --url)"),
    ],
)
def test_a_command_without_any_configuration_says_how_to_give_one(command: str, ways: str) -> None:
    assert failed(ewad(*command.split()), 2) == f"ewad: no configuration: expected {ways}\n"


def test_options_that_exclude_each_other_are_told_as_options() -> None:
    said = failed(ewad("run", "--topic", "a", "--beta", "0.9", "--half-life", "1m"), 2)
    assert said == "ewad: command line: expected one of beta, window, half_life, got beta and half_life\n"


def test_a_key_of_the_environment_is_checked_like_one_of_the_file() -> None:
    said = failed(ewad("check", "-c", config(STREAM), EWAD_MQTT__QOS="3"), 2)
    assert "EWAD_MQTT__QOS" in said


UNREADABLE = {
    "folder": lambda path: path.mkdir(),
    "missing": lambda path: None,
    "binary": lambda path: path.write_bytes(b"\x7fELF\0\0\1\2"),
    "latin-1": lambda path: path.write_bytes("# K\xfcche\n".encode("latin-1")),
    "locked": lambda path: (path.touch(), path.chmod(0)),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_unreadable_configuration_is_one_line(kind: str) -> None:
    if kind == "locked" and os.getuid() == 0:
        pytest.skip("root reads everything")
    UNREADABLE[kind](Path("odd.toml"))
    assert failed(ewad("check", "-c", "odd.toml"), 2).startswith("ewad: odd.toml: ")


@pytest.mark.parametrize("key", ["password_file", "ca_file"])
def test_an_unreadable_file_of_the_configuration_is_named(key: str) -> None:
    config(f'[mqtt]\nurl = "mqtts://a"\n{key} = "missing.txt"\n{STREAM}')
    said = failed(ewad("check"), 2)
    assert f"mqtt.{key}" in said
    assert "missing.txt" in said


def test_check_shows_what_is_in_force_and_no_secret() -> None:
    Path("password").write_text("s3cret-of-file\n")
    config('[mqtt]\nurl = "mqtt://me:s3cret-of-url@broker"\npassword_file = "password"\n' + STREAM)
    done = ewad("check", EWAD_MQTT__QOS="2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "s3cret" not in done.stdout
    for line in ('url = "mqtt://me:***@broker"', "qos = 2", "beta = [0.9, 0.98]", "max_streams = 100000"):
        assert line in done.stdout, done.stdout
    # what is shown is a configuration again: of the same settings
    again = ewad("check", "-c", config(done.stdout.replace(":***", ""), "again.toml"))
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[2:] == done.stdout.splitlines()[2:]


# -- hash-password --


def test_a_line_of_the_users_file_is_made_from_stdin_and_holds_no_password() -> None:
    done = ewad_process("hash-password", "prometheus", stdin="s3cret\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "s3cret" not in done.stdout
    Path("users").write_text(done.stdout)
    checked = ewad_process("check", "-c", config(f'[http]\nusers_file = "users"\n{STREAM}'))
    assert checked.returncode == 0, checked.stderr
    assert 'users_file = "users"' in checked.stdout
    assert "scrypt" not in checked.stdout
    (name, phc) = done.stdout.strip().split(":")
    assert name == "prometheus"
    assert PasswordHash.parse(phc).matches("s3cret")


@pytest.mark.parametrize(
    ("name", "stdin", "words"),
    [("me", "", "expected a password"), ("me", "\n", "expected a password"), ("a:b", "x\n", "without colon")],
)
def test_no_hash_is_made_of_nothing_or_for_a_name_that_cannot_be(name: str, stdin: str, words: str) -> None:
    assert words in failed(ewad("hash-password", name, stdin=stdin), 2)


def test_a_certificate_that_does_not_serve_is_told_by_check() -> None:
    for name in ("cert.pem", "key.pem"):
        Path(name).write_text("no certificate\n")
    config(f'[http]\ncert_file = "cert.pem"\nkey_file = "key.pem"\n{STREAM}')
    assert "http.cert_file: cert.pem and key.pem: expected a PEM certificate" in failed(
        ewad_process("check"), 2
    )


def test_check_and_run_tell_why_no_state_can_be_kept_there() -> None:
    config(f'[http]\nlisten = "127.0.0.1:0"\n[state]\npath = "none/x.db"\n{STREAM}')
    why = f"state.path: none/x.db: there is no folder {Path.cwd() / 'none'} that this user may enter: make it"
    checked = ewad("check")
    assert checked.returncode == 0
    assert "# configuration is valid, but on this machine, and for this user, `ewad run` " in checked.stdout
    assert f"would not start: {why}" in checked.stdout
    assert why in failed(ewad_process("run"), 1)
    Path("none").mkdir()
    assert ewad("check").stdout.endswith("\n# configuration is valid\n")
    assert list(Path("none").iterdir()) == []


def test_a_certificate_to_publish_by_is_looked_at_by_check() -> None:
    Path("ca.pem").write_text("no certificate\n")
    config(f'[publish]\nurl = "mqtts://localhost"\nca_file = "ca.pem"\n{STREAM}')
    assert "publish.ca_file: ca.pem: expected PEM certificates" in failed(ewad_process("check"), 2)


# -- explain --


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        ("site/hall/t", "21.5", 'block: t (number)\nlabels: room="hall"\nstream: "site/hall/t" value: 21.5'),
        ("site/hall/t", "warm", 'rejected: not_a_number: expected a number, got "warm"'),
        ("site/hall/t", "", "rejected: empty: "),
        ("site/hall", "1", 'level 3: expected "t", got the end of the topic'),
        ("site/hall/humidity", "1", 'nearest: site/{room}/t: level 3: expected "t", got "humidity"'),
        ("plant", "1", '"plant": no [[stream]] block takes this topic'),
        ("site/hall/t", "\udcff\udcfe", "rejected: not_a_number: "),
    ],
    ids=range(7),
)  # fmt: skip
def test_explain_says_what_becomes_of_a_message(topic: str, payload: str, expected: str) -> None:
    done = ewad("explain", topic, payload, "-c", config(STREAM))
    assert (done.returncode, done.stderr) == (0 if "value: " in expected else 1, "")
    assert expected in done.stdout


@pytest.mark.parametrize("topic", ["site/+/t", "site/#", ""])
def test_explain_takes_the_topic_of_a_message_and_no_filter(topic: str) -> None:
    done = ewad("explain", topic, "21.5", "-c", config(STREAM))
    assert done.returncode == 2
    assert "TOPIC: expected the topic of one message" in done.stderr


def test_explain_of_a_file_that_can_not_be_read_shows_how_it_begins() -> None:
    Path("odd.csv").write_text("21.5\n21.7\n")
    done = ewad("replay", "odd.csv", "--explain")
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["odd.csv: begins so:", '  line 1: "21.5"', '  line 2: "21.7"']
    assert "expected a time column" in done.stderr


# -- replay --

WIDE = "time,a,b\n0,40,1\n60,49,\n120,45,3\n"


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_replay_without_an_output_says_that_nothing_becomes_of_the_results() -> None:
    Path("wide.csv").write_text(WIDE)
    said = "results were computed, and neither written nor shown: ask for them by -o, --plot, --html, "
    assert said in ewad("replay", "wide.csv").stderr
    for option in (("-o", "out.csv"), ("--jsonl", "out.jsonl"), ("--report",), ("--report-json",)):
        assert "neither written nor shown" not in ewad("replay", "wide.csv", *option).stderr


def test_replay_writes_the_promised_columns_and_the_numbers_by_hand() -> None:
    Path("wide.csv").write_text(WIDE)
    config(
        STREAM.replace("site/{room}/t", "#")
        + 'model = "m"\n[model.m]\nexperts = ["linear"]\nlags = 1\nhorizons = [1, 6]\n'
    )
    done = ewad_process("replay", "wide.csv", "-c", "ewad.toml", "-o", "out.csv")
    assert (done.returncode, done.stdout) == (0, "")
    assert "5 samples of 2 streams" in done.stderr
    assert "\r" not in done.stderr  # no progress bar: this is no terminal
    found = rows("out.csv")
    assert Path("out.csv").read_text().splitlines()[0] == (
        "time,stream,value,smoothed_0.9,smoothed_0.98,stddev_0.9,stddev_0.98,forecast_1,forecast_6,loss,learning_rate"
    )
    assert [(row["time"], row["stream"]) for row in found] == [
        (f"1970-01-01T00:0{minute}:00.000000Z", stream)
        for minute, stream in ((0, "a"), (0, "b"), (1, "a"), (2, "a"), (2, "b"))
    ]
    smoothed = [float(row["smoothed_0.98"]) for row in found if row["stream"] == "a"]
    assert smoothed == pytest.approx([40.0, 44.545455, 44.700041], abs=5e-7)
    # two samples: weights 0.98 and 1, unbiased: the plain deviation of 40 and 49 around their mean, nearly
    assert float(found[2]["stddev_0.98"]) == pytest.approx(9 / math.sqrt(2), rel=1e-9)
    assert found[0]["stddev_0.98"] == found[0]["forecast_1"] == found[0]["loss"] == ""
    assert found[2]["forecast_1"] != ""
    assert {row["learning_rate"] for row in found} == {"0.001"}


def test_replay_takes_the_block_of_the_command_line_or_of_ewad_toml() -> None:
    Path("wide.csv").write_text(WIDE)
    assert ewad("replay", "wide.csv", "--beta", "0.5", "-o", "out.csv").returncode == 0
    smoothed = [float(row["smoothed_0.5"]) for row in rows("out.csv") if row["stream"] == "b"]
    assert smoothed == pytest.approx([1.0, (0.5 * 1 + 3) / 1.5], rel=1e-12)
    config(STREAM.replace("site/{room}/t", "{any}") + "window = 4\n")
    assert ewad("replay", "wide.csv", "-o", "out.csv").returncode == 0
    assert "smoothed_0.75" in rows("out.csv")[0]


def test_replay_forecasts_as_far_as_the_command_line_says() -> None:
    Path("wide.csv").write_text(WIDE)
    for model in ("linear", "auto"):
        done = ewad("replay", "wide.csv", "--model", model, "--horizons", "1,24", "-o", "out.csv")
        assert done.returncode == 0, done.stderr
        forecasts = [name for name in rows("out.csv")[0] if name.startswith("forecast_")]
        assert forecasts == ["forecast_1", "forecast_24"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("1,x", '--horizons: expected whole numbers between commas, such as 1,24, got "1,x"'),
        ("0,5", "--horizons[0]: must be in 1..1000, got 0"),
        ("6,5", "--horizons: expected them ascending, got [6, 5]"),
    ],
)
def test_horizons_that_are_none_are_named(given: str, told: str) -> None:
    Path("wide.csv").write_text(WIDE)
    assert failed(ewad("replay", "wide.csv", "--horizons", given), 2) == f"ewad: {told}\n"


def test_horizons_without_a_model_are_a_mistake() -> None:
    said = failed(ewad("run", "--topic", "a", "--horizons", "3"), 2)
    assert said == "ewad: --horizons: needs --model\n"


@pytest.mark.slow
def test_a_model_too_large_for_the_memory_ends_in_a_line() -> None:
    Path("wide.csv").write_text(WIDE)
    path = config(STREAM.replace("site/{room}/t", "#") + 'model = "m"\n[model.m]\nlags = 10000\n')
    limited = f'ulimit -v 1500000; exec "{sys.executable}" -m ewad replay wide.csv -c {path}'
    done = subprocess.run(["sh", "-c", limited], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("ewad: out of memory: Unable to allocate ")


def test_parquet_has_what_csv_has() -> None:
    components.module("pyarrow")
    import pandas as pd

    outputs = "out.csv", "out.parquet"
    for output in outputs:
        done = ewad("replay", SAMPLES / "seattle_weather.csv", "-o", output)
        assert done.returncode == 0, done.stderr
    as_csv, as_parquet = pd.read_csv(outputs[0]), pd.read_parquet(outputs[1])
    as_csv["time"] = pd.to_datetime(as_csv["time"]).astype(as_parquet["time"].dtype)
    assert len(as_csv) > 5000
    pd.testing.assert_frame_equal(as_csv, as_parquet, check_exact=False, rtol=1e-12)


def test_openmetrics_goes_into_a_prometheus_as_blocks() -> None:
    Path("wide.csv").write_text(WIDE)
    assert ewad("replay", "wide.csv", "--openmetrics", "out.om").returncode == 0
    promtool = components.program("promtool", "Debian's prometheus")
    made = subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", "out.om", "blocks"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    blocks = [path for path in Path("blocks").iterdir() if (path / "meta.json").is_file()]
    assert blocks


def test_parquet_keeps_its_columns_where_the_first_messages_are_rejected() -> None:
    components.module("pyarrow")
    import pandas as pd

    bad, good = [f"{i},t,oops" for i in range(5000)], [f"{i},t,2.5" for i in range(5000, 5010)]
    Path("recorded.csv").write_text("\n".join(["time,topic,payload", *bad, *good]))
    done = ewad("replay", "recorded.csv", "-o", "out.parquet")
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet("out.parquet")
    assert len(table) == 10
    assert set(table["stream"]) == {"t"}


def test_results_without_a_sample_are_a_header() -> None:
    Path("recorded.csv").write_text("time,topic,payload\n1,t,oops\n")
    assert ewad("replay", "recorded.csv", "-o", "out.csv").returncode == 0
    assert Path("out.csv").read_text().startswith("time,stream,value,")
    assert rows("out.csv") == []


SAME = (
    ("-o", "wide.csv"), ("-o", "folder/../wide.csv"), ("-o", "link.csv"), ("-o", "hard.csv"),
    ("--openmetrics", "wide.csv"), ("-o", "out.csv", "--openmetrics", "out.csv"),
    ("--plot", "wide.csv"), ("-c", "my.toml", "--openmetrics", "my.toml"),
)  # fmt: skip


@pytest.mark.parametrize("options", SAME, ids=str)
def test_an_output_that_is_an_input_or_another_output_is_refused(options: tuple[str, ...]) -> None:
    Path("wide.csv").write_text(WIDE)
    Path("folder").mkdir()
    Path("link.csv").symlink_to("wide.csv")
    Path("hard.csv").hardlink_to("wide.csv")
    text = STREAM.replace("site/{room}/t", "#")
    config(text, "my.toml")
    said = failed(ewad("replay", "wide.csv", *options), 2)
    assert said.startswith(
        f"ewad: {options[-2]} {options[-1]}: expected a file of its own, got the same one as "
    )
    assert Path("wide.csv").read_text() == WIDE
    assert Path("my.toml").read_text() == text


def test_a_replay_that_fails_leaves_earlier_results_and_nothing_else() -> None:
    Path("wide.csv").write_text(WIDE)
    Path("broken.csv").write_text("time,a\n" + "1,2\n" * 2_000_000 + "2,warm\n")
    outputs = {"out.csv": "-o", "out.om": "--openmetrics", "out.png": "--plot"}
    for output in outputs:
        Path(output).write_text("earlier")
    options = [word for output, option in outputs.items() for word in (option, output)]
    failed(ewad("replay", "wide.csv", "broken.csv", *options), 1)
    assert {path.name for path in Path().iterdir()} == {"wide.csv", "broken.csv", *outputs}
    assert {Path(output).read_text() for output in outputs} == {"earlier"}


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".png", ".om"])
def test_a_full_disk_is_one_line_and_status_1(suffix: str) -> None:
    if suffix == ".parquet":
        components.module("pyarrow")
    Path("wide.csv").write_text(WIDE)
    output = Path(f"full{suffix}")
    output.symlink_to("/dev/full")
    option = {".png": "--plot", ".om": "--openmetrics"}.get(suffix, "-o")
    said = failed(ewad("replay", "wide.csv", option, output), 1)
    assert said == f"ewad: {output}: can't write the file: No space left on device\n"


def test_a_pipe_takes_an_output_as_it_comes() -> None:
    Path("wide.csv").write_text(WIDE)
    done = ewad_process("replay", "wide.csv", "--openmetrics", "/dev/stdout")
    assert done.stdout.endswith("# EOF\n"), done.stderr


def test_a_file_that_fails_while_it_is_read_is_one_line() -> None:
    assert "can't read the file" in failed(ewad("replay", "/proc/self/mem"), 1)


def test_an_output_through_a_link_keeps_the_link_and_the_rights() -> None:
    Path("wide.csv").write_text(WIDE)
    Path("results").mkdir()
    target = Path("results/out.csv")
    target.write_text("earlier")
    target.chmod(0o640)
    Path("out.csv").symlink_to(target)
    assert ewad("replay", "wide.csv", "-o", "out.csv").returncode == 0
    assert Path("out.csv").is_symlink()
    assert len(rows("results/out.csv")) == 5
    assert target.stat().st_mode & 0o777 == 0o640


def series(path: str) -> dict[str, list[tuple[float, float]]]:
    """Return time and value of each series of an OpenMetrics file, by name and labels as they stand there."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in Path(path).read_text().splitlines():
        if not line.startswith("#"):
            name, value, time = line.rsplit(" ", 2)
            found.setdefault(name, []).append((float(time), float(value)))
    return found


@pytest.mark.parametrize("share", ["group", "stream"])
def test_openmetrics_has_the_names_and_labels_of_the_exposition(share: str) -> None:
    from ewad.commands.replay import FileSamples, Replay
    from ewad.config import load
    from ewad.outputs.prometheus.exposition import Exposition

    Path("odd.csv").write_text(
        "time,stream,value\n"
        + "".join(f'{i},"site/{room}/t",{i % 7}\n' for i in range(300) for room in ROOMS)
    )
    model = f'model = "m"\n[model.m]\nexperts = ["linear"]\nshare = "{share}"\nlags = 2\nbatch_size = 8\n'
    settings = load(Path(config(STREAM + 'half_life = "10m"\n' + model)), {})
    done = ewad("replay", "odd.csv", "--openmetrics", "out.om")
    assert done.returncode == 0, done.stderr
    run = Replay(settings)
    with run.read(Path("odd.csv")) as file:
        source = FileSamples(run, file)
        for piece in source.pieces(math.inf):
            source.observe(piece)
    live = b"".join(Exposition(run.engine, [math.inf]).render(lambda: 0.0, openmetrics=False)).decode()
    expected = dict(line.rsplit(" ", 1) for line in live.splitlines() if not line.startswith("#"))
    found = series("out.om")
    wanted = ("ewad_value", "ewad_smoothed_", "ewad_forecast_value", "ewad_loss", "ewad_learning_rate")
    assert {name: samples[-1][1] for name, samples in found.items()} == {
        name: float(value) for name, value in expected.items() if name.startswith(wanted)
    }
    for name, samples in found.items():
        times = [time for time, _ in samples]
        assert times == sorted(set(times)), name


ROOMS = ("hall", 'ki""t\\chen')


def test_openmetrics_has_the_last_sample_of_a_time_and_none_that_goes_back() -> None:
    Path("odd.csv").write_text("time,a\n5,1\n5,2\n5.0001,3\n4,4\n6,5\n")
    config('[[stream]]\nname = "t"\ntopic = "#"\nout_of_order = "accept"\n')
    done = ewad("replay", "odd.csv", "--openmetrics", "out.om", "--no-sort")
    assert done.returncode == 0, done.stderr
    assert series("out.om")['ewad_value{stream="a",group="t"}'] == [(5.0001, 3.0), (6.0, 5.0)]
    assert ewad("replay", "odd.csv", "--openmetrics", "out.om").returncode == 0
    found = series("out.om")['ewad_value{stream="a",group="t"}']
    assert found == [(4.0, 4.0), (5.0001, 3.0), (6.0, 5.0)]


def test_report_is_printed_and_the_summary_stays_on_stderr() -> None:
    Path("wide.csv").write_text(WIDE)
    done = ewad("replay", "wide.csv", "--report", "--score-from", "0.5")
    assert done.returncode == 0, done.stderr
    assert "vs season" in done.stdout
    assert "samples of" in done.stderr


def test_plot_makes_a_picture() -> None:
    components.module("matplotlib")
    Path("wide.csv").write_text(WIDE)
    done = ewad("replay", "wide.csv", "--plot", "out.png")
    assert done.returncode == 0, done.stderr
    assert Path("out.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_speed_changes_the_time_it_takes_and_not_the_results() -> None:
    Path("wide.csv").write_text(WIDE)
    assert ewad("replay", "wide.csv", "-o", "fast.csv").returncode == 0
    slow = ewad("replay", "wide.csv", "-o", "slow.csv", "--speed", "240")
    assert slow.returncode == 0
    assert float(slow.stderr.split(" in ")[1].split(" s")[0]) >= 0.5  # 120 s at 240 times
    for slower, faster in zip(rows("slow.csv"), rows("fast.csv"), strict=True):
        for name in ("time", "stream"):
            assert slower.pop(name) == faster.pop(name)
        assert [float(cell or "nan") for cell in slower.values()] == pytest.approx(
            [float(cell or "nan") for cell in faster.values()], rel=1e-9, nan_ok=True
        )


@pytest.mark.system
def test_publish_hands_the_samples_to_a_broker_and_to_a_daemon_there(tmp_path: Path) -> None:
    from tests.system import daemon as daemons

    Path("wide.csv").write_text(WIDE)
    settings = STREAM.replace("site/{room}/t", "{column}")
    with mosquitto.running(tmp_path / "mosquitto") as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        with daemons.running(tmp_path / "ewad", url, settings) as daemon:
            done = ewad("replay", "wide.csv", "--publish", url)
            assert done.returncode == 0, done.stderr
            daemon.until_value("ewad_samples_total", 3.0, stream="a")
            daemon.until_value("ewad_samples_total", 2.0, stream="b")
            assert daemon.value("ewad_value", stream="a") == 45
            assert daemon.value("ewad_smoothed_value", stream="a", beta="0.98") == pytest.approx(44.700041)


BAD_FILES = {
    "empty": ("", []),
    "header alone": ("time,a\n", []),
    "text in a number column": ("time,a\n1,2\n2,warm\n", ["line 3", '"a"', '"warm"']),
    "text alone": ("time,a\n1,x\n2,y\n", ["numeric"]),
    "a short row": ("time,a,b\n1,2,3\n2\n", ["line 3", "3 columns", "1", "--accept"]),
    "a bad time": ("time,a\nnow,1\n", ["line 2", '"time"', '"now"']),
    "no header": ("1,2\n2,3\n", ["header"]),
    "one column": ("time\n1\n", ["column"]),
    "a number too large": ("time,a\n1,1\n2,1e200\n", ["line 3", '"1e200"']),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_is_no_csv_is_one_line_with_its_place(kind: str) -> None:
    text, words = BAD_FILES[kind]
    Path("bad.csv").write_text(text)
    said = failed(ewad("replay", "bad.csv"), 1)
    assert said.startswith("ewad: bad.csv")
    assert [word for word in words if word not in said] == [], said


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_file_that_cannot_be_read_is_one_line(kind: str) -> None:
    if kind == "locked" and os.getuid() == 0:
        pytest.skip("root reads everything")
    UNREADABLE[kind](Path("odd.csv"))
    assert failed(ewad("replay", "odd.csv"), 1).startswith("ewad: odd.csv")


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["-o", "out.xlsx"], 2, "out.xlsx"),
        (["-o", "missing/out.csv"], 2, "missing/out.csv"),
        (["--plot", "out.txt"], 2, "out.txt"),
        (["--openmetrics", "missing/out.om"], 2, "missing/out.om"),
        (["--speed", "0"], 2, "--speed"),
        (["--report", "--score-from", "1"], 2, "--score-from"),
        (["--speed", "nan"], 2, "--speed"),
        (["--beta", "2"], 2, "beta"),
        (["--publish", "nowhere"], 2, "--publish"),
        (["-o", "folder.csv"], 2, "folder.csv"),
        (["--publish", "mqtt://127.0.0.1:1"], 1, "refused"),
        (["-c", "missing.toml"], 2, "missing.toml"),
    ],
    ids=str,
)
def test_an_output_that_cannot_be_is_one_line(options: list[str], status: int, words: str) -> None:
    Path("folder.csv").mkdir()
    Path("wide.csv").write_text(WIDE)
    assert words in failed(ewad("replay", "wide.csv", *options), status)


@pytest.mark.parametrize(
    ("text", "column"),
    [("time,a,temp #1\n0,1,2\n", "temp #1"), ("time,stream,value\n0,a,1\n1,a/+,1\n", "stream")],
)
def test_publish_refuses_a_name_that_is_no_topic_before_it_connects(text: str, column: str) -> None:
    Path("odd.csv").write_text(text)
    said = failed(ewad("replay", "odd.csv", "--publish", "mqtt://127.0.0.1:1"), 2)
    assert said.startswith(
        f'ewad: --publish: odd.csv: column "{column}": expected a topic without +, # and NUL'
    )


# what a guess of the file's kind gets wrong, and the options that put it right
OPTIONS = {
    "delimiter": ("t|a\n0|1\n", ["--delimiter", "|"]),
    "tab": ("time x\ta\n0\t1\n", ["--delimiter", "tab"]),
    "layout": ("time,stream,value,a\n0,2,3,1\n", ["--layout", "wide", "--columns", "a"]),
    "time column": ("a,b,when\n1,x,0\n", ["--time-column", "when"]),
    "time format": ("when,a\n01|01|70 00h,1\n", ["--time-format", "%d|%m|%y %Hh"]),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_override_the_guess_of_how_a_csv_file_is_read(kind: str) -> None:
    text, options = OPTIONS[kind]
    Path("odd.csv").write_text(text)
    done = ewad("replay", "odd.csv", "-o", "out.csv", *options)
    assert done.returncode == 0, done.stderr
    assert [(row["time"], row["stream"], row["value"]) for row in rows("out.csv")] == [
        ("1970-01-01T00:00:00.000000Z", "a", "1.0")
    ]


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--delimiter", ""], 2, "--delimiter: expected one of"),
        (["--delimiter", '"'], 2, "--delimiter: expected one of"),
        (["--delimiter", "ab"], 2, "--delimiter: expected one of"),
        (["--columns", "a,,b"], 2, "--columns: expected names"),
        (["--columns", "c"], 1, 'expected a column named "c"'),
        (["--layout", "long", "--columns", "a"], 1, "expected a column named stream"),
        (["--time-column", "c"], 1, 'expected a column named "c"'),
        (["--time-format", "%Q"], 1, 'column "time"'),
    ],
    ids=str,
)
def test_options_that_do_not_fit_the_file_are_one_line(options: list[str], status: int, words: str) -> None:
    Path("wide.csv").write_text(WIDE)
    assert words in failed(ewad("replay", "wide.csv", *options), status)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("replay wide.csv -c my.toml --beta 0.5", "--beta: not together with -c/--config"),
        ("replay wide.csv -c my.toml --format json", "--format: not together with -c/--config"),
        ("replay wide.csv --half-life x", "--half-life[0]: expected a duration"),
        ("replay wide.csv --beta 0.9 --beta 2", "--beta[1]: must be in [0, 1)"),
        ("run -c my.toml --url mqtt://a", "--url: not together with -c/--config"),
        ("run --half-life 5m", "--half-life: needs --topic"),
        ("run --format json", "--format: needs --topic"),
        ("run --url mqtt://a", "--topic: "),
    ],
)
def test_errors_of_options_name_options_that_exist(command: str, words: str) -> None:
    Path("wide.csv").write_text(WIDE)
    config(STREAM, "my.toml")
    assert failed(ewad(*command.split()), 2).startswith(f"ewad: {words}")


def test_a_mistake_in_the_last_file_is_told_before_the_first_is_replayed() -> None:
    Path("good.csv").write_text(WIDE)
    Path("bad.csv").write_text("")
    failed(ewad("replay", "good.csv", "bad.csv", "-o", "out.csv"), 1)
    assert not Path("out.csv").exists()


def test_a_reader_that_has_gone_ends_check_without_a_traceback() -> None:
    config(STREAM)
    command = f'"{sys.executable}" -m ewad check | true; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, env=environment()
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_ctrl_c_ends_a_replay_without_a_traceback() -> None:
    Path("wide.csv").write_text(WIDE)
    # What a shell starts in the background ignores Ctrl-C, and so does all that that starts, such as this.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "ewad"]
    command += ["replay", "wide.csv", "-o", "out.csv", "--speed", "0.001"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            until(lambda: list(Path().glob("out.*.part.csv")))
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1] == "ewad: interrupted"
    assert [path.name for path in Path().iterdir()] == ["wide.csv"]


def test_replay_of_an_irregular_feed_by_the_model_that_needs_no_tuning_on_a_grid() -> None:
    rows = [f"{1.6e9 + 420 * i + 200 * (i % 3)},{20 + 3 * math.sin(i / 27)}" for i in range(1500)]
    Path("in.csv").write_text("\n".join(["time,office", *rows]))
    config(
        '[[stream]]\nname = "t"\ntopic = "{x}"\nmodel = "m"\n[model.m]\nevery = "1h"\nhorizons = [1, 24]\n'
    )
    done = ewad("replay", "in.csv", "-c", "ewad.toml", "-o", "out.csv")
    assert done.returncode == 0, done.stderr
    with Path("out.csv").open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    said = [row["forecast_24"] for row in found if row["forecast_24"]]
    assert len(found) == len(rows)
    hours = 1500 * 420 / 3600
    assert hours - 26 <= len(set(said)) <= hours - 22  # one an hour, once 24 hours are full
    assert float(found[-1]["lower_1"]) < float(found[-1]["forecast_1"]) < float(found[-1]["upper_1"])
