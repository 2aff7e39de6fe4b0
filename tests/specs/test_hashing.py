import re
import tomllib
from pathlib import Path

import pytest

from workbench.specs import examine_cohort, examine_experiment, examine_source, spec_hash, to_toml
from workbench.specs.cohort import CohortSpec, ColumnSpec
from workbench.specs.experiment import ExperimentSpec

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def spec(examine, texts):
    return lambda kind, old="", new="": examine(kind, texts[kind].replace(old, new, 1)).required()


def test_hash_is_sha256_in_hexadecimal(spec) -> None:
    assert re.fullmatch("[0-9a-f]{64}", spec_hash(spec("cohort")))


def test_hash_is_pinned_so_that_it_changes_only_on_purpose() -> None:
    spec = ExperimentSpec(question="?", outcome={"column": "age"}, models=({"kind": "ridge", "alphas": (0.1, 10.0)},))
    assert spec_hash(spec) == "69723d15315f6dfc74c65db76946c93ee308e440b6e0409abbf6107be0c52b2e"


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("cohort", "design =", 'data = "elsewhere"\ndesign ='),
        ("cohort", "hours = 48.0", "hours = 48"),
        ("cohort", "hours = 48.0", "hours = 48.0 # two days"),
        ("experiment", "Does it predict?", "Will it predict?"),
        ("experiment", "[validation]", "[validation]\nouter = 5"),
        ("experiment", "[0.1, 1, 10]", "[1e-1, 1.0, 10]"),
        ("source", "gsr =", "overlaps = []\ngsr ="),
    ],
)
def test_wording_and_places_and_written_out_defaults_leave_the_hash_alone(spec, kind: str, old: str, new: str) -> None:
    assert spec_hash(spec(kind, old, new)) == spec_hash(spec(kind))


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("cohort", "design =", "synthetic = true\ndesign ="),
        ("cohort", "hours = 48.0", "hours = 47.0"),
        ("experiment", '["MDD"]', '["BP"]'),
        ("experiment", "[validation]", "[validation]\nseed = 1"),
        ("experiment", "[0.1, 1, 10]", "[0.1, 1, 11]"),
        ("experiment", "[outcome]", "confounds = []\n[outcome]"),
        ("source", '"unknown"', "true"),
    ],
)
def test_what_changes_results_changes_the_hash(spec, kind: str, old: str, new: str) -> None:
    assert spec_hash(spec(kind, old, new)) != spec_hash(spec(kind))


def test_order_of_keys_leaves_the_hash_alone(examine) -> None:
    one = 'modality = "pet"\nreader = "table"\nfile = "x.tsv"\ntracer = "[18F]FDG"\nmeasure = "SUVR"\n'
    other = 'measure = "SUVR"\nfile = "x.tsv"\nreader = "table"\ntracer = "[18F]FDG"\nmodality = "pet"\n'
    assert spec_hash(examine("source", one).required()) == spec_hash(examine("source", other).required())


@pytest.mark.parametrize("kind", ["cohort", "source", "experiment"])
def test_written_spec_reads_back_as_the_same_spec(examine, spec, kind: str) -> None:
    written = to_toml(spec(kind), comment="Resolved.\nDo not edit.")
    assert written.startswith("# Resolved.\n# Do not edit.\n")
    assert examine(kind, written).required() == spec(kind)


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("examples/*/*/*.toml")), ids=lambda path: path.stem)
def test_examples_read_back_as_the_same_spec(examine, path: Path) -> None:
    kind = "experiment" if path.parent.name == "experiments" else "cohort" if path.stem == "cohort" else "source"
    reader = {"cohort": examine_cohort, "source": examine_source, "experiment": examine_experiment}[kind]
    spec = reader(path).required()
    again = examine(kind, to_toml(spec)).required()
    assert again == spec
    assert spec_hash(again) == spec_hash(spec)


def test_defaults_are_written_out_and_aliases_kept(spec) -> None:
    written = tomllib.loads(to_toml(spec("experiment")))
    assert written["validation"]["outer"] == 5
    assert written["outcome"]["from"] == "ses-b0"


def test_an_empty_list_of_confounds_is_written(examine, texts) -> None:
    text = texts["experiment"].replace("[outcome]", "confounds = []\n[outcome]")
    assert tomllib.loads(to_toml(examine("experiment", text).required()))["confounds"] == []


@pytest.mark.parametrize("text", ['a "quoted" word', "back\\slash", "two\nlines", "µV é 漢", "tab\there", "\x7f", "'"])
def test_any_text_survives_being_written(text: str) -> None:
    spec = CohortSpec(design="observational", participants=text, columns={text: ColumnSpec(), "b": ColumnSpec()})
    written = tomllib.loads(to_toml(spec))
    assert written["participants"] == text
    assert set(written["columns"]) == {text, "b"}


@pytest.mark.parametrize("number", [0.1, 1e-7, 1e22, 123456789.123, 1 / 3])
def test_numbers_survive_being_written_to_the_last_digit(number: float) -> None:
    outcome = {"score": "MADRS", "kind": "remission", "at": "b", "cutoff": number}
    spec = ExperimentSpec(question="?", outcome=outcome, models=({"kind": "ridge"},))
    assert tomllib.loads(to_toml(spec))["outcome"]["cutoff"] == number
