import copy
import tomllib
from pathlib import Path

import pytest

from workbench.errors import SpecError
from workbench.specs import read_cohort_spec, read_experiment_spec, read_source_spec
from workbench.specs.cohort import CohortSpec
from workbench.specs.experiment import ExperimentSpec
from workbench.specs.readers import READERS, AnySource
from workbench.specs.reading import _Examination

ROOTS = {"cohort": CohortSpec, "source": AnySource, "experiment": ExperimentSpec}


def test_good_files_are_read(tmp_path: Path, texts: dict[str, str]) -> None:
    for kind, text in texts.items():
        (tmp_path / kind).write_text(text)
    cohort = read_cohort_spec(tmp_path / "cohort")
    assert cohort.scores["SHAPS"].at == {
        "ses-b0": "SHAPS_bl",
        "ses-d2": tuple(f"SHAPS_{number}" for number in range(1, 15)),
    }
    assert cohort.sessions["ses-p2"].hours == 48.0
    assert read_source_spec(tmp_path / "source").reader == "table"
    experiment = read_experiment_spec(tmp_path / "experiment")
    assert experiment.outcome.from_ == "ses-b0"
    assert [model.label for model in experiment.models] == ["ridge", "xgboost"]
    assert experiment.models[0].alphas == (0.1, 1.0, 10.0)


def test_every_problem_of_a_file_is_said_at_once_in_the_order_of_the_file(changed) -> None:
    said = changed(
        "experiment",
        ("question =", "qestion ="),
        ('["MDD"]', '"MDD"'),
        ("min = 18", "mn = 18"),
        ('"change"', '"chnge"'),
        ("from =", "form ="),
        ("permutations = 100", 'permutations = "100"\nholdout = "x.tsv"'),
        ("[0.1, 1, 10]", "[0.1, -1]"),
        ('"xgboost"', '"xgbost"\ntrails = 5'),
    )
    places = [line.split(": ", 1)[1].rsplit(": ", 1)[0] for line in said]
    assert [place.split(": not")[0].split(": found")[0] for place in places][:4] == [
        "qestion",
        "include.group",
        "include.age.mn",
        "outcome.kind",
    ]
    assert len(said) == 10
    assert all(line.startswith("experiments/x.toml: ") for line in said)


def test_reading_raises_all_problems_in_one_error(tmp_path: Path, texts: dict[str, str]) -> None:
    path = tmp_path / "cohort.toml"
    path.write_text(texts["cohort"].replace("design", "desing").replace("[arms]", "[arm]"))
    with pytest.raises(SpecError) as caught:
        read_cohort_spec(path)
    assert len(caught.value.problems) == 2


def test_unknown_key_names_the_closest_one(changed) -> None:
    assert changed("source", ("gsr", "tracr")) == [
        "features/source.toml: tracr: not a key I know; did you mean 'tracer'?"
    ]


def test_misspelt_key_is_not_also_called_missing(changed) -> None:
    assert changed("experiment", ("question", "quesiton")) == [
        "experiments/x.toml: quesiton: not a key I know; did you mean 'question'?"
    ]


def test_misspelt_reader_or_kind_is_recognised_and_the_rest_still_checked(changed) -> None:
    said = changed("source", ("reader", "raeder"), ("file =", "flie ="))
    assert [each.split(": ", 1)[1] for each in said] == [
        "raeder: not a key I know; did you mean 'reader'?",
        "flie: not a key I know; did you mean 'file'?",
    ]
    (said,) = changed("experiment", ('kind = "xgboost"', 'knd = "xgboost"'))
    assert "second [[models]]: knd: not a key I know; did you mean 'kind'?" in said


def test_a_table_in_place_of_a_value_and_a_value_in_place_of_a_table(changed) -> None:
    (said,) = changed("source", ('gsr = "unknown"', "[atlas]\nname = 1"))
    assert "atlas: found a table; expected text in quotes" in said
    (said, *_) = changed(
        "experiment", ("[validation]\npermutations = 100\n", ""), ("[outcome]", "validation = 5\n[outcome]")
    )
    assert "validation: found 5; expected a table" in said
    (said, *_) = changed(
        "experiment", ("question =", 'models = "ridge"\nquestion ='), ("[[models]]", "[x]"), ("[[models]]", "[y]")
    )
    assert 'models: found "ridge"; expected a list: ["ridge"]' in said


def test_file_with_only_a_misspelt_key_is_still_good_for_finding_more(examine, texts) -> None:
    reading = examine("source", texts["source"].replace("gsr", "gsrr"))
    assert reading.problems
    assert reading.spec.gsr == "unknown"


def test_file_with_a_wrong_value_is_not_guessed_at(examine, texts) -> None:
    assert examine("source", texts["source"].replace('"edges.tsv"', "3")).spec is None


@pytest.mark.parametrize("heading", ["[outcome]", "[validation]", "[[models]]"])
def test_top_level_key_after_a_table_is_recognised(changed, heading: str) -> None:
    assert changed("experiment", (heading, f'{heading}\nconfounds = ["sex"]'))[0].endswith(
        "confounds: not a key I know; it is a key of the whole file: move it above the first [table]"
    )


@pytest.mark.parametrize("heading", ["[feature_sets]", "[include]", "[exclude]"])
def test_top_level_key_swallowed_by_a_table_of_free_names_is_recognised(changed, heading: str) -> None:
    replacements = [("[feature_sets]", f'{heading}\nimpute_confounds = ["yes"]\n[feature_sets]')]
    if heading == "[feature_sets]":
        replacements = [("[feature_sets]", '[feature_sets]\nimpute_confounds = ["yes"]')]
    if heading == "[include]":
        replacements.append(('include = { group = ["MDD"], age = { min = 18, max = 65 } }', ""))
    said = changed("experiment", *replacements)
    assert any("impute_confounds: is a key of the whole file; move it above the first [table]" in each for each in said)


