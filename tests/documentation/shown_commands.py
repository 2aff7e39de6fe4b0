"""Every command that the documentation shows is run, word by word but for placeholders, and so is its Python.

`make test-commands`: a minute of processor time. That each is a command with such options is a test of the suite.

One folder holds what the pages speak of, each thing as small as it can be: studies of 30 participants and eight
features under the names that the pages use, another cohort, an export of a lab, and the example of the real trial on
invented values. The claim gate is asked for less there, so that their plans can be frozen as the pages freeze theirs.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from workbench import figures, pipeline
from workbench.cli import run_command
from workbench.errors import WorkbenchError

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "benchmarks"), str(REPOSITORY / "tests"), str(REPOSITORY / "tests" / "fixtures")]
import _calibration_routes as routes  # noqa: E402
from lab_files import write_merged  # noqa: E402
from test_documentation import PAGES, named, shown_commands  # noqa: E402

del sys.path[:3]

EXPERIMENTS = ("first_question", "madrs_change", "shaps_ketamine_minus_placebo", "shuffled_outcome")
PLACEHOLDERS = {"RUN": "latest", "EXPERIMENT": "first_question", "014": "sub-014"}
RUN_ID = re.compile(r"^[0-9a-f]{6,8}$")
ORDER = ("init", "simulate", "check", "features", "plan", "freeze", "run")
"""What has to be typed first, whatever the order of the pages; all else needs a finished run."""
CLUSTER = {"--backend", "--server", "send"}
"""Words of commands that need another machine: `make test-cluster` runs them."""
ASKED = {"check --study mystudy": "how is SHAPS scored?"}
"""Commands that end in questions to be answered, as their page says."""


@dataclass(frozen=True)
class Typed:
    """A command as it is run, and the page that shows it first."""

    words: tuple[str, ...]
    page: str


def typed_commands() -> list[Typed]:
    """Each once, with words in place of placeholders."""
    commands: dict[tuple[str, ...], Typed] = {}
    for page in PAGES:
        for words in shown_commands(page.read_text(encoding="utf-8")):
            if CLUSTER & {word.partition("=")[0] for word in words}:
                continue
            filled = tuple(PLACEHOLDERS.get(word, word) for word in words)
            commands.setdefault(filled, Typed(filled, named(page)))
    return sorted(commands.values(), key=lambda each: _place(each.words[0]))


def _place(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def small_study(root: Path, seed: int) -> Path:
    """A trial in which the features explain most of the outcome, asked about under every name of the pages."""
    made = routes.StudyOnDisk(root, routes.Trial(n=30, r2=0.8)).make(np.random.default_rng(seed))
    made.change(
        "experiments/question.toml", ("repeats = 10", "repeats = 2"), ("permutations = 99", "permutations = 19")
    )
    question = (root / "experiments" / "question.toml").read_text()
    (root / "experiments" / "question.toml").unlink()
    for name in EXPERIMENTS:
        made.ask(question, name)
    return root


def small_example(root: Path) -> None:
    """The example of the real trial: its own files, few repeats and permutations, and invented values."""
    shutil.copytree(
        REPOSITORY / "examples" / "kmoa", root, ignore=shutil.ignore_patterns("tables", "*.jsonl", "mlruns")
    )
    shutil.copytree(REPOSITORY / "tests" / "kmoa_twin", root / "sources")
    for path in (root / "experiments").glob("*.toml"):
        text = re.sub(r"^(repeats|permutations) = \d+", r"\1 = 2", path.read_text(), flags=re.MULTILINE)
        path.write_text(re.sub(r'\n\[\[models\]\]\nkind = "xgboost".*?(?=\n\[|\Z)', "", text, flags=re.DOTALL))


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[Path]:
    """The folder in which the commands are typed: a study, and beside and below it what they name."""
    folder = tmp_path_factory.mktemp("world")
    study = small_study(folder / "study", seed=0)
    for name, seed in {"study/here": 1, "study/oslo": 2, "oslo": 3}.items():
        small_study(folder / name, seed)
    small_example(study / "examples" / "kmoa")
    write_merged(study / "export.csv")
    (study / "derivatives").mkdir()
    lines = write_merged(folder / "all.csv").read_text().splitlines()
    (study / "pet_bpnd.tsv").write_text("\n".join(line.split(",")[0] + f"\t{at}.5" for at, line in enumerate(lines)))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(study)
        _make_small(patched, study)
        _ask_for_less(patched)
        yield study


def _ask_for_less(patched: pytest.MonkeyPatch) -> None:
    less = {"CLAIM_PERMUTATIONS": 19, "MINIMUM_PARTICIPANTS": 20, "INTERVAL_REPEATS": 2, "INFLUENCE_REPEATS": 2}
    for name, number in less.items():
        patched.setattr(f"workbench.results.requirements_of_evidence.{name}", number)


def _make_small(patched: pytest.MonkeyPatch, study: Path) -> None:
    """Simulations of few participants, few simulated trials, no pictures, and a server that stops at once."""
    simulate, plan = pipeline.simulate_study, pipeline.plan

    def simulate_small(target, **options):
        folder = Path(target)
        kept = folder.rename(folder.with_name("kept")) if folder.exists() else None
        seed = options["seed"] or 0  # without one, trials would be drawn until `check` passes
        small = {"preset": None, "patients": 30, "r2": 0.5, "achievable": False, "seed": seed}
        written = simulate(target, **{**options, **small})
        if kept:  # the study that the later commands of the page are typed in
            shutil.rmtree(folder)
            kept.rename(folder)
        return written

    def demo_small(root, *, preset):
        """The study in which everything was typed before, so that what was run there is shown and not run again."""
        root = root.resolve()
        for folder in ("features", "experiments", "sources", "mlruns"):
            shutil.rmtree(root / folder, ignore_errors=True)
            shutil.copytree(study / folder, root / folder)
        for name in ("madrs_change", "first_question"):
            (root / "experiments" / f"{name}.toml").unlink()
        config = {"n_patients": 30, "n_controls": 0}
        truth = {"config": config, "planted": {"r2": 0.8}, "circuits": []}
        (root / "sources" / "truth.json").write_text(json.dumps(truth))
        return tuple((root / "sources").iterdir())

    patched.setattr(pipeline, "simulate_study", simulate_small)
    patched.setattr(pipeline.demonstration, "simulate_study", demo_small)
    few = {"simulations": 20, "permutations": 19, "r2": (0.4,)}
    patched.setattr(pipeline, "plan", lambda *names, **options: plan(*names, **{**options, **few}))
    patched.setattr("workbench.tracking.serve_ui", lambda *_, say, **__: say("served"))
    one = "observed_predicted"  # drawing them all is what takes longest of a small run
    patched.setattr("workbench.figures.PICTURES", {one: figures.PICTURES[one]})


def told(words: tuple[str, ...]) -> tuple[int, str]:
    """Exit code of a command, and all that it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = run_command(list(words))
    return code, printed.getvalue()


