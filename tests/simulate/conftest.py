"""Many simulated people, drawn once: moments are asked of them."""

from __future__ import annotations

import pytest

from workbench.simulate.config import DEMO_SEED, TrialConfig
from workbench.simulate.generator import Trial, simulate_trial
from workbench.simulate.latents import People, draw_people
from workbench.simulate.modalities import build_scanners
from workbench.simulate.population import Everyone, draw_everyone

MANY = 8_000
FRESH = 20_000
"""People in whom what is true is measured; none of them set the shares."""


@pytest.fixture(scope="session")
def one_scanner() -> TrialConfig:
    """Every site with the same scanner, so that shares of variance are those of the modality."""
    return TrialConfig(site_shift=(0.0, 0.0), site_scale=(1.0, 1.0))


@pytest.fixture(scope="session")
def many(one_scanner: TrialConfig) -> People:
    return draw_people(one_scanner, 11, MANY)


@pytest.fixture(scope="session")
def demo() -> Trial:
    return simulate_trial(TrialConfig.demo(), DEMO_SEED)


@pytest.fixture(scope="session")
def fresh_demo() -> Everyone:
    return _fresh(TrialConfig.demo())


@pytest.fixture(scope="session")
def fresh_crossover() -> Everyone:
    return _fresh(TrialConfig())


@pytest.fixture(scope="session")
def fresh_parallel() -> Everyone:
    return _fresh(TrialConfig(design="parallel"))


def _fresh(config: TrialConfig) -> Everyone:
    return draw_everyone(config, build_scanners(config), FRESH, 77)
