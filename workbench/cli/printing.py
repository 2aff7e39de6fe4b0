"""What commands print: pages, tables and labelled paragraphs; warnings on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import listed, quoted

if TYPE_CHECKING:
    from rich.text import Text

    from workbench.pipeline import (
        CheckReport,
        Comparison,
        DescribedSource,
        DraftedStudy,
        FinishedRun,
        Frozen,
        PlannedClaim,
        StudyPlan,
        WithoutCircuit,
    )
    from workbench.records import GateRow

HERE = Path(".")


def print_markup(text: str) -> None:
    """Print with markup, as it is wrapped already.

    Parameters
    ----------
    text : str
        With rich's markup.
    """
    from rich.console import Console

    Console(highlight=False, soft_wrap=True).print(text)


def say_wrapped(text: str, indent: str = "  ") -> None:
    """Print without markup, wrapped to the terminal with a hanging indent; paths and options stay in one piece.

    Parameters
    ----------
    text : str
    indent : str
        Of the first line; the others are set in by two more.
    """
    from workbench.pipeline.pages import paragraph

    print(paragraph(text, indent, indent + "  "))


def print_warning(text: str) -> None:
    """A paragraph on standard error, also under --quiet.

    Parameters
    ----------
    text : str
        Without its last full stop, which is added.
    """
    from workbench.pipeline.pages import paragraph

    print(paragraph(f"Note: {text}."), file=sys.stderr)


def print_frame(frame: Any, indent: str = "  ") -> None:
    """A table in plain aligned columns, whatever the width of the terminal; ``-`` where there is no number.

    Parameters
    ----------
    frame : DataFrame
    indent : str
        Put before each line.
    """
    cells = [[str(column) for column in frame.columns]]
    cells += [
        ["-" if value != value else f"{value:.4g}" if isinstance(value, float) else str(value) for value in row]
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


def print_page(finished: FinishedRun, study: Path, data: Path | None = None) -> None:
    """The abstract of a run, with colours and check marks where the terminal has them.

    Parameters
    ----------
    finished : FinishedRun
    study : Path
    data : Path, optional
        Both as they were typed, for the next command.
    """
    from workbench.pipeline.pages import page_of

    step = finished.next_step
    command = f"{step}{options_where(study, None if step.startswith('workbench export') else data)}"
    print()
    print_styled(lambda styled, unicode: page_of(finished, command, styled=styled, unicode=unicode))


def print_styled(page: Callable[[bool, bool], Text]) -> None:
    """A page with colours and check marks where the terminal has them.

    Parameters
    ----------
    page : callable
        Takes whether there are colours and check marks, and gives the text.
    """
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    styled = console.is_terminal and console.color_system is not None
    text = page(styled, console.encoding.startswith("utf"))
    if styled:
        console.print(text)
    else:
        print(text.plain)


def print_details(finished: FinishedRun) -> None:
    """Everything of a run that its page has no room for.

    Parameters
    ----------
    finished : FinishedRun
    """
    print(f"\n{finished.details()}")
    for title, table in (("Circuits", finished.circuits()), ("Models on the same folds", finished.comparators())):
        print(f"\n{title}")
        print_frame(table)
    print()
    print_gate(finished.gate, f"Requirements of the claim gate, {finished.result.scores.display_name}")
    if finished.figures:
        print(f"\nFigures (PNG and SVG, light and dark): {finished.figures[0].parent}")
        for path in finished.figures:
            print(f"  {path.name}")
    for note in finished.result.scores.notes:
        say_wrapped(f"Note: {note}")


def print_comparison(comparison: Comparison) -> None:
    """Runs beside each other, pairs that can be compared, and what differs in the others.

    Parameters
    ----------
    comparison : Comparison
    """
    print_frame(comparison.runs_in_words())
    differences = comparison.differences_in_words()
    if len(differences):
        print("\nShare of squared error that the better run saves, on identical folds")
        print_frame(differences)
    for sentence in comparison.not_compared():
        say_wrapped(sentence)
    for path in comparison.written:
        print(f"  {path}")


def options_where(study: Path, data: Path | None = None) -> str:
    """The options that say where things lie, to be typed again."""
    named = "" if study == HERE else f" --study {quoted(study)}"
    return named + ("" if data is None else f" --data {quoted(data)}")


def print_frozen(frozen: Frozen, study: Path, data: Path | None) -> None:
    """A frozen plan: its primary run, what it can reach, and the command to type next.

    Parameters
    ----------
    frozen : Frozen
    study : Path
    data : Path or None
        Both as they were typed, for the next command.
    """
    plan = frozen.plan
    if frozen.unchanged:
        say_wrapped(f"{plan.experiment}: frozen on {plan.date[:10]} already, and unchanged since.", indent="")
        return
    again = f", again because: {plan.because}" if plan.because else ""
    print(f"{plan.experiment}: frozen{again}; plan {plan.plan_hash[:12]}\n")
    title = plan.primary if frozen.claim is None else frozen.claim.plan.title
    others = len(frozen.runs) - 1
    rest = "" if not others else f"; the {'other run' if others == 1 else f'{others} other runs'} exploratory at most"
    print_labelled("Primary run", f'{title}, written "{plan.primary}"{rest}')
    if not plan.data:
        print_labelled("Data", "none yet: the rules of inclusion are frozen")
    else:
        n = plan.viewed_before
        viewed = f"{n} {'result' if n == 1 else 'results'} for this outcome before it was frozen, as every run will say"
        print_labelled("Viewed", viewed if n else "no result for this outcome yet")
    if frozen.held_out:
        print_labelled("Locked", f"{frozen.held_out}, for one final prediction: workbench predict RUN --hold-out")
    for lacking in frozen.circuits:
        print_labelled("No circuit", lacking)
    if frozen.claim is not None:
        print_labelled("Can reach", frozen.claim.best_verdict)
        print_gate(frozen.claim.rows, f"Requirements of the claim gate, {title} as planned")
    # Not wrapped: a line end inside a quoted path would be part of it when the command is pasted.
    print(f"  {'Next'.ljust(18)}workbench run {plan.experiment}{options_where(study, data)}")
    print_labelled("", "(first commit experiments/frozen.jsonl, which proves when the plan was frozen)")


def print_plan(planned: StudyPlan) -> None:
    """What so many participants can show for one feature set.

    Parameters
    ----------
    planned : StudyPlan
    """
    print()
    print_markup(f"[bold]{planned.plan.experiment}: {planned.plan.feature_set}[/]")
    print_labelled("Outcome", planned.plan.outcome)
    print_labelled("Verdict", planned.verdict)
    for title, table in planned.tables:
        print(f"\n  {title}")
        print_frame(table, indent="    ")
    print()
    for note in (*planned.notes, *planned.circuits):
        say_wrapped(note)
    print_gate(planned.plan.rows, f"Requirements of the claim gate, {planned.plan.feature_set} as planned")
    if planned.files:
        print(f"  {len(planned.files)} files in {planned.files[0].parent}")


def print_check(report: CheckReport, *, verbose: bool, study: Path = HERE, data: Path | None = None) -> None:
    """What would run in every experiment, what it costs and what it can claim.

    Parameters
    ----------
    report : CheckReport
    verbose : bool
        Also the flow of participants and the notes of cohort and tables.
    study : Path
    data : Path, optional
        Both as they were typed, for the next command.
    """
    import pandas as pd

    from workbench.pipeline.limits import too_much
    from workbench.pipeline.pages import cohorts_of, flow_of, participants_of

    for plan in report.whole_plans:
        print()
        print_markup(f"[bold]{plan.name}[/]")
        say_wrapped(plan.spec.question, indent="")
        print()
        unit = f" ({plan.outcome.unit})" if plan.outcome.unit else ""
        print_labelled("Outcome", f"{plan.outcome.label}{unit}, {plan.outcome.claim}")
        print_labelled("Estimand", plan.outcome.estimand)
        for words in participants_of(plan):
            print_labelled("Participants", words)
        rows = [
            {
                "run": planned.display_name,
                "n": planned.dataset.n_participants,
                "features": len(planned.dataset.features),
                "folds": planned.folds,
                "permutations": planned.validation.permutations,
                "fits": f"{planned.fits:,}",
                "time on 1 core": planned.time,
                "memory": planned.memory,
                "disk": planned.disk,
            }
            for planned in plan.runs
        ]
        if rows:
            print()
            print_frame(pd.DataFrame(rows))
            print()
        if len(rows) > 1:
            keys = ", ".join(f'"{planned.name}"' for planned in plan.runs)
            print_labelled("Written", f"in files and commands, in this order: {keys}")
        for large in too_much(plan, report.root):
            print_labelled("Takes a lot", f"{large.run}, if it predicts: {large.why}")
            print_frame(large.table(), indent="    ")
            print()
        for words in cohorts_of(plan, report.root):
            print_labelled("Afterwards", words)
        for words in dict.fromkeys(words for planned in plan.runs for words in planned.dataset.in_fold):
            print_labelled("In the folds", words)
        for words in dict.fromkeys(planned.influence for planned in plan.runs if planned.influence):
            print_labelled("Influence", words)
        for planned in plan.runs:
            if planned.modalities:
                print_labelled("Modalities", f"{planned.display_name}: {planned.modalities}")
        print_planned_claims(report.claims.get(plan.name, ()))
        for step in flow_of(plan) if verbose else ():
            print_labelled("Flow", step)
        for warning in plan.warnings:
            print_labelled("Note", str(warning))
    for lacking in report.circuits:
        say_wrapped(f"Note: {lacking}")
    for alert in report.alerts:
        say_wrapped(f"Note: {alert}")
    for note in report.notes if verbose else ():
        say_wrapped(f"Note: {note}")
    if report.next_step:
        print(f"\n  {'Next'.ljust(18)}{report.next_step}{options_where(study, data)}")
        if report.why_next:
            print_labelled("", f"({report.why_next})")


def print_described(each: DescribedSource) -> None:
    """One source described: who has it, what is missing, what to look at, which circuits.

    Parameters
    ----------
    each : DescribedSource
    """
    table = each.description.table
    print()
    print_markup(f"[bold]{table.source}[/] ({table.modality})")
    sessions = each.description.by_session
    print_frame(sessions.assign(missing=[f"{100 * share:.1f} %" for share in sessions["missing"]]))
    print()
    for title, words in each.description.lines:
        print_labelled(title, words)
    if each.without_circuit is not None:
        print_labelled("No circuit", each.without_circuit.in_words.partition(": ")[2])
    if each.files:
        print_labelled("Files", f"{len(each.files)} in {each.files[0].parent}; rows.tsv names participants")


def print_templates(found: Sequence[WithoutCircuit], written: Sequence[Path], there: Sequence[Path]) -> None:
    """Tables to fill in, and how a source names them.

    Parameters
    ----------
    found : sequence of WithoutCircuit
    written, there : sequence of Path
        Files written, and files that were there and stay as they are.
    """
    if not found:
        print("Every feature belongs to a circuit.")
    for each in found:
        key = f'{each.key} = "{Path(each.file).name}"'
        say_wrapped(
            f"{each.source}: {each.n_without:,} of {each.n_features:,} features belong to no circuit", indent=""
        )
        say_wrapped(f"fill in the column circuit of {each.file}, then write {key} into features/{each.source}.toml")
    for path in written:
        print(f"  written: {path}")
    for path in there:
        print(f"  there already, left as it is: {path}")


def print_draft(drafted: DraftedStudy, target: Path) -> None:
    """What a draft recognised, guessed and left out, what must be answered, and the next command.

    Parameters
    ----------
    drafted : DraftedStudy
    target : Path
        The study, as it was named.
    """
    draft = drafted.draft
    for title, lines in (
        ("Recognised", draft.recognised),
        ("Guessed, each marked # guessed in the files; check them", draft.guessed),
        ("Worth saying, marked # open", draft.open),
        ("Looked at, and not in the draft", tuple(f"{each.label}: {each.why}" for each in draft.unused)),
        ('To be answered before anything runs: write a value for each "?"', draft.questions),
    ):
        if lines:
            print_markup(f"[bold]{title}[/]")
            for line in _said_once(lines):
                say_wrapped(line)
            print()
    print(f"{len(drafted.written)} files in {target}; nothing of your data was copied.")
    n_questions = len(draft.questions)
    answer = f"answer the {n_questions} question{'' if n_questions == 1 else 's'}, then " if n_questions else ""
    print(f"Next: {answer}workbench check --study {quoted(target)}")


def _said_once(lines: Sequence[str]) -> list[str]:
    """Lines that say the same of several files as one line."""
    files: dict[str, list[str]] = {}
    for line in lines:
        file, _, words = line.partition(": ")
        files.setdefault(words, []).append(file)
    return [f"{listed(places, 6)}: {words}" if words else ", ".join(places) for words, places in files.items()]


def print_planned_claims(claims: Sequence[PlannedClaim]) -> None:
    """What each run can claim, and every row of the gate for the one that may carry the claim."""
    from workbench.pipeline import that_carries

    for claim in claims:
        print_labelled("Claim", f"{claim.plan.title} can reach: {claim.reach}")
    if claims:
        chosen = that_carries(claims)
        print_gate(chosen.rows, f"Requirements of the claim gate, {chosen.plan.title} as planned")


def print_gate(rows: Sequence[GateRow], title: str) -> None:
    """Every row of the claim gate by its status, as `check`, `plan`, `freeze` and `show` all print them."""
    from workbench.pipeline.pages import gate_lines

    say_wrapped(f"{title}:")
    for line in gate_lines(rows):
        print(line)


def print_labelled(label: str, text: str) -> None:
    """A labelled paragraph, as on the page of a run.

    Parameters
    ----------
    label, text : str
    """
    from workbench.pipeline.pages import labelled

    print(labelled(label, text))
