from pathlib import Path

import pytest

from workbench.errors import SpecError
from workbench.toml_files import label_of, read_toml


def refusal(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SpecError) as caught:
        read_toml(path, "features/pet.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\na = 2\n", "line 2: 'a' is written twice; keep one"),
        ("[o]\na=1\n[v]\n[o]\n", r"line 4: the table \[o\] is written twice \(first in line 1\)"),
        ("kind = change\n", 'line 1: .*text needs quotes: kind = "change"'),
        ("x = True\n", "write true or false, in lower case"),
        ("x = none\n", "leave the line out"),
        ("x = \n", "write a value after ="),
        ("pad = 04\n", 'no leading zeros; text is written in quotes: "04"'),
        ("x = 1,5\n", "a decimal point, not a comma: 1.5"),
        ('p = "C:\\data"\n', "write / instead of"),
        ('a = "x\nb = 2\n', "line 1: .*a quote is opened and not closed"),
        ("a = 1\nb = [1, 2\nc = 3\n", "line 2: .*a bracket is opened and not closed"),
        ("x = { a = 1,\n b = 2 }\n", "line 1: .*must be on one line"),
        ("x = { a = 1, }\n", "no comma before }"),
        ("just words\n", "each line is key = value"),
        ("a b = 1\n", "a key with a space in it needs quotes"),
        ("a = “x”\n", "straight ones"),
        ("[outcome\n", "line 1: .*a bracket is opened"),
        ("", "is empty"),
        ("# nothing yet\n", "is empty"),
    ],
)
def test_what_is_not_toml_is_shown_with_its_line_and_what_to_write(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=message):
        read_toml(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbfa = 1\n", "byte-order mark"),
        ("a = 1\n".encode("utf-16"), "UTF-16"),
        (b'a = 1\nb = "\xe9"\n', "line 2: is not UTF-8"),
    ],
)
def test_files_in_other_encodings_are_refused_in_plain_words(tmp_path: Path, content: bytes, message: str) -> None:
    said = refusal(tmp_path / "x.toml", content)
    assert said.startswith("features/pet.toml")
    assert message in said


def test_missing_file_names_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "connectivity.toml").write_text("a = 1")
    with pytest.raises(SpecError, match=r"no such file; did you mean 'connectivity.toml'"):
        read_toml(tmp_path / "conectivity.toml")


def test_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is a folder; expected a TOML file"):
        read_toml(tmp_path)


def test_windows_line_endings_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"a = 1\r\n[b]\r\nc = 2\r\n")
    assert read_toml(tmp_path / "x.toml") == {"a": 1, "b": {"c": 2}}


def test_spec_files_are_named_relative_to_their_study() -> None:
    assert label_of(Path("/home/me/study/features/pet.toml")) == "features/pet.toml"
    assert label_of(Path("elsewhere/pet.toml")) == str(Path("elsewhere/pet.toml"))


def test_a_table_of_thousands_of_keys_is_no_specification(tmp_path):
    """Each would be told apart from every key that there is, which took eleven seconds."""
    (tmp_path / "cohort.toml").write_text("\n".join(f"k{n} = 1" for n in range(20_000)))
    message = r"cohort.toml: has 20,000 keys or values in one place; no table of a study has so many"
    with pytest.raises(SpecError, match=message):
        read_toml(tmp_path / "cohort.toml")