def test_swallowed_key_of_another_type_is_recognised_too(changed) -> None:
    said = changed("experiment", ("[feature_sets]", "[feature_sets]\nimpute_confounds = true"))
    assert said == [
        "experiments/x.toml: feature_sets.impute_confounds: is a key of the whole file; move it above the first [table]"
    ]


def test_key_of_another_table_is_sent_there(changed) -> None:
    assert changed("experiment", ("question", "seed = 1\nquestion")) == [
        "experiments/x.toml: seed: not a key I know; it belongs under [validation]"
    ]


def test_option_of_another_kind_is_named(changed) -> None:
    (said,) = changed("experiment", ("alphas = [0.1, 1, 10]", "trials = 5"))
    assert "first [[models]]: trials: not a key I know; it is an option of kind = 'xgboost'" in said
    (said,) = changed("source", ("gsr", 'regions = "r.txt"\ngsr'))
    assert "it is an option of reader = 'matrix'" in said


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        ("source", '"table"', '"tabel"', "reader: 'tabel' is not a choice; did you mean 'table'? choose one of"),
        (
            "source",
            'reader = "table"\n',
            "",
            f"reader: is missing; write one of {', '.join(map(repr, sorted(READERS)))}",
        ),
        ("source", 'modality = "connectivity"\n', "", "modality: is missing; it says: connectivity, task, pet"),
        ("source", '"unknown"', "3", "gsr: found 3; expected true or false or 'unknown'"),
        ("source", '"connectivity"', '"rest fMRI"', "a name has letters, digits"),
        ("source", '"edges.tsv"', '""', "file: is empty"),
        ("cohort", '"crossover"', '"cross-over"', "design: 'cross-over' is not a choice; did you mean 'crossover'?"),
        ("cohort", 'phase = "before"\n', "", "phase: is missing; write one of 'before', 'during', 'after'"),
        ("cohort", "hours = 48.0", "hours = nan", "hours: found nan; expected a finite number"),
        ("cohort", "hours = 48.0", 'hours = "48"', "expected a number without quotes: 48"),
        ("cohort", "hours = 48.0", "hours = 2024-01-01", "found 2024-01-01; expected a number"),
        ("cohort", '"MADRS_Total"', "7", 'column: found 7; expected text in quotes: "7"'),
        ("experiment", '["ses-b0"]', '"ses-b0"', 'sessions: found "ses-b0"; expected a list: ["ses-b0"]'),
        ("experiment", '["MDD"]', '"MDD"', 'include.group: found "MDD"; expected a list: ["MDD"]'),
        ("experiment", '["MDD"]', "[]", "include.group: is empty"),
        ("experiment", "permutations = 100", "permutations = -1", "found -1; expected a number of at least 0"),
        ("experiment", "permutations = 100", "outer = 2.5", "outer: found 2.5; expected a whole number"),
        ("experiment", "[0.1, 1, 10]", "[0.1, true]", "alphas, second value: found true; expected a number"),
        ("experiment", '"xgboost"', '"lasso"', "second [[models]]: kind: 'lasso' is not a choice; choose one of"),
        (
            "experiment",
            'kind = "xgboost"\n',
            "",
            "second [[models]]: kind: is missing; write one of 'banded-ridge', 'cpm'",
        ),
        ("experiment", "[outcome]", "[outcomes]", "outcomes: not a key I know; did you mean 'outcome'?"),
        ("experiment", '["ses-b0"]', '["ses-b0"]\nchange = ["ses-b0"]', "change: has 1 value; expected one more"),
        (
            "experiment",
            "permutations = 100",
            'impute = "yes"',
            "validation.impute: not a key I know; known: balance_outcome",
        ),
    ],
)
def test_wrong_values_are_shown_with_what_was_expected(changed, kind: str, old: str, new: str, message: str) -> None:
    (said,) = changed(kind, (old, new))[:1]
    assert message in said


def test_true_in_quotes_is_explained(changed) -> None:
    (said,) = changed("experiment", ("[outcome]", 'impute_confounds = "true"\n[outcome]'))[:1] or [""]
    assert "expected true or false without quotes: true" in said


def test_wrong_value_brings_no_second_complaint_about_what_follows_from_it(changed) -> None:
    assert len(changed("experiment", ('score = "MADRS"', "score = 3"))) == 1
    assert len(changed("cohort", ('active = "ketamine"', "active = 1"))) == 1


def _places(values: object, key: tuple = ()) -> list[tuple]:
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    return [place for step, each in items for place in [(*key, step), *_places(each, (*key, step))]]


@pytest.mark.parametrize("kind", ["cohort", "source", "experiment"])
@pytest.mark.parametrize("wrong", [3, -1, 2.5, True, "", "x", [], [[1]], {}, {"kind": 3}, [{}], None], ids=repr)
def test_no_wrong_value_anywhere_is_a_crash(examine, texts, kind: str, wrong: object) -> None:
    """Every value of a good file, one after the other, is replaced (or taken out): a spec or problems, never else."""
    for *above, last in _places(tomllib.loads(texts[kind])):
        values = table = tomllib.loads(texts[kind])
        for step in above:
            table = table[step]
        if wrong is None:
            del table[last]
        else:
            table[last] = copy.deepcopy(wrong)
        examination = _Examination(ROOTS[kind], values)
        assert examination.spec() is not None or examination.findings()
