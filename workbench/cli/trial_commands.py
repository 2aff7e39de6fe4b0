"""Commands on trials of known truth and of the future: plan, simulate and demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import DataOption, ExperimentArgument, QuietOption, StudyOption, app
from workbench.cli.printing import HERE, print_markup, print_page, print_plan
from workbench.cli.progress import progress_bars
from workbench.errors import quoted


@app.command()
def plan(
    experiment: ExperimentArgument,
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

    with progress_bars(quiet) as progress:
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
        print_plan(each)


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
    uncovered: Annotated[
        float | None,
        typer.Option(help="Share of resting-state scans that miss the cerebellum.", min=0.0, max=0.9, metavar="SHARE"),
    ] = None,
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
        target,
        preset=preset,
        patients=patients,
        design=design,
        r2=r2,
        seed=seed,
        uncovered=uncovered,
        achievable=achievable,
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
        print_markup(f"[bold]{escape(line)}[/]" if line.startswith("$ ") else escape(line))

    with progress_bars(quiet) as progress:
        finished = pipeline.demo(study=study, preset=preset, jobs=jobs, say=say, progress=progress)
    print_page(finished[0], study)
