"""Options of files that contradict each other, of the command or of the section [files]."""

import pytest

from ewad.commands.file_options import with_section
from ewad.config.history import FilesSettings
from ewad.errors import ConfigError
from ewad.ingest.files import FileOptions

WRONG = [
    ({"layout": "wide", "stream_column": "who"}, "--stream-column: not with --layout wide"),
    ({"layout": "messages", "stream_column": "who"}, "--stream-column: not with --layout messages"),
    ({"stream_name": ""}, "--stream-name: expected a name such as 'site/{stream}/temperature', got none"),
    ({"encoding": "rot13"}, '--encoding: expected a name such as latin-1 or utf-16, got "rot13"'),
    ({"encoding": "base64"}, '--encoding: expected a name such as latin-1 or utf-16, got "base64"'),
    ({"encoding": "klingon"}, '--encoding: expected a name such as latin-1 or utf-16, got "klingon"'),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
@pytest.mark.parametrize("section", [None, FilesSettings()])
def test_options_that_contradict_each_other_are_refused(options, said, section):
    with pytest.raises(ConfigError) as caught:
        with_section(FileOptions(**options), section)
    assert str(caught.value).startswith(said)


def test_an_option_that_contradicts_the_section_is_refused():
    with pytest.raises(ConfigError, match="--stream-column: not with --layout wide"):
        with_section(FileOptions(layout="wide"), FilesSettings(stream_column="who"))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig", "cp437", "shift_jis"])
def test_encodings_of_text_are_taken(encoding):
    assert with_section(FileOptions(encoding=encoding), None).encoding == encoding
