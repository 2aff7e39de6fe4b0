"""The command line: one command a step, errors a user can act on, exit codes a script can trust."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from workbench.module_search import leave_out_current_folder

if __name__ == "__main__":  # python -m has put the current folder, which may be a study, before everything installed
    leave_out_current_folder()

import typer

from workbench.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_USER,
    Problem,
    WorkbenchError,
    is_text,
    of_the_disk,
    quoted,
)
from workbench.version import __version__

if TYPE_CHECKING:
    from workbench.pipeline import CheckReport, FinishedRun, Frozen, PlannedClaim, Progress, StudyPlan
    from workbench.records import GateRow

app = typer.Typer(
    name="workbench",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From derivatives to defensible biomarkers.\n\n"
    "Merges resting-state, task and PET features with rating scales, asks with nested cross-validation whether they "
    "predict the response to ketamine, explains each prediction by circuit with SHAP, keeps every experiment in "
    "MLflow, and exports candidate biomarkers, or says plainly that there are none.\n\n"
    "\b\nA study in seven commands:\n"
    "  workbench init mystudy            a copy of the demo study to change\n"
    "  workbench check                   every file, join and guard; nothing is run\n"
    "  workbench freeze EXPERIMENT       write its plan down before its results are viewed\n"
    "  workbench run EXPERIMENT          run it, and read the answer\n"
    "  workbench show                    read the last answer again\n"
    "  workbench ui                      compare runs in the browser\n"
    "  workbench export latest --to DIR  everything a supplement needs",
)

StudyOption = Annotated[Path, typer.Option("--study", help="The study folder.", metavar="DIR")]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Where the data are, if not where cohort.toml says.", metavar="DIR"),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Print every detail.")]
HERE = Path(".")
USAGE_ERROR: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""Whatever is wrong with the words of a command; typer carries a click of its own, or uses the installed one."""


BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""Set to one unless the user says otherwise: work is spread over processes, and on a busy machine threads wait for each
other."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0, 2 (you can mend it), 1 (our bug) or 130 (Ctrl-C)."""
    leave_out_current_folder()
    sys.exit(run_command(sys.argv[1:] if arguments is None else arguments))


