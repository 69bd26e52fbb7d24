"""What plugs in is a file, or a class, and a line of its table: nothing else has to be told of it.

Each test adds one to a copy of the package. Kernels run interpreted there, as without a compiler.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.daemon import UNMEASURED

ROOT = Path(__file__).parent.parent
CONFIG = """
[[stream]]
topic = "t"
beta = 0.9
model = "m"

[model.m]
lags = 2
horizons = [1]
batch_size = 4
"""


class Copy:
    """A copy of the package, in a folder where its commands run."""

    def __init__(self, folder: Path):
        self.folder = folder
        # With what Python has compiled of it, which stays valid where a file stays: times are copied too.
        ignored = shutil.ignore_patterns("*.so", "*.pyc.*")
        shutil.copytree(ROOT / "ewad", folder / "ewad", ignore=ignored)

    def add_file(self, name, text):
        (self.folder / "ewad" / name).write_text(text)

    def add_line(self, name, before, line):
        """Put a line, or some, before the one place where this text stands."""
        path = self.folder / "ewad" / name
        text = path.read_text()
        assert text.count(before) == 1, (name, before)
        path.write_text(text.replace(before, line + before))

    def run(self, *arguments):
        return self._python("-m", "ewad", *arguments)

    def python(self, program):
        return self._python("-c", program)

    def _python(self, *arguments):
        environ = {**os.environ, "PYTHONPATH": str(self.folder), **UNMEASURED}
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=environ, cwd=self.folder, timeout=120
        )

    def replay(self, model):
        """Return the results, as dictionaries, of 40 samples under CONFIG with these lines more."""
        (self.folder / "ewad.toml").write_text(CONFIG + model)
        rows = "".join(f"2026-01-01T00:{minute:02}:00Z,{minute % 7}\n" for minute in range(40))
        (self.folder / "samples.csv").write_text("time,t\n" + rows)
        done = self.run("replay", "samples.csv", "--jsonl", "-")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


ROMAN = '''"""format = "roman": a number in Roman numerals."""

from ewad.ingest.formats.point import Format, Point

NUMERALS = {"M": 1000, "D": 500, "C": 100, "L": 50, "X": 10, "V": 5, "I": 1}


def open_points(block, max_bytes):
    def points(topic, payload):
        values = [NUMERALS.get(letter, 0) for letter in payload.decode("ascii", "replace")]
        signs = [-1 if value < after else 1 for value, after in zip(values, [*values[1:], 0])]
        return [Point({"value": sum(sign * value for sign, value in zip(signs, values))})]

    return points


FORMAT = Format(open_points, fields=(("value", ""),))
'''


def test_a_format_is_a_file_and_a_line(copy):
    copy.add_file("ingest/formats/roman.py", ROMAN)
    copy.add_line("config/formats.py", '    "senml": FormatEntry(', '    "roman": FormatEntry("roman"),\n')
    done = copy.run("explain", "year", "MCMXCIV", "--topic", "year", "--format", "roman")
    assert (done.returncode, done.stderr) == (0, "")
    assert 'stream: "year" value: 1994.0' in done.stdout
    assert '"roman"' in copy.run("schema").stdout
    assert 'format = "roman"' in copy.run("check", "--topic", "year", "--format", "roman").stdout
    told = copy.run("check", "--topic", "year", "--format", "romn").stderr
    assert told.startswith('ewad: --format: unknown "romn"; did you mean "roman"?')


DRIFT = '''"""What has moved will go on as it did on average since the window began."""

from ewad.kernels import memory
from ewad.kernels.experts.base import Expert


class DriftKernel(Expert):
    """Rows: first, the value at the start of the window; steps since then."""

    def __init__(self, horizons):
        Expert.__init__(self)
        self.horizons = horizons

    @staticmethod
    def rows():
        return {"first": 1, "steps": 1}

    def bind(self, first, steps):
        self.first, self.steps = memory.doubles(first), memory.doubles(steps)

    def learn(self, s):
        if s.position == 0:
            self.first[s.row], self.steps[s.row] = s.steady, 0.0
        else:
            self.steps[s.row] += 1.0

    def forecast(self, s, out, at):
        pace = (s.steady - self.first[s.row]) / max(self.steps[s.row], 1.0)
        for i, horizon in enumerate(self.horizons):
            out[at + i] = (s.steady + pace * horizon - s.expected) / s.scale
'''


def test_an_expert_is_a_file_and_a_line(copy):
    copy.add_file("kernels/experts/drift.py", DRIFT)
    line = '    "drift": importlib.import_module("ewad.kernels.experts.drift").DriftKernel,\n'
    copy.add_line("numeric/experts.py", '    "holt": HoltKernel,\n', line)
    copy.add_line("numeric/experts.py", "import numpy as np\n", "import importlib\n")
    rows = copy.replay('experts = ["drift"]\n')
    assert [row["forecast_1"] for row in rows[-2:]] != [None, None]
    rows = copy.replay('experts = ["persistence", "drift"]\n')
    assert rows[-1]["forecast_1"] is not None
    assert '"drift"' in copy.run("schema").stdout


SIGN = '''
class SignKernel(OptimizerKernel):
    """Each parameter moves by the rate, whatever its gradient's size."""

    def __init__(self, n_params, damping):
        OptimizerKernel.__init__(self, n_params)
        self.kept = 1.0 - damping

    def step(self, row, theta, g, at, rate):
        o = row * self.n
        for i in range(self.n):
            theta[o + i] -= rate * self.kept * np.sign(g[at + i])


@dataclass(frozen=True, slots=True)
class Sign(_ByKernel):
    """Steps of one size."""

    damping: Annotated[float, "[0, 1)", "What a step loses of its size."] = 0.0

    def kernel(self, n_params):
        return SignKernel(n_params, self.damping)

    def init(self, theta):
        return ()


