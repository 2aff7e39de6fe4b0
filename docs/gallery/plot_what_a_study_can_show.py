"""
What so many participants can show
==================================

Before a scanner is booked: of a hundred trials with a true R2, how many would be found? ``plan`` sends simulated
outcomes through the whole procedure, with the study's own features, gaps and folds.
"""

# %%
import tempfile
from pathlib import Path

import workbench

study = Path(tempfile.mkdtemp(), "trial")
workbench.simulate_study(study, patients=60, r2=0.25, seed=5, achievable=False)

# %%
# The outcome is not used: only its name, and who has one.
plan = workbench.plan("madrs_change", study=study, r2=(0.25, 0.5), simulations=40, jobs=1)
plan
