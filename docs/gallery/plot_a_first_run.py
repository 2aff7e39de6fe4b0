"""
The first hour, by notebook only
================================

Simulates a crossover trial of 60 patients, describes what its files hold, asks one question of it, reads the answer in
words, tables and pictures, and leaves a report and a supplement. Nothing is typed in a terminal; there the same steps
are ``workbench simulate``, ``features --describe``, ``check``, ``freeze``, ``run``, ``report`` and ``export``.
"""

# %%
# A trial in a folder
# -------------------
# ``simulate_study`` writes the files that pipelines write (XCP-D matrices, tables of betas, kinetic parameters, BIDS
# phenotype), a study that reads them, and the truth. For files of your own, ``init_from`` drafts such a study.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import workbench
from workbench.errors import WorkbenchError

study = Path(tempfile.mkdtemp(), "trial")
workbench.simulate_study(study, patients=60, r2=0.5, seed=3, achievable=False)
sorted(path.name for path in study.iterdir())


# %%
# What was measured
# -----------------
# Each source becomes one table, one row per participant and session. No outcome is looked at.
def show(picture: Path) -> None:
    """A picture that the workbench wrote, in the notebook."""
    image = plt.imread(picture)
    figure = plt.figure(figsize=(image.shape[1] / 200, image.shape[0] / 200))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(image)
    axes.set_axis_off()
    plt.show()


(pet,) = workbench.describe_features("pet", study=study, to=study / "described")
show(next(path for path in pet.files if path.suffix == ".png"))

# %%
# A question
# ----------
# One TOML file. Few permutations and repeats, so that this page is built quickly; a claim needs 1,000 and 10.
question = study / "experiments" / "first_question.toml"
_ = question.write_text("""
question = "Does connectivity before treatment predict the benefit of ketamine over placebo in anhedonia?"
sessions = ["ses-b0"]
confounds = ["mean_fd"]
clinical_model = ["SHAPS@ses-b0", "age", "sex"]    # what is known without a scanner; features have to add to it

[outcome]
score = "SHAPS"
kind = "ketamine-minus-placebo"
at = "ses-d2"
placebo_at = "ses-p2"
adjust = ["sequence"]

[feature_sets]
connectivity = ["connectivity"]

[validation]
repeats = 3
permutations = 199

[[models]]
kind = "ridge"
""")

# %%
# What would run
# --------------
# Nothing is fitted yet. Problems of all files come at once; here there are none.
report = workbench.check("first_question", study=study)
report

# %%
# Written down first
# ------------------
# A claim can be more than exploratory only if the plan was frozen before any result was viewed. This one cannot be, and
# the refusal names every reason.
try:
    workbench.freeze("first_question", study=study)
except WorkbenchError as refused:
    for problem in refused.problems:
        print("-", problem)

# %%
# Run it
# ------
runs = workbench.run("first_question", study=study, jobs=1)
runs

# %%
# The answer on one page, as a terminal shows it:
run = runs[0]
print(run.abstract())

# %%
# What was predicted
# ------------------
# Every prediction is of a participant who was held out.
predictions = run.predictions
mean = predictions.groupby("participant_id")[["observed", "predicted"]].mean()
figure, axes = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
axes.scatter(mean["predicted"], mean["observed"], s=18)
axes.axline((0, 0), slope=1, color="0.6", linewidth=1)
axes.set(xlabel="Predicted benefit in SHAPS (points)", ylabel="Observed benefit in SHAPS (points)")
axes.set_title(f"{run.result.scores.display_name}: R2 {run.result.scores.performance.r2:.2f}")
plt.show()

# %%
# Each run draws its own pictures too, as PNG and SVG, on a light and a dark ground.
pictures = {path.stem: path for path in run.figures}
print(*pictures, sep=", ")
show(pictures["shap_beeswarm"])

# %%
# The verdict
# -----------
# Every requirement of a claim: met, missed and why, or one that does not apply to this run.
gate = pd.DataFrame(
    [{"requirement": row.requirement, "status": row.status, "missed because": row.missed} for row in run.gate]
)
gate.style.hide(axis="index")

# %%
# To hand on
# ----------
# The report is one file for colleagues; the supplement has every table, figure and document, each column explained.
page = workbench.report(run.run_id, study=study)
supplement = workbench.export_run(run.run_id, study=study, to=study / "supplement", theme="light")
print(page.name, f"{page.stat().st_size / 1e6:.1f} MB")
pd.DataFrame([{"file": str(path.relative_to(study)), "kB": round(path.stat().st_size / 1e3, 1)} for path in supplement])

# %%
# Found again, in this session or in a year: the last finished first.
workbench.list_runs(study=study)
