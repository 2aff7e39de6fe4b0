"""Commands on a study: init, check, features, run, freeze, show, report, ui and export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from workbench.cli.exported import print_exported
from workbench.cli.options import (
    DataOption,
    ExperimentArgument,
    ExperimentsArgument,
    QuietOption,
    RunArgument,
    StudyOption,
    VerboseOption,
    app,
    backends_there,
    experiments_there,
)
from workbench.cli.printing import (
    HERE,
    print_check,
    print_comparison,
    print_described,
    print_details,
    print_draft,
    print_frame,
    print_frozen,
    print_markup,
    print_page,
    print_templates,
    print_warning,
    say_wrapped,
)
from workbench.cli.problems import print_problems
from workbench.cli.progress import log_to, progress_bars
from workbench.errors import EXIT_USER, quoted


@app.command()
def init(
    target: Annotated[Path, typer.Argument(help="New folder.", metavar="DIR")],
    more_files: Annotated[
        list[Path] | None, typer.Argument(help="Further files of --from.", metavar="[FILES...]")
    ] = None,
    design: Annotated[
        str | None,
        typer.Option(
            help="A commented skeleton without data for this design: crossover, parallel, single-arm or observational.",
            metavar="DESIGN",
        ),
    ] = None,
    from_files: Annotated[
        list[Path] | None,
        typer.Option(
            "--from", help="Draft the study from these tables and folders; none is copied.", metavar="FILES..."
        ),
    ] = None,
) -> None:
    """Start a study: drafted from your files, a commented skeleton, or a copy of the demo study.

    \b
    Examples:
      workbench init mystudy --from export.csv derivatives/   drafted from what is there; every guess says why
      workbench init mystudy --design crossover    a skeleton; change the lines marked CHANGE
      workbench init mystudy                       the demo study, byte for byte
    """
    from workbench import pipeline
    from workbench.errors import Problem, SpecError

    if more_files and not from_files:
        raise SpecError(Problem(str(more_files[0]), "stands after the folder", "files are named with --from FILES..."))
    if from_files and design is not None:
        raise SpecError(Problem("--design", "stands beside --from", "the draft says the design, or asks for it"))
    if from_files:
        print_draft(pipeline.init_from(target, [*from_files, *(more_files or ())]), target)
        return
    written = pipeline.init(target, design=design)
    print(f"{len(written)} files in {target}:")
    for path in written:
        print(f"  {path}")
    if design is None:
        print(f"Next: workbench demo --study {quoted(target)}")
    else:
        print(f"Next: change the lines marked CHANGE, then workbench check --study {quoted(target)}")


@app.command()
def check(
    experiments: Annotated[
        list[str] | None, typer.Argument(help="Names or paths; default: all.", autocompletion=experiments_there)
    ] = None,
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

    with progress_bars(quiet) as progress:
        report = pipeline.check(experiments or (), study=study, data=data, progress=progress)
    print_check(report, verbose=verbose, study=study, data=data)
    if report.problems:
        print_problems(report.problems, verbose=verbose)
        return EXIT_USER
    return 0


@app.command()
def features(
    names: Annotated[list[str] | None, typer.Argument(help="Sources; default: all.")] = None,
    study: StudyOption = HERE,
    data: DataOption = None,
    describe: Annotated[
        bool, typer.Option("--describe", help="Missing values, ranges, zeros, constant features and circuits.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(help="With --describe: folder for tables and pictures.", metavar="DIR"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an earlier description.")] = False,
    template: Annotated[
        bool,
        typer.Option("--circuits-template", help="Write tables to fill in, for features that belong to no circuit."),
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Build the feature tables and describe them. Rebuilds only what changed.

    \b
    Examples:
      workbench features
      workbench features connectivity pet
      workbench features --describe --to OUT      every source in numbers and a picture; no outcome is looked at
      workbench features --circuits-template      what has no circuit, as tables to fill in
    """
    from workbench import pipeline
    from workbench.errors import Problem, SpecError

    if (to is not None or force) and not describe:
        raise SpecError(
            Problem("--to" if to else "--force", "needs --describe", "workbench features --describe --to DIR")
        )
    if template:
        with progress_bars(quiet) as progress:
            made = pipeline.circuits_template(names or (), study=study, data=data, progress=progress)
        print_templates(*made)
        return
    if describe:
        with progress_bars(quiet) as progress:
            described = pipeline.describe_features(
                names or (), study=study, data=data, to=to, force=force, progress=progress
            )
        for each in described:
            print_described(each)
        return
    with progress_bars(quiet) as progress:
        tables = pipeline.features(names or (), study=study, data=data, progress=progress)
    for name, (table, fresh) in tables.items():
        rows = table.rows
        print(
            f"{name} ({table.modality}): {rows['participant_id'].nunique()} participants, {len(rows)} rows, "
            f"{table.values.shape[1]} features; {'built' if fresh else 'unchanged, taken from features/tables'}"
        )
        print_frame(pipeline.describe(table))
        for note in table.notes:
            print(f"  note: {note}")


