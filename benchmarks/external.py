"""Models that know nothing in another cohort: how often the rows of the claim gate confirm them.

    python benchmarks/external.py [--studies 2000]

Outcome and predictions are independent; predictions are as wide as those of penalised models of noise (SD .1 to .5 of
that of the outcome) or off by half an SD. The bar is 5 % for each row alone, and for both together, in every cell.
Cells where the model is right (calibrated, R2 .15) show what coverage the interval of R2 has.
"""

from __future__ import annotations

import argparse
import time
from itertools import product

import numpy as np
from _paired import print_machine

from workbench.evaluation.external import score_external

BAR = 0.05
SPREADS, SIZES, SHIFTS = (0.1, 0.5), (50, 120), (0.0, 0.5)
RIGHT = 0.15


def null_cell(n: int, spread: float, shift: float, studies: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Studies in which R2, the slope and both have a lower end above 0."""
    shown = np.zeros(3, dtype=int)
    for _ in range(studies):
        y, predicted = rng.standard_normal(n), shift + spread * rng.standard_normal(n)
        scores = score_external(y, predicted, training_mean=0.0, reference=None, groups=np.arange(n))
        r2, slope = scores.r2.low > 0, scores.slope.low > 0
        shown += (r2, slope, r2 and slope)
    return tuple(shown.tolist())


def coverage(n: int, heavy: bool, studies: int, rng: np.random.Generator) -> tuple[float, float]:
    """How often the intervals of R2 and slope hold what is true of a calibrated model, with normal errors or t5."""
    covered = np.zeros(2)
    for _ in range(studies):
        predicted = np.sqrt(RIGHT) * rng.standard_normal(n)
        noise = rng.standard_t(5, n) / np.sqrt(5 / 3) if heavy else rng.standard_normal(n)
        y = predicted + np.sqrt(1 - RIGHT) * noise
        scores = score_external(y, predicted, training_mean=0.0, reference=None, groups=np.arange(n))
        covered += (scores.r2.low <= RIGHT <= scores.r2.high, scores.slope.low <= 1 <= scores.slope.high)
    r2, slope = covered / studies
    return float(r2), float(slope)


def main() -> None:
    """Print every cell with its bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000, help="Simulated cohorts in every cell.")
    studies = parser.parse_args().studies
    print_machine()
    rng, started, worst = np.random.default_rng(0), time.perf_counter(), 0.0
    print(f"{studies} cohorts a cell; lower end above 0, models that know nothing (bar: {BAR:.0%})")
    print("   n  spread  off by     R2   slope    both")
    for n, spread, shift in product(SIZES, SPREADS, SHIFTS):
        shares = np.array(null_cell(n, spread, shift, studies, rng)) / studies
        worst = max(worst, float(shares.max()))
        print(f"{n:4d}  {spread:6.1f}  {shift:6.1f}  {shares[0]:6.3f}  {shares[1]:6.3f}  {shares[2]:6.3f}")
    print(f"calibrated models, R2 {RIGHT}: coverage of the 95 % intervals")
    for n, heavy in product((20, *SIZES), (False, True)):
        r2, slope = coverage(n, heavy, studies, rng)
        print(f"{n:4d}  {'t5 errors' if heavy else 'normal   '}  R2 {r2:.3f}  slope {slope:.3f}")
    verdict = "held" if worst <= BAR else "MISSED"
    print(f"worst cell {worst:.3f}, bar {BAR}: {verdict}; {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