def run_command(arguments: list[str]) -> int:
    """Exit code of one command; every error is printed so that the user can act on it."""
    for variable in BLAS_THREADS:  # before numpy is loaded
        os.environ.setdefault(variable, "1")
    unreadable = next((each for each in arguments if not is_text(each)), None)
    if unreadable is not None:
        print(f"{unreadable!a}: is not written in UTF-8; rename the file or folder, then try again", file=sys.stderr)
        return EXIT_USER
    try:
        code = app(arguments, standalone_mode=False)
    except WorkbenchError as error:
        _print_problems(error.problems)
        return error.exit_code
    except USAGE_ERROR as error:
        error.show()
        return EXIT_USER
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:
        problem = of_the_disk(error)
        if problem is not None:
            _print_problems((problem,))
            return EXIT_USER
        import traceback  # our bug: say so once, keep the details for the report

        print(f"workbench {__version__} has failed: {type(error).__name__}: {error}", file=sys.stderr)
        print("This is a bug. Please report the lines below.", file=sys.stderr)
        traceback.print_exc()
        return EXIT_BUG
    if code == EXIT_INTERRUPTED:
        print("\nStopped. What was finished is kept; workbench run ... --resume goes on from there.", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _version(wanted: bool) -> None:
    if wanted:
        print(f"workbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


# ------------------------------------------------------------------------------------------------------------- commands


@app.command()
def init(
    target: Annotated[Path, typer.Argument(help="New folder.", metavar="DIR")],
    design: Annotated[
        str | None,
        typer.Option(
            help="A commented skeleton without data for this design: crossover, parallel, single-arm or observational.",
            metavar="DESIGN",
        ),
    ] = None,
) -> None:
    """Start a study: a copy of the demo study, or a commented skeleton.

    \b
    Examples:
      workbench init mystudy                       the demo study, byte for byte
      workbench init mystudy --design crossover    a skeleton; change the lines marked CHANGE
    """
    from workbench.pipeline import init as make

    written = make(target, design=design)
    print(f"{len(written)} files in {target}:")
    for path in written:
        print(f"  {path}")
    if design is None:
        print(f"Next: workbench demo --study {quoted(target)}")
    else:
        print(f"Next: change the lines marked CHANGE, then workbench check --study {quoted(target)}")


@app.command()
def check(
    experiments: Annotated[list[str] | None, typer.Argument(help="Names or paths; default: all.")] = None,
    study: StudyOption = HERE,
    data: DataOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Check every file, join and guard, and show what would run. Runs nothing.

    All problems of all files come at once, one line each: file, key or subject, what is wrong, what to do.

    \b
    Examples:
      workbench check
      workbench check madrs_change --study examples/kmoa --data ~/data/ds005917
    """
    from workbench import pipeline

    with _progress(quiet) as progress:
        report = pipeline.check(experiments or (), study=study, data=data, progress=progress)
    _print_check(report, verbose=verbose)
    if report.problems:
        _print_problems(report.problems)
        return EXIT_USER
    return 0


@app.command()
def features(
    names: Annotated[list[str] | None, typer.Argument(help="Sources; default: all.")] = None,
    study: StudyOption = HERE,
    data: DataOption = None,
    quiet: QuietOption = False,
) -> None:
    """Build the feature tables and describe them. Rebuilds only what changed.

    \b
    Examples:
      workbench features
      workbench features connectivity pet
    """
    from workbench import pipeline

    with _progress(quiet) as progress:
        tables = pipeline.features(names or (), study=study, data=data, progress=progress)
    for name, (table, fresh) in tables.items():
        rows = table.rows
        print(
            f"{name} ({table.modality}): {rows['participant_id'].nunique()} participants, {len(rows)} rows, "
            f"{table.values.shape[1]} features; {'built' if fresh else 'unchanged, taken from features/tables'}"
        )
        _print_frame(pipeline.describe(table))
        for note in table.notes:
            print(f"  note: {note}")


@app.command()
def run(
    experiments: Annotated[list[str], typer.Argument(help="Names or paths of experiments.")],
    study: StudyOption = HERE,
    data: DataOption = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this model (may be repeated).", metavar="MODEL")] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Cores; default: all. Never changes a number.", metavar="N", min=1)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    rehearse: Annotated[
        bool,
        typer.Option("--rehearse", help="Run on simulated scores: nothing is kept, and no result counts as viewed."),
    ] = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Run experiments, log them in MLflow, and read the answer.

    Ctrl-C stops it at any time: finished parts are kept, and --resume goes on to the same numbers.

    \b
    Examples:
      workbench run madrs_change
      workbench run madrs_change --only ridge --jobs 2
      workbench run madrs_change --rehearse
      workbench run madrs_change --resume
    """
    from workbench import pipeline

    log = _log_to(study)
    with _progress(quiet) as progress:
        finished = pipeline.run(
            experiments,
            study=study,
            data=data,
            only=only or (),
            jobs=jobs,
            resume=resume,
            rehearse=rehearse,
            progress=progress,
            on_warning=_warn,
        )
    for each in finished:
        _print_page(each, study, data)
        if verbose:
            _print_details(each)
    for each in finished:
        log(f"{each.result.scores.experiment} {each.result.scores.run_name} {each.run_id} {each.result.claim.verdict}")
    if rehearse:
        _say("[bold]Rehearsal[/]: all scores were simulated; nothing was kept and no result counts as viewed.")


@app.command()
def freeze(
    experiments: Annotated[list[str], typer.Argument(help="Names or paths of experiments.")],
    study: StudyOption = HERE,
    data: DataOption = None,
    again: Annotated[bool, typer.Option("--again", help="Freeze a plan anew that was changed since.")] = False,
    because: Annotated[str, typer.Option(help="Why it is frozen again; every later run says it.", metavar="WHY")] = "",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Freeze a plan that cannot be supported as it is written, and say so.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Freeze the plan of experiments before their results are viewed. Only then can a claim be more than exploratory.

    Checks them first, and refuses a plan that misses a requirement of the claim gate whatever the data will say. Writes
    each plan with its hash and date into experiments/frozen.jsonl: commit that file. Every later run says when the plan
    was frozen, how many results had been viewed by then, and what was changed since.

    \b
    Examples:
      workbench freeze madrs_change
      workbench freeze madrs_change --again --because "the scanner's second protocol was left out"
    """
    from workbench import pipeline

    with _progress(quiet) as progress:
        done = pipeline.freeze(
            experiments, study=study, data=data, again=again, because=because, anyway=anyway, progress=progress
        )
    for each in done:
        _print_frozen(each, study, data)


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="Run id, unique prefix of one, run name, or latest.")] = "latest",
    study: StudyOption = HERE,
    verbose: VerboseOption = False,
) -> None:
    """Read a finished run again: its page; with -v every number, circuit, comparison, requirement and figure.

    Without a name it is the primary run of the experiment that was run last.

    \b
    Examples:
      workbench show
      workbench show -v
      workbench show 3f2a91
      workbench show "ridge . dmn4" --study examples/kmoa
    """
    from workbench import pipeline

    shown = pipeline.show_run(run, study=study)
    _print_page(shown, study)
    if shown.verdict_now != shown.result.claim.verdict:
        _say_wrapped(f"By the claim gate of this version the verdict is {shown.verdict_now}.")
    if verbose:
        _print_details(shown)


@app.command()
def ui(
    study: StudyOption = HERE,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", metavar="PORT")] = 5000,
) -> None:
    """Open this study's experiments in the MLflow UI, on 127.0.0.1 only.

    Prints the address of the right page, and the ssh line for a remote machine. Ctrl-C stops it.

    \b
    Examples:
      workbench ui
      workbench ui --study examples/kmoa --port 5050
    """
    from workbench import pipeline

    pipeline.ui(study=study, port=port)


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="Run id, unique prefix of one, run name, or latest.")] = "latest",
    to: Annotated[Path, typer.Option(help="Folder to write.", metavar="DIR")] = ...,  # type: ignore[assignment]
    study: StudyOption = HERE,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files of an earlier export.")] = False,
) -> None:
    """Export one run: candidate biomarkers, predictions, scores, tables and figures.

    \b
    Examples:
      workbench export latest --to supplement
      workbench export 3f2a91 --to supplement --study examples/kmoa
    """
    from workbench import pipeline

    written = pipeline.export_run(run, to=to, study=study, force=force)
    print(f"{len(written)} files in {to}:")
    for path in written:
        print(f"  {path.relative_to(to) if path.is_relative_to(to) else path}")


@app.command()
def plan(
    experiment: Annotated[str, typer.Argument(help="Name or path of an experiment.")],
    study: StudyOption = HERE,
    data: DataOption = None,
    people: Annotated[
        int | None, typer.Option("--participants", "--people", help="Plan for this many participants.", metavar="N")
    ] = None,
    r2: Annotated[
        list[float] | None,
        typer.Option(help="True R2 to simulate (may be repeated); default: 0.1, 0.25, 0.4.", metavar="R2"),
    ] = None,
    simulations: Annotated[int, typer.Option(help="Simulated trials for every R2.", metavar="N")] = 200,
    permutations: Annotated[int, typer.Option(help="Permutations of every simulated trial.", metavar="N")] = 99,
    prevalence: Annotated[
        float, typer.Option(help="Binary outcomes: share of participants, from earlier studies.", metavar="SHARE")
    ] = 0.5,
    mean: Annotated[
        float | None, typer.Option(help="Mean of the outcome in earlier studies, with --sd.", metavar="POINTS")
    ] = None,
    sd: Annotated[float | None, typer.Option(help="Its spread in earlier studies.", metavar="POINTS")] = None,
    to: Annotated[Path | None, typer.Option(help="Also write tables, words and picture here.", metavar="DIR")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the files of an earlier plan.")] = False,
    jobs: Annotated[
        int | None, typer.Option(help="Cores; default: all. Never changes a number.", metavar="N", min=1)
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """What a study can show: power, learning curve, sample size, reliability ceiling. The outcome is not used.

    Outcomes are simulated on the study's own features, so nothing is unblinded and no result counts as viewed.

    \b
    Examples:
      workbench plan madrs_change
      workbench plan madrs_change --participants 120 --r2 0.2 --r2 0.3
      workbench plan madrs_change --simulations 500 --to plan
    """
    from workbench import pipeline

    with _progress(quiet) as progress:
        plans = pipeline.plan(
            experiment,
            study=study,
            data=data,
            people=people,
            r2=r2 or (),
            simulations=simulations,
            permutations=permutations,
            prevalence=prevalence,
            mean=mean,
            sd=sd,
            to=to,
            force=force,
            jobs=jobs,
            progress=progress,
        )
    for each in plans:
        _print_plan(each)


@app.command()
def simulate(
    target: Annotated[Path, typer.Argument(help="Study folder to write.", metavar="DIR")],
    preset: Annotated[
        str | None,
        typer.Option(help=("demo, or review: 623 participants, as many as the studies reviewed."), metavar="NAME"),
    ] = None,
    patients: Annotated[int | None, typer.Option(help="How many patients.", min=10, metavar="N")] = None,
    design: Annotated[str | None, typer.Option(help="crossover, parallel or single-arm.", metavar="DESIGN")] = None,
    r2: Annotated[float | None, typer.Option(help="Share of variance planted.", min=0.0, max=0.9, metavar="R2")] = None,
    seed: Annotated[int | None, typer.Option(help="The only source of randomness.", min=0, metavar="N")] = None,
    achievable: Annotated[
        bool, typer.Option(help="Work out what ridge can achieve with so many participants; a few seconds.")
    ] = True,
) -> None:
    """Write a trial of known truth: files as a lab has them, a study that reads them, and truth.json.

    \b
    Examples:
      workbench simulate trial --patients 120 --r2 0.5
      workbench simulate null --patients 60 --design parallel --r2 0
      workbench simulate big --preset review
    """
    from workbench import pipeline

    written = pipeline.simulate_study(
        target, preset=preset, patients=patients, design=design, r2=r2, seed=seed, achievable=achievable
    )
    print(f"{len(written)} files in {target}; what is true of this trial is in {target / 'sources' / 'truth.json'}.")
    print(f"Next: workbench check --study {quoted(target)}")


@app.command()
def demo(
    study: StudyOption = HERE,
    preset: Annotated[
        str, typer.Option(help="demo, or review: 623 participants, ridge only, in a new folder.", metavar="NAME")
    ] = "demo",
    jobs: Annotated[int | None, typer.Option(help="Cores; default: all.", metavar="N", min=1)] = None,
    quiet: QuietOption = False,
) -> None:
    """Simulate a trial, build its tables, run its experiments, and compare what was found with what was planted.

    Each step begins with the command that you would type. Needs the demo study: this repository, or workbench init DIR.

    \b
    Examples:
      workbench demo
      workbench init trydemo && workbench demo --study trydemo
      workbench demo --preset review --study big       623 participants, as many as the studies reviewed
    """
    from rich.markup import escape

    from workbench import pipeline

    def say(line: str) -> None:
        _say(f"[bold]{escape(line)}[/]" if line.startswith("$ ") else escape(line))

    with _progress(quiet) as progress:
        finished = pipeline.demo(study=study, preset=preset, jobs=jobs, say=say, progress=progress)
    _print_page(finished[0], study)


# ------------------------------------------------------------------------------------------------------ what is printed


def _say(text: str) -> None:
    """Print with markup, as it is wrapped already."""
    from rich.console import Console

    Console(highlight=False, soft_wrap=True).print(text)


def _say_wrapped(text: str, indent: str = "  ") -> None:
    """Print without markup, wrapped to the terminal with a hanging indent; paths and options stay in one piece."""
    from workbench.pipeline.pages import paragraph

    print(paragraph(text, indent, indent + "  "))


def _warn(text: str) -> None:
    """A paragraph on standard error, also under --quiet."""
    from workbench.pipeline.pages import paragraph

    print(paragraph(f"Note: {text}."), file=sys.stderr)


def _print_problems(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        print(str(problem).removeprefix(": "), file=sys.stderr)
    if len(problems) > 1:
        print(f"{len(problems)} problems; nothing was run.", file=sys.stderr)


def _print_frame(frame: Any, indent: str = "  ") -> None:
    """A table in plain aligned columns, whatever the width of the terminal."""
    cells = [[str(column) for column in frame.columns]]
    cells += [
        [f"{value:.4g}" if isinstance(value, float) else str(value) for value in row]
        for row in frame.itertuples(index=False)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [frame[column].dtype.kind in "if" for column in frame.columns]
    for row in cells:
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        print((indent + "  ".join(padded)).rstrip())


def _print_page(finished: FinishedRun, study: Path, data: Path | None = None) -> None:
    """The abstract of a run, with colours and check marks where the terminal has them."""
    from rich.console import Console

    from workbench.pipeline.pages import page_of

    step = finished.next_step
    command = f"{step}{_where(study, None if step.startswith('workbench export') else data)}"
    console = Console(highlight=False, soft_wrap=True)
    styled = console.is_terminal and console.color_system is not None
    page = page_of(finished, command, styled=styled, unicode=console.encoding.startswith("utf"))
    print()
    if styled:
        console.print(page)
    else:
        print(page.plain)


def _print_details(finished: FinishedRun) -> None:
    """Everything of a run that its page has no room for."""
    print(f"\n{finished.details()}")
    for title, table in (("Circuits", finished.circuits()), ("Models on the same folds", finished.comparators())):
        print(f"\n{title}")
        _print_frame(table)
    print()
    _print_gate(finished.gate, f"Requirements of the claim gate, {finished.result.scores.display_name}")
    if finished.figures:
        print(f"\nFigures (PNG and SVG, light and dark): {finished.figures[0].parent}")
        for path in finished.figures:
            print(f"  {path.name}")
    for note in finished.result.scores.notes:
        _say_wrapped(f"Note: {note}")


def _where(study: Path, data: Path | None = None) -> str:
    """The options that say where things lie, to be typed again."""
    named = "" if study == HERE else f" --study {quoted(study)}"
    return named + ("" if data is None else f" --data {quoted(data)}")


def _print_frozen(frozen: Frozen, study: Path, data: Path | None) -> None:
    plan = frozen.plan
    if frozen.unchanged:
        _say_wrapped(f"{plan.experiment}: frozen on {plan.date[:10]} already, and unchanged since.", indent="")
        return
    again = f", again because: {plan.because}" if plan.because else ""
    print(f"{plan.experiment}: frozen{again}; plan {plan.plan_hash[:12]}\n")
    title = plan.primary if frozen.claim is None else frozen.claim.plan.title
    others = len(frozen.runs) - 1
    rest = "" if not others else f"; the {'other run' if others == 1 else f'{others} other runs'} exploratory at most"
    _print_labelled("Primary run", f"{title}{rest}")
    if not plan.data:
        _print_labelled("Data", "none yet: the rules of inclusion are frozen")
    else:
        n = plan.viewed_before
        viewed = f"{n} {'result' if n == 1 else 'results'} for this outcome before it was frozen, as every run will say"
        _print_labelled("Viewed", viewed if n else "no result for this outcome yet")
    if frozen.claim is not None:
        _print_labelled("Can reach", frozen.claim.best_verdict)
        _print_gate(frozen.claim.rows, f"Requirements of the claim gate, {title} as planned")
    # Not wrapped: a line end inside a quoted path would be part of it when the command is pasted.
    print(f"  {'Next'.ljust(18)}workbench run {plan.experiment}{_where(study, data)}")
    _print_labelled("", "(first commit experiments/frozen.jsonl, which proves when the plan was frozen)")


def _print_plan(planned: StudyPlan) -> None:
    print()
    _say(f"[bold]{planned.plan.experiment}: {planned.plan.feature_set}[/]")
    _print_labelled("Outcome", planned.plan.outcome)
    _print_labelled("Verdict", planned.verdict)
    for title, table in planned.tables:
        print(f"\n  {title}")
        _print_frame(table, indent="    ")
    print()
    for note in planned.notes:
        _say_wrapped(note)
    _print_gate(planned.plan.rows, f"Requirements of the claim gate, {planned.plan.feature_set} as planned")
    if planned.files:
        print(f"  {len(planned.files)} files in {planned.files[0].parent}")


def _print_check(report: CheckReport, *, verbose: bool) -> None:
    import pandas as pd

    from workbench.pipeline.pages import flow_of, participants_of

    for plan in report.plans:
        print()
        _say(f"[bold]{plan.name}[/]")
        _say_wrapped(plan.spec.question, indent="")
        print()
        unit = f" ({plan.outcome.unit})" if plan.outcome.unit else ""
        _print_labelled("Outcome", f"{plan.outcome.label}{unit}, {plan.outcome.claim}")
        _print_labelled("Estimand", plan.outcome.estimand)
        for words in participants_of(plan):
            _print_labelled("Participants", words)
        rows = [
            {
                "run": planned.display_name,
                "n": planned.dataset.n_participants,
                "features": planned.dataset.X.shape[1],
                "folds": planned.folds,
                "permutations": planned.validation.permutations,
                "fits": f"{planned.cost.fits:,}",
                "time on 1 core": planned.time,
                "memory": planned.cost.memory,
                "disk": planned.cost.disk,
            }
            for planned in plan.runs
        ]
        if rows:
            print()
            _print_frame(pd.DataFrame(rows))
            print()
        _print_planned_claims(report.claims.get(plan.name, ()))
        for step in flow_of(plan) if verbose else ():
            _print_labelled("Flow", step)
        for warning in plan.warnings:
            _print_labelled("Note", str(warning))
    for note in report.notes if verbose else ():
        _say_wrapped(f"Note: {note}")


def _print_planned_claims(claims: Sequence[PlannedClaim]) -> None:
    """What each run can claim, and every row of the gate for the one that may carry the claim."""
    from workbench.pipeline import that_carries

    for claim in claims:
        missed = "; ".join(row.requirement for row in claim.out_of_reach)
        can = f"{claim.plan.title} can reach: {claim.best_verdict}{f' (missed: {missed})' if missed else ''}"
        _print_labelled("Claim", can)
    if claims:
        chosen = that_carries(claims)
        _print_gate(chosen.rows, f"Requirements of the claim gate, {chosen.plan.title} as planned")


def _print_gate(rows: Sequence[GateRow], title: str) -> None:
    """Every row of the claim gate by its status, as `check`, `plan`, `freeze` and `show` all print them."""
    from workbench.pipeline.pages import gate_lines

    _say_wrapped(f"{title}:")
    for line in gate_lines(rows):
        print(line)


def _print_labelled(label: str, text: str) -> None:
    """A labelled paragraph, as on the page of a run."""
    from workbench.pipeline.pages import labelled

    print(labelled(label, text))


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    """Bars on a terminal; silence under --quiet and without one."""
    from workbench.pipeline import Silent

    if quiet or not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    """One bar per piece of work."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def say(self, text: str) -> None:
        self._bars.console.print(text, highlight=False)

    def advance(self, label: str, done: int, total: int) -> None:
        if label not in self._tasks:
            self._tasks[label] = self._bars.add_task(label, total=total)
        self._bars.update(self._tasks[label], completed=done, total=total)
        if done >= total:
            self._bars.update(self._tasks[label], visible=False)


def _log_to(study: Path) -> Any:
    """A function that appends one dated line to the study's log file; no participant id is ever passed to it."""
    from datetime import UTC, datetime

    def write(line: str) -> None:
        folder = study / "mlruns"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "workbench.log").open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}\n")

    return write


if __name__ == "__main__":
    main()
