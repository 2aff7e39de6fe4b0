"""An external prediction in words: its page, its report, its note, and one participant's prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.records import Report, ReportTable, Section
from workbench.results.layout import GLUE, Check, Line, Page
from workbench.results.requirements_external import MINIMUM_EXTERNAL
from workbench.results.wording import amounts, between, capital, estimate, number, results

if TYPE_CHECKING:
    import pandas as pd

    from workbench.records import Claim, ExternalValidation, Scores, Shift

SHOWN_SHIFTS = 3
BAR = 24
"""Characters of the longest bar of one participant's circuits."""


def external_page(
    validation: ExternalValidation | None,
    claim: Claim,
    *,
    run: str,
    again: bool = False,
    report: str = "",
    show: str = "workbench show -v",
) -> Page:
    """One external prediction on one page.

    Parameters
    ----------
    validation : ExternalValidation or None
        None where nobody has an outcome.
    claim : Claim
        Of the run, after it.
    run : str
        What predicted.
    again : bool
        It was viewed before.
    report : str
        Where its report lies.
    show : str
        The command that shows the run.

    Returns
    -------
    Page

    Raises
    ------
    ValueError
        Without a validation there is no result to show.
    """
    if validation is None:
        raise ValueError("nobody has an outcome, so there is no result")
    lines = (
        Line("Participants", (_participants(validation),)),
        Line("Performance", _performance(validation)),
        Line("Calibration", (_calibration(validation),)),
        Line("Requirements", _checks(validation)),
        Line("Sites", _sites(validation)),
        Line("Case mix", _case_mix(validation)),
        Line("Where it differs", tuple(capital(each) for each in (*validation.handled, *validation.notes))),
        Line("Viewed", (_viewed(validation, again=again),)),
        Line("Claim", (_moved(claim),)),
        Line("Report", (report.replace(" ", GLUE),)),
    )
    return Page(
        run=f"{run} in {validation.cohort}",
        verdict=", ".join([_headline(claim), claim.kind, *(["simulated data"] if validation.synthetic else [])]),
        sentence=f"{capital(external_sentence(validation))}.",
        lines=tuple(line for line in lines if any(line.rows)),
        next_command=show,
        next_words="every requirement of the claim",
    )


def _headline(claim: Claim) -> str:
    """The claim where the other cohort moved it, and else that it did not."""
    moved = claim.verdict == "supported by external validation"
    return claim.verdict.upper() if moved else f"CLAIM UNCHANGED: {claim.verdict}"


def external_sentence(validation: ExternalValidation) -> str:
    """What was found, in one plain sentence.

    Parameters
    ----------
    validation : ExternalValidation

    Returns
    -------
    str
        Without a capital or a full stop.
    """
    whom = "simulated participants" if validation.synthetic else "participants"
    where = f"{validation.n_participants} {whom} of {validation.cohort}"
    r2 = validation.r2
    if r2.low > 0:
        return f"the frozen model predicted {validation.outcome} in {where} better than their own mean does"
    if r2.value > 0:
        return f"the frozen model may predict {validation.outcome} in {where}: the interval of R2 includes 0"
    return f"the frozen model did not predict {validation.outcome} in {where} better than their own mean does"


def cohort_in_short(validation: ExternalValidation) -> str:
    """One cohort on the page of the run.

    Parameters
    ----------
    validation : ExternalValidation

    Returns
    -------
    str
    """
    again = f"; viewed after {results(validation.earlier)}" if validation.earlier else ""
    slope = f"calibration slope {estimate(validation.slope)}"
    return f"{validation.cohort} (n = {validation.n_participants}): R2 {estimate(validation.r2)}, {slope}{again}"


def _participants(validation: ExternalValidation) -> str:
    steps = [f"{step.reason}" for step in validation.flow if step.excluded and step.reason]
    total = validation.flow[0].n if validation.flow else validation.n_participants
    words = f"{validation.n_participants} of {total} predicted; the model was trained on {validation.n_training} others"
    return f"{words}; excluded: {'; '.join(steps)}" if steps else words


def _performance(validation: ExternalValidation) -> tuple[str, ...]:
    unit = f" {validation.outcome_unit}" if validation.outcome_unit else ""
    mae, at_mean = amounts(validation.mae, validation.mae_training_mean)
    rows = [
        f"R2 {estimate(validation.r2)}, relative to the mean of these participants",
        f"R2 {estimate(validation.r2_training_mean)}, relative to the mean of the training cohort",
    ]
    if validation.r2_reference is not None:
        rows.append(f"R2 {estimate(validation.r2_reference)}, relative to the frozen model of what is held fixed")
    rows.append(f"MAE {mae}{unit} (training mean {at_mean})")
    if validation.auc is not None:
        rows.append(f"AUC {number(validation.auc)}")
    return tuple(rows)


