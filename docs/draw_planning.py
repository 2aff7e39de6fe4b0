"""The example of planning.md: the plan of one feature set of the demo study, its words, numbers and picture.

    python docs/draw_planning.py

Writes planning.json and planning_learning_curve.png and .svg beside this file; a few minutes.
"""

import json
import tempfile
from pathlib import Path

from workbench import pipeline
from workbench.planning.words import curve_table, power_table, size_table

EXPERIMENT, FEATURE_SET = "shaps_ketamine_minus_placebo", "connectivity"
DOCS = Path(__file__).resolve().parent


def main() -> None:
    """Simulate the demo study in a folder of its own, plan its main experiment, keep one feature set."""
    with tempfile.TemporaryDirectory() as folder:
        study, out = Path(folder) / "study", Path(folder) / "out"
        pipeline.init(study)
        pipeline.simulate_study(study, preset="demo", achievable=False)
        plans = pipeline.plan(EXPERIMENT, study=study, to=out)
        chosen = next(each for each in plans if each.plan.feature_set == FEATURE_SET)
        for kind in ("png", "svg"):
            picture = (out / FEATURE_SET / f"learning_curve.{kind}").read_bytes()
            (DOCS / f"planning_learning_curve.{kind}").write_bytes(picture)
    kept = {
        "experiment": EXPERIMENT,
        "feature_set": FEATURE_SET,
        "verdict": chosen.verdict,
        "notes": chosen.notes,
        "power": power_table(chosen.plan).to_dict("records"),
        "learning_curve": curve_table(chosen.plan).to_dict("records"),
        "sample_size": size_table(chosen.plan).to_dict("records"),
    }
    (DOCS / "planning.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
