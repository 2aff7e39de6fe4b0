import pytest
from pydantic import ValidationError

from workbench.specs.cohort import ArmsSpec, CohortSpec


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('control = "placebo"\n', "", "arms.control: is missing, which a crossover design needs"),
        ('"crossover"', '"parallel"', "arms.column: is missing, which a parallel design needs"),
        ('"crossover"', '"parallel"', "arms.order: has no meaning in a parallel design; it is for crossover designs"),
        ('"crossover"', '"single-arm"', "arms.control: has no meaning in a single-arm design"),
        ('control = "placebo"', 'control = "ketamine"', "arms.control: is 'ketamine', the same as active"),
        ('p = "placebo"', 'p = "placbo"', "arms.codes.p: 'placbo' is not a declared arm of this study; did you mean"),
        ('arm = "placebo"', 'arm = "midazolam"', "sessions.ses-p2.arm: 'midazolam' is not a declared arm"),
        ('["infusion_1", "infusion_2"]', '["infusion_1"]', "arms.order: names fewer than two periods"),
        ('["infusion_1", "infusion_2"]', '["i", "i"]', "arms.order: says 'i' twice"),
        ('phase = "before"', 'phase = "before"\nhours = 4', "hours: is 4 although phase is 'before'"),
        ("hours = 48.0", "hours = -48.0", "hours: is -48 although phase is 'after'"),
        ("[columns.mean_fd]", "[columns.sequence]", "columns.sequence: is a reserved name"),
        ('column = "fd_mean"', 'session = "s"', "columns.mean_fd.at: is missing; session = names the column"),
        ('column = "fd_mean"', 'at = "ses-b0"', "columns.mean_fd.session: is missing"),
        ('column = "fd_mean"', 'session = "s"\nat = "ses-b1"', "columns.mean_fd.at: 'ses-b1' is not a session"),
        ('column = "fd_mean"', 'type = "number"\ncodes = { a = "b" }', "codes: are given for a number"),
        ('column = "MADRS_Total"\n', "", "scores.MADRS.column: is missing; a long file has one row per participant"),
        ('session = "session_id"\n', "", "scores.MADRS.session: is missing"),
        ('scoring = "14-56"', 'scoring = "14-56"\nsession = "s"', "scores.SHAPS.session: cannot stand beside 'at'"),
        ("ses-b0 = ", "ses-b1 = ", "scores.SHAPS.at.ses-b1: 'ses-b1' is not a session of this study; did you mean"),
        ('["SHAPS_1", "SHAPS_2"', '["SHAPS_1", "SHAPS_1"', "scores.SHAPS.at.ses-d2: says 'SHAPS_1' twice"),
        ('scoring = "14-56"\n', "", "scores.SHAPS.scoring: 'SHAPS' is scored in several ways"),
        ("[scores.MADRS]", "[scores.WALKING]", "scores.WALKING: 'WALKING' is not a scale I know; known: MADRS"),
        ("[scores.MADRS]", '[scores.M]\nscale = "MADRSS"', "scores.M.scale: 'MADRSS' is not a scale I know; did you"),
    ],
)
def test_contradictions_in_the_cohort_are_named(changed, old: str, new: str, message: str) -> None:
    said = changed("cohort", (old, new))
    assert any(f"features/cohort.toml: {message}" in each or message in each for each in said), said


def test_trial_without_arms_is_refused_and_sessions_need_their_arm_declared(examine) -> None:
    text = 'design = "crossover"\n[sessions.ses-d2]\nphase = "after"\narm = "ketamine"\n'
    said = "\n".join(map(str, examine("cohort", text).problems))
    assert "arms: is missing, which a crossover design needs" in said
    assert "sessions.ses-d2.arm: names the arm 'ketamine', but there is no [arms]" in said


def test_crossover_without_order_is_read(changed) -> None:
    assert changed("cohort", ('order = ["infusion_1", "infusion_2"]\n', "")) == []


def test_score_without_a_place_is_told_both_ways(examine) -> None:
    (problem,) = examine("cohort", 'design = "observational"\n[scores.MADRS]\nfile = "x.tsv"\n').problems
    assert str(problem).startswith("features/cohort.toml: scores.MADRS: does not say where the values are; long files:")


def test_scale_of_the_study_s_own_needs_no_registry(changed, texts) -> None:
    scale = '[scales.WALKING]\nminimum = 0\nmaximum = 10\nworse = "lower"\nsource = "us"\n[scores.WALKING]'
    assert changed("cohort", ("[scores.MADRS]", scale)) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("maximum = 0", "scales.W.maximum: is 0, not above the minimum 0"),
        ("maximum = 10\nremission_at_most = 11", "scales.W.remission_at_most: is 11, outside 0 to 10"),
        ("maximum = 10\nzero = -1", "scales.W.zero: is -1, outside 0 to 10"),
    ],
)
def test_impossible_scales_are_refused(examine, line: str, message: str) -> None:
    text = f'design = "observational"\n[scales.W]\nminimum = 0\nworse = "lower"\nsource = "us"\n{line}\n'
    (problem,) = examine("cohort", text).problems
    assert message in str(problem)


def test_shares_of_the_arms_sum_to_one() -> None:
    with pytest.raises(ValidationError, match=r"the shares sum to 0\.9"):
        ArmsSpec(active="k", control="p", column="arm", allocation={"k": 0.4, "p": 0.5})
    with pytest.raises(ValidationError, match="has no share for 'p'"):
        ArmsSpec(active="k", control="p", column="arm", allocation={"k": 1.0})
    assert ArmsSpec(active="k", control="p", allocation={"k": 0.33, "p": 0.33, "m": 0.33}).names == ("k", "p", "m")


def test_specs_made_in_a_notebook_keep_the_same_rules() -> None:
    with pytest.raises(ValidationError, match="arms: is missing, which a crossover design needs"):
        CohortSpec(design="crossover")