def ready(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words to be run: what an earlier page wrote is out of the way, and a run has the id that it has here."""
    targets = [words[1]] if words[0] == "init" else [words[at + 1] for at, word in enumerate(words) if word == "--to"]
    for target in map(Path, targets):
        if target.is_dir():
            shutil.rmtree(target)
    if words[0] == "merge" and not Path(words[1]).exists():
        shutil.copytree(".", words[1])
    return tuple(pipeline.show_run().run_id[:8] if RUN_ID.match(word) else word for word in words)


def test_every_command_that_the_documentation_shows_is_run(world):
    failed = {}
    needed = Typed(("run", "madrs_change"), "needed by docs/report.md")
    for command in sorted([*typed_commands(), needed], key=lambda each: _place(each.words[0])):
        with pytest.MonkeyPatch.context() as there:
            if command.words[0] == "demo":
                there.chdir(_copy_of_the_demo(world.parent / "demo"))
            try:
                code, text = told(ready(command.words))
            except WorkbenchError as error:  # what it needs was not run
                code, text = error.exit_code, str(error)
        words = shlex.join(command.words)
        if words in ASKED:
            code = 0 if code == 2 and ASKED[words] in text else 1
        if code:
            failed[f"{command.page}: workbench {words}"] = text
    assert failed == {}


def _copy_of_the_demo(folder: Path) -> Path:
    if not folder.exists():
        pipeline.init(folder)
    return folder


def test_a_command_that_fails_would_be_noticed(world):
    code, text = told(("run", "nothing_like_it"))
    assert code == 2
    assert "no such experiment" in text


def test_the_python_of_the_documentation_is_run(world):
    text = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8").replace('"mystudy"', '"."')
    names: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        exec(compile(block, "docs/python.md", "exec"), names)
    assert names["run"].gate
    first_cells = [row.split(" | ")[0] for row in text.splitlines() if row.startswith("| `")]
    listed = [name for cell in first_cells for name in re.findall(r"`(\w+)\(", cell)]
    assert len(listed) > 15
    import workbench

    assert [name for name in listed if name not in workbench.__all__] == []
    assert [name for name in workbench.__all__ if name.islower() and name not in {*listed, "__version__"}] == []