'''


def test_an_optimizer_is_a_class_and_a_line(copy):
    copy.add_line("numeric/optimizers.py", "OPTIMIZERS: dict", SIGN)
    copy.add_line("numeric/optimizers.py", '    "adam": Adam,\n', '    "sign": Sign,\n')
    rows = copy.replay('experts = ["linear"]\noptimizer = "sign"\ndamping = 0.5\n')
    assert rows[-1]["loss"] is not None
    assert "damping = 0.5" in copy.run("check").stdout
    done = copy.run("train", "samples.csv", "--optimizer", "sign,adam", "--epochs", "2")
    assert done.returncode == 0, done.stderr
    assert "sign" in done.stdout


HALVING = '''
class HalvingKernel(ScheduleKernel):
    """The rate of `Halving`."""

    def rate(self, initial, epoch, batch):
        return initial * 0.5 ** min(batch, self.a)


@dataclass(frozen=True, slots=True)
class Halving(_CheckedConstants):
    """Half the rate after each of the first mini-batches."""

    epochs: Annotated[int, "1..100", "How many times it is halved."] = 2
    by_batch = True

    def kernel(self):
        return HalvingKernel("constant", float(self.epochs), 0.0, True, np.zeros(0))


'''


def test_a_schedule_is_a_class_and_a_line(copy):
    copy.add_line("numeric/schedules.py", "SCHEDULES: dict", HALVING)
    copy.add_line("numeric/schedules.py", '    "constant": Constant,\n', '    "halving": Halving,\n')
    rows = copy.replay(
        'experts = ["linear"]\nlearning_rate = 0.08\nschedule = { kind = "halving", epochs = 3 }\n'
    )
    rates = [row["learning_rate"] for row in rows if row["learning_rate"] is not None]
    assert (rates[0], rates[-1]) == (0.08, 0.01)
    assert "| epochs" in copy.run("schema", "--markdown").stdout


HIGHEST = '''"""The greatest value so far, in a file."""

from pathlib import Path

from ewad.outputs.sinks import Sink


class HighestSink(Sink):
    """Writes the greatest value of all streams."""

    def __init__(self, settings):
        self.path, self.highest = Path(settings.sinks["highest"].path), float("-inf")

    def observed(self, observed):
        values = observed.batch.value[observed.results.accepted]
        self.highest = max(self.highest, values.max(initial=self.highest))

    def flush(self):
        self.path.write_text(str(self.highest))
'''
HIGHEST_SETTINGS = '''"""[highest]: where the greatest value goes."""

from typing import Annotated

import msgspec

from ewad.config.kinds import text
from ewad.config.options import Option, table_of
from ewad.config.section import Section, plainly


class HighestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section."""

    path: Annotated[str, Option(text, "The file.")]


SECTION = Section(table_of("[highest]", "The greatest value.", HighestSettings), plainly(HighestSettings))
'''


OBSERVED = """
from pathlib import Path
import numpy as np
from ewad.config import load
from ewad.engine import Batch, Engine
from ewad.outputs.sinks import chosen, replayed
settings = load(Path("ewad.toml"), {})
(name, sink), = chosen(settings)
engine = Engine(settings.group_settings())
engine.add_stream(0, "t")
batch = Batch(0, np.zeros(7, np.int32), np.arange(7.0), np.arange(7.0))
replayed([sink], engine, [(batch, engine.observe(batch))])
print(name)
"""


def test_a_sink_is_a_file_another_of_its_options_and_a_line(copy):
    copy.add_file("outputs/files/highest.py", HIGHEST)
    copy.add_file("config/highest.py", HIGHEST_SETTINGS)
    line = '    "highest": SinkEntry("ewad.outputs.files.highest:HighestSink", "highest"),\n'
    copy.add_line("config/sinks.py", '    "jsonl": SinkEntry(', line)
    (copy.folder / "ewad.toml").write_text(CONFIG + '[highest]\npath = "highest.txt"\n')
    assert 'path = "highest.txt"' in copy.run("check").stdout
    assert '"highest"' in copy.run("schema").stdout
    done = copy.python(OBSERVED)
    assert (done.stdout, done.stderr) == ("highest\n", "")
    assert (copy.folder / "highest.txt").read_text() == "6.0"


GREET = '''"""`ewad greet`: an example."""

import click


@click.command("greet")
@click.argument("name")
def command(name: str) -> None:
    """Greet a NAME."""
    click.echo(f"hello {name}")
'''


def test_a_command_is_a_file_a_line_and_its_examples(copy):
    copy.add_file("commands/greet.py", GREET)
    copy.add_line("cli.py", '    "figures": "Draw', '    "greet": "Greet a NAME.",\n')
    copy.add_line("commands/examples.py", '    "figures": (', '    "greet": ("ewad greet world",),\n')
    assert copy.run("greet", "world").stdout == "hello world\n"
    assert "Greet a NAME." in copy.run("--help").stdout
    assert copy.run("greet", "--help").stdout.endswith("Examples:\n    ewad greet world\n")


def test_an_option_is_a_field_with_its_range_and_its_text(copy):
    guests = '    max_guests: Annotated[int, Option(integer(1, 9), "Guests at a time.")] = 3\n'
    copy.add_line("config/service.py", "    max_streams: Annotated[", guests)
    (copy.folder / "ewad.toml").write_text(CONFIG)
    assert "max_guests = 3\n" in copy.run("check").stdout
    (copy.folder / "ewad.toml").write_text(CONFIG + "[limits]\nmax_guests = 10\n")
    done = copy.run("check")
    assert (done.returncode, "limits.max_guests" in done.stderr) == (2, True)
