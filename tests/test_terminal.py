"""A terminal that is not UTF-8 shows what it can, and no text ends the program."""

import io
import os
import subprocess
import sys

import pytest

from workbench.terminal import IN_ASCII, in_encoding, never_fail


def shown(text: str, encoding: str) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    never_fail(stream)
    stream.write(text)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("text", "ascii_text"),
    [
        ("Müller, Zoë", "Muller, Zoe"),
        ("\u22120.3 \u00b1 0.1", "-0.3 +- 0.1"),
        ("\u03b1--\u03b2 \u00b5V", "alpha--beta uV"),
        ("\u2713 \u2192 \u2265 5 \u2026", "ok -> >= 5 ..."),
        ("Straße \u2013 5 \u00d7 5", "Strasse - 5 x 5"),
        ("張 \U0001f9e0", "? ?"),
        ("a\u0301\u200bb", "ab"),
    ],
)
def test_what_ascii_lacks_is_spelt_with_what_it_has(text, ascii_text):
    assert shown(text, "ascii") == ascii_text


@pytest.mark.parametrize(("encoding", "text"), [("latin-1", "Müller \u2013 µ"), ("cp1252", "Müller \u2013 µ \u2192")])
def test_what_an_encoding_has_is_left_alone(encoding, text):
    expected = {"latin-1": "Müller - µ", "cp1252": "Müller \u2013 µ ->"}
    assert shown(text, encoding) == expected[encoding]


def test_utf_8_is_shown_as_it_is():
    assert shown("Müller \u2212 張", "utf-8") == "Müller \u2212 張"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "cp1252", "shift_jis", "koi8-r"])
def test_every_character_can_be_written_in_every_encoding(encoding):
    characters = [*map(chr, range(1, 0x3000)), *IN_ASCII, "\U0001f600", "\ud800"]
    for character in characters:
        in_encoding(character, encoding).encode(encoding)
    assert shown("".join(characters[10:500]), encoding)


def test_a_stream_that_another_program_has_put_in_its_place_is_left_alone():
    never_fail(io.StringIO())


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_an_error_about_a_file_with_accents_is_printed_in_ascii(tmp_path, environment):
    command = [sys.executable, "-m", "workbench.cli", "check", "--study", str(tmp_path / "étude \u2212")]
    done = subprocess.run(command, capture_output=True, env=os.environ | environment, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"tude" in done.stderr