def _calibration(validation: ExternalValidation) -> str:
    unit = f" {validation.outcome_unit}" if validation.outcome_unit else ""
    slope, intercept, bias = validation.slope, validation.intercept, validation.bias
    if slope.value != slope.value:
        return f"no line: the predictions are nearly constant; observed minus predicted {estimate(bias)}{unit}"
    words = f"slope {estimate(slope)}, intercept {estimate(intercept)}; "
    return words + f"observed minus predicted {estimate(bias)}{unit}"


def _checks(validation: ExternalValidation) -> tuple[Check, ...]:
    """The rows of the gate that this cohort decides."""
    held, beside = validation.r2_reference, validation.slope_beside_baseline
    n = f"{validation.n_participants} participants"
    checks = [
        Check(validation.n_participants >= MINIMUM_EXTERNAL, f"{n}, at least {MINIMUM_EXTERNAL}"),
        Check(validation.viewed_once and not validation.not_known, "outcome viewed once"),
        Check(validation.r2.low > 0, "R2 against their mean: CI above 0"),
        Check(validation.slope.low > 0, "calibration slope: CI above 0"),
    ]
    if held is not None:
        checks.append(Check(held.value > 0, "R2 beyond what is held fixed"))
    if beside is not None:
        checks.append(Check(beside.low > 0, "slope with baseline held fixed: CI above 0"))
    return tuple(checks)


def _sites(validation: ExternalValidation) -> tuple[str, ...]:
    if len(validation.sites) < 2 and not any(site.known is False for site in validation.sites):
        return ()
    words = []
    for site in validation.sites:
        new = ", new to the model" if site.known is False else ""
        words.append(f"{site.site} (n = {site.n}{new}): R2 {number(site.r2)}")
    return ("; ".join(words),)


def _case_mix(validation: ExternalValidation) -> tuple[str, ...]:
    mix = validation.case_mix
    if mix is None:
        return (validation.no_case_mix,) if validation.no_case_mix else ()
    ordered = sorted(mix.variables, key=lambda each: -abs(each.difference) if each.difference == each.difference else 0)
    shifts = ", ".join(f"{each.variable} {each.difference:+.2f} SD" for each in ordered[:SHOWN_SHIFTS])
    rows = [shifts] if shifts else []
    rows.append(
        f"{mix.n_shifted} of {mix.n_features} features differ by more than half an SD; "
        f"SD of the predictions {number(mix.spread)} times that in training"
    )
    if mix.membership_auc is not None:
        rows.append(f"the cohorts are told apart with an AUC of {number(mix.membership_auc)}")
    return tuple(rows)


def _viewed(validation: ExternalValidation, *, again: bool) -> str:
    if again:
        return f"this is the prediction viewed on {validation.viewed}, shown again; nothing was counted anew"
    before = f"{results(validation.earlier)} had been viewed for their outcome before" if validation.earlier else ""
    return "; ".join(filter(None, (before or "first result viewed for their outcome", validation.not_known)))


def _moved(claim: Claim) -> str:
    reasons = "; ".join(claim.reasons[:3])
    return f"{claim.verdict}, {claim.kind}" + (f"; not stronger: {reasons}" if reasons else "")


def external_note(validation: ExternalValidation, claim: Claim) -> str:
    """What the page of the tracker says of it, as Markdown.

    Parameters
    ----------
    validation : ExternalValidation
    claim : Claim

    Returns
    -------
    str
    """
    rows = [
        ("R2, relative to the mean of these participants", estimate(validation.r2)),
        ("R2, relative to the mean of the training cohort", estimate(validation.r2_training_mean)),
        ("Calibration", _calibration(validation)),
        ("Participants", _participants(validation)),
        ("Claim of the run now", claim.verdict),
    ]
    table = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join([f"{capital(external_sentence(validation))}.", "", *table])


# ------------------------------------------------------------------------------------------------------------ reports


def external_section(validation: ExternalValidation) -> Section:
    """One external prediction as a section of a report.

    Parameters
    ----------
    validation : ExternalValidation

    Returns
    -------
    Section
    """
    facts = [
        ("Participants", _participants(validation)),
        *(("Performance", row) for row in _performance(validation)),
        ("Calibration", _calibration(validation)),
        ("Viewed", f"{validation.viewed}; {_viewed(validation, again=False)}"),
        *(("Where it differs", capital(each)) for each in (*validation.handled, *validation.notes)),
    ]
    if validation.refitted:
        words = "the run left none, since it shows no prediction; it was fitted anew to the same data by the same seed"
        facts.append(("Model", words))
    return Section(
        name="external",
        title=f"Another cohort: {validation.cohort}",
        question="Does the frozen model predict participants whom it never saw?",
        answer=f"{capital(external_sentence(validation))}.",
        facts=tuple(facts),
        notes=(NOTE_HELD_OUT,) if validation.held_out else (),
        tables=tuple(table for table in (_site_table(validation), *_mix_tables(validation)) if table is not None),
    )


NOTE_HELD_OUT = (
    "These participants were locked from the start, and belong to the study that the model was trained in: measured "
    "and rated by the same hands, they say less of other places than another study does."
)