@app.command()
def run(
    experiments: ExperimentsArgument,
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
    backend: Annotated[
        str | None,
        typer.Option(
            help="Where fits are made: loky, dask or slurm; default: this machine. Never changes a number.",
            metavar="NAME",
            autocompletion=backends_there,
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="With --backend dask: a scheduler that runs already, tcp://HOST:PORT.", metavar="ADDRESS"),
    ] = None,
    slurm_option: Annotated[
        list[str] | None,
        typer.Option(help="With --backend slurm: for sbatch, --partition=short (may be repeated).", metavar="OPTION"),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            help="An MLflow server that a copy of each run is sent to.", metavar="ADDRESS", envvar="WORKBENCH_SERVER"
        ),
    ] = None,
    server_files: Annotated[
        bool,
        typer.Option("--server-files", help="Send files too: ids and ratings of participants are in them."),
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
      workbench run madrs_change --backend slurm --jobs 40 --slurm-option=--partition=short
    """
    from workbench import pipeline

    log = log_to(study)
    with progress_bars(quiet) as progress:
        finished = pipeline.run(
            experiments,
            study=study,
            data=data,
            only=only or (),
            jobs=jobs,
            resume=resume,
            rehearse=rehearse,
            backend=backend,
            scheduler=scheduler,
            slurm_options=slurm_option or (),
            server=server,
            server_files=server_files,
            progress=progress,
            on_warning=print_warning,
        )
    for each in finished:
        print_page(each, study, data)
        if verbose:
            print_details(each)
    for each in finished:
        log(f"{each.result.scores.experiment} {each.result.scores.run_name} {each.run_id} {each.result.claim.verdict}")
    if rehearse:
        print_markup("[bold]Rehearsal[/]: all scores were simulated; nothing was kept and no result counts as viewed.")


@app.command()
def freeze(
    experiments: ExperimentsArgument,
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

    with progress_bars(quiet) as progress:
        done = pipeline.freeze(
            experiments, study=study, data=data, again=again, because=because, anyway=anyway, progress=progress
        )
    for each in done:
        print_frozen(each, study, data)


@app.command()
def show(
    run: RunArgument = "latest",
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
    print_page(shown, study)
    if shown.verdict_now != shown.result.claim.verdict:
        say_wrapped(f"By the claim gate of this version the verdict is {shown.verdict_now}.")
    if verbose:
        print_details(shown)


@app.command()
def report(
    run: RunArgument = "latest",
    study: StudyOption = HERE,
    to: Annotated[
        Path | None, typer.Option(help="File to write; default: beside the files of the run.", metavar="FILE")
    ] = None,
) -> None:
    """Write the report of a run again: one HTML file that needs no other. Of an experiment, its runs side by side.

    Every run writes its report when it ends; this one is for runs of older versions and for comparisons.

    \b
    Examples:
      workbench report
      workbench report "ridge . dmn4" --to ridge.html
      workbench report madrs_change --study examples/kmoa
    """
    from workbench import pipeline

    print(pipeline.report(run, study=study, to=to))


@app.command()
def compare(
    experiment: ExperimentArgument,
    study: StudyOption = HERE,
    to: Annotated[
        Path | None, typer.Option(help="Also write tables (TSV) and a figure beside this file.", metavar="FILE")
    ] = None,
) -> None:
    """The runs of an experiment beside each other, and paired differences where their folds are identical.

    Of runs with one name the last one. Runs on other participants or folds are not compared; it is said what differs.

    \b
    Examples:
      workbench compare madrs_change
      workbench compare madrs_change --to tables/madrs_change.tsv
    """
    from workbench import pipeline

    print_comparison(pipeline.compare(experiment, study=study, to=to))


@app.command()
def ui(
    study: StudyOption = HERE,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", metavar="PORT")] = 5000,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the start page in this machine's browser.")
    ] = False,
) -> None:
    """Show this study in the browser: a start page of its questions and runs, and MLflow, on 127.0.0.1 only.

    Prints the address, with a token that is new at each start, and the ssh line for a remote machine. Ctrl-C stops it.

    \b
    Examples:
      workbench ui
      workbench ui --browser
      workbench ui --study examples/kmoa --port 5050
    """
    from workbench import pipeline

    pipeline.ui(study=study, port=port, browser=browser)


@app.command()
def export(
    run: RunArgument = "latest",
    to: Annotated[Path, typer.Option(help="Folder to write.", metavar="DIR")] = ...,  # type: ignore[assignment]
    study: StudyOption = HERE,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files of an earlier export.")] = False,
    model: Annotated[
        bool, typer.Option("--with-model", help="Also the model fitted to everyone analysed, as files without pickle.")
    ] = False,
    participant_data: Annotated[
        bool,
        typer.Option("--with-participant-data", help="Even a model that holds values of single participants."),
    ] = False,
    theme: Annotated[Literal["light", "dark", "both"], typer.Option(help="Ground of the figures.")] = "both",
    images: Annotated[
        bool, typer.Option("--with-images", help="Also candidate effects as NIfTI images in the study's own atlas.")
    ] = False,
    pseudonyms: Annotated[
        bool, typer.Option("--pseudonyms", help="Pseudonyms in place of participant ids, in every file.")
    ] = False,
) -> None:
    """Export one run: candidate biomarkers, predictions, scores, tables and figures.

    \b
    Examples:
      workbench export latest --to supplement
      workbench export 3f2a91 --to supplement --study examples/kmoa
      workbench export latest --to supplement --with-model
      workbench export latest --to supplement --pseudonyms    no file holds a participant id
    """
    from workbench import pipeline

    exported = pipeline.show_run(run, study=study)
    written = pipeline.export_run(
        exported.run_id,
        to=to,
        study=study,
        force=force,
        model=model,
        participant_data=participant_data,
        theme=theme,
        images=images,
        pseudonyms=pseudonyms,
    )
    scores = exported.result.scores
    print(f"{scores.experiment} | {scores.display_name} ({exported.run_id[:8]}): {len(written)} files in {to}:")
    print_exported(written, to)
