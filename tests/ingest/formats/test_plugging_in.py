"""A format is a file and a line of the table: nothing else has to be told of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import ewad

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


def test_a_new_format_is_one_file_and_one_line(tmp_path):
    package = tmp_path / "ewad"
    shutil.copytree(Path(ewad.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "ingest" / "formats" / "roman.py").write_text(ROMAN)
    table = package / "config" / "formats.py"
    line = '    "number": FormatEntry("number"),\n'
    assert table.read_text().count(line) == 1
    table.write_text(table.read_text().replace(line, line + '    "roman": FormatEntry("roman"),\n'))

    def run(*arguments):
        environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, "-m", "ewad", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environ, cwd=tmp_path)

    done = run("explain", "year", "MCMXCIV", "--topic", "year", "--format", "roman")
    assert (done.returncode, done.stderr) == (0, "")
    assert 'stream: "year" value: 1994.0' in done.stdout
    assert '"roman"' in run("schema").stdout
    assert 'format = "roman"' in run("check", "--topic", "year", "--format", "roman").stdout
    told = run("check", "--topic", "year", "--format", "romn").stderr
    assert told.startswith('ewad: --format: unknown "romn"; did you mean "roman"?')