def _site_table(validation: ExternalValidation) -> ReportTable | None:
    if not validation.sites:
        return None
    unit = f" ({validation.outcome_unit})" if validation.outcome_unit else ""
    rows = tuple(
        (
            site.site,
            {True: "yes", False: "no", None: "not known"}[site.known],
            str(site.n),
            number(site.r2),
            *amounts(site.mae, site.bias),
        )
        for site in validation.sites
    )
    columns = ("Site", "In training", "Participants", "R2", f"MAE{unit}", f"Observed minus predicted{unit}")
    return ReportTable(columns, rows, "By site; R2 relative to the mean of the whole cohort")


def _mix_tables(validation: ExternalValidation) -> list[ReportTable]:
    mix = validation.case_mix
    if mix is None:
        return []
    columns = ("Variable", "Training", validation.cohort, "Standardised difference")
    tables = [ReportTable(columns, tuple(map(_shift_row, mix.variables)), "Participants: mean, or share of a level")]
    caption = (
        f"The features that differ most; {mix.n_shifted} of {mix.n_features} differ by more than .5, "
        f"{100 * mix.outside:.0f} % of the values lie outside the range of the training cohort"
    )
    return [*tables, ReportTable(("Feature", *columns[1:]), tuple(map(_shift_row, mix.largest)), caption)]


def _shift_row(shift: Shift) -> tuple[str, ...]:
    return (shift.variable, f"{shift.training:.3g}", f"{shift.external:.3g}", f"{shift.difference:+.2f}")


def external_report(scores: Scores, validation: ExternalValidation, claim: Claim) -> Report:
    """One external prediction as a document.

    Parameters
    ----------
    scores : Scores
        Of the run.
    validation : ExternalValidation
    claim : Claim
        Of the run, after it.

    Returns
    -------
    Report
    """
    r2, slope = validation.r2, validation.slope
    unit = f" {validation.outcome_unit}" if validation.outcome_unit else ""
    mae, at_mean = amounts(validation.mae, validation.mae_training_mean)
    return Report(
        title=f"{scores.experiment}: {scores.display_name} in {validation.cohort}",
        question=scores.question,
        verdict=claim.verdict,
        kind=claim.kind,
        shown=r2.low > 0,
        sentence=f"{capital(external_sentence(validation))}.",
        reasons=tuple(capital(f"{reason}.") for reason in claim.reasons),
        numbers=(
            ("R2", number(r2.value), f"95 % CI {between(r2.low, r2.high)}; relative to their own mean"),
            ("Slope", number(slope.value), f"95 % CI {between(slope.low, slope.high)}; 1 is ideal"),
            ("MAE", f"{mae}{unit}", f"training mean {at_mean}"),
            ("Participants", str(validation.n_participants), f"trained on {validation.n_training} others"),
        ),
        sections=(external_section(validation),),
        synthetic=validation.synthetic,
        footer=(("Prediction", validation.run_id), ("Model", validation.model_digest[:12])),
    )


# ----------------------------------------------------------------------------------------------------- one participant


def participant_text(
    predictions: pd.DataFrame,
    circuits: pd.DataFrame | None,
    participant_id: str = "",
    *,
    unit: str,
    why_unexplained: str,
) -> str:
    """One participant's prediction with its interval, and what each circuit added to it.

    Parameters
    ----------
    predictions : DataFrame
        participant_id, predicted, reference, low_90 and high_90.
    circuits : DataFrame or None
        participant_id, base, then a column per circuit.
    participant_id : str
        Default: the first.
    unit : str
        Of the outcome.
    why_unexplained : str
        Said where there are no circuits.

    Returns
    -------
    str
        One line for each circuit, the largest first; base and circuits add up to the prediction.
    """
    who = participant_id or str(predictions["participant_id"].iloc[0])
    row = predictions[predictions["participant_id"] == who].iloc[0]
    unit = f" {unit}" if unit else ""
    (predicted,) = amounts(float(row["predicted"]))
    between = ""
    if "low_90" in row:
        low, high = amounts(float(row["low_90"]), float(row["high_90"]))
        between = f" (90 % interval {low} to {high}, from held-out errors of the training cohort)"
    lines = [f"{who}: predicted {predicted}{unit}{between}"]
    if circuits is None:
        return "\n".join([*lines, f"  not explained: {why_unexplained}"])
    own = circuits[circuits["participant_id"] == who].iloc[0]
    parts = own.drop(["participant_id", "base"]).astype(float)
    parts = parts.reindex(parts.abs().sort_values(ascending=False, kind="stable").index)
    largest = max(float(parts.abs().max()), 1e-300)
    width = max((len(str(name)) for name in parts.index), default=0)
    level = float(own["base"])
    lines.append(f"  {'without features'.ljust(max(width, 16))}  {level:+8.2f}")
    for name, value in parts.items():
        level += float(value)
        bar = ("+" if value > 0 else "-") * round(BAR * abs(float(value)) / largest)
        lines.append(f"  {str(name).ljust(max(width, 16))}  {float(value):+8.2f}  -> {level:.2f}  {bar}".rstrip())
    return "\n".join(lines)
