"""
A trial of known truth, from files to an answer
===============================================

Simulates a crossover trial of 60 patients, looks at what its files hold, and asks one question of it. The same steps as
``workbench simulate``, ``check`` and ``run`` in a terminal.
"""

# %%
# A trial in a folder
# -------------------
# ``simulate_study`` writes the files that pipelines write (XCP-D matrices, tables of betas, kinetic parameters, BIDS
# phenotype), a study that reads them, and the truth.
import tempfile
from pathlib import Path

import workbench

study = Path(tempfile.mkdtemp(), "trial")
workbench.simulate_study(study, patients=60, r2=0.5, seed=3, achievable=False)
sorted(path.name for path in study.iterdir())

# %%
# What would run
# --------------
# Nothing is fitted yet. Problems of all files come at once; here there are none.
report = workbench.check("madrs_change", study=study)
report

# %%
# Run it
# ------
# Few permutations, so that this page is built quickly; a claim needs 1,000.
specification = study / "experiments" / "madrs_change.toml"
text = (
    specification.read_text().replace("permutations = 500", "permutations = 99").replace("repeats = 10", "repeats = 3")
)
specification.write_text(text)
runs = workbench.run("madrs_change", study=study, jobs=1)
runs

# %%
# What was predicted
# ------------------
# Every prediction is of a participant who was held out.
import matplotlib.pyplot as plt

predictions = runs[0].predictions
mean = predictions.groupby("participant_id")[["observed", "predicted"]].mean()
figure, axes = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
axes.scatter(mean["predicted"], mean["observed"], s=18)
axes.axline((0, 0), slope=1, color="0.6", linewidth=1)
axes.set(xlabel="Predicted fall in MADRS (points)", ylabel="Observed fall in MADRS (points)")
axes.set_title(f"{runs[0].result.scores.run_name}: R2 {runs[0].result.scores.performance.r2:.2f}")
plt.show()

# %%
# The verdict
# -----------
# Every requirement of a claim, met or missed. With a plan that was not frozen, nothing can be more than exploratory.
runs[0].gate
