from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.simulate import modalities
from workbench.simulate.anatomy import CIRCUITS, CONTRASTS, LATENT_CIRCUITS, PLANTED, ROLES, features
from workbench.simulate.config import Places, TrialConfig
from workbench.simulate.latents import People, draw_people, standard_age, standard_fd
from workbench.simulate.modalities import build_scanners, draw_modality, kept_volumes

Scans = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def scans(one_scanner: TrialConfig, many: People) -> dict[str, Scans]:
    """Each modality twice, as if scanned again; connectivity as Fisher z."""
    scanners = build_scanners(one_scanner)
    drawn = {}
    for modality in scanners:
        twice = {s: draw_modality(modality, one_scanner, scanners[modality], many, 4, s) for s in ("ses-b0", "again")}
        drawn[modality] = {s: np.arctanh(x) if modality == "connectivity" else x for s, x in twice.items()}
    return drawn


def correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Column by column."""
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean(0)) / y.std(0)
    return np.asarray((x * y).mean(axis=0))


def within_blocks(modality: str, values: np.ndarray, *, one_contrast: bool = False) -> float:
    """Median correlation between two features of one circuit that carries a latent (and of one contrast)."""
    columns = features(modality)
    circuit = np.array([f.circuit + (f.contrast if one_contrast else "") for f in columns])
    latent = np.array([ROLES[f.circuit] not in ("confound-only", "site-only") for f in columns])
    same = np.triu((circuit[:, None] == circuit) & latent[:, None], 1)
    return float(np.median(np.corrcoef(values.T)[same]))


@pytest.mark.parametrize(
    ("modality", "low", "high"), [("connectivity", 0.4, 0.6), ("task", 0.3, 0.5), ("pet", 0.8, 0.8)]
)
def test_scanned_again_features_correlate_by_their_reliability(
    scans: dict[str, Scans], modality: str, low: float, high: float
) -> None:
    again = correlation(scans[modality]["ses-b0"], scans[modality]["again"])

    assert low - 0.03 <= np.median(again) <= high + 0.03
    assert again.min() > low - 0.06
    assert again.max() < high + 0.06


def test_edges_of_a_circuit_correlate_by_three_to_five_tenths(scans: dict[str, Scans]) -> None:
    assert 0.3 <= within_blocks("connectivity", scans["connectivity"]["ses-b0"]) <= 0.5


def test_betas_of_a_circuit_correlate_by_a_half_in_one_contrast(scans: dict[str, Scans]) -> None:
    assert within_blocks("task", scans["task"]["ses-b0"], one_contrast=True) == pytest.approx(0.5, abs=0.1)


def test_noise_of_betas_is_a_kronecker_product(scans: dict[str, Scans]) -> None:
    noise = (scans["task"]["ses-b0"] - scans["task"]["again"]) / np.sqrt(2)
    r = np.corrcoef(noise.T)
    names = [feature.name for feature in features("task")]
    same_roi = r[names.index("VS_L_anticipation"), names.index("VS_L_emotion")]
    same_contrast = r[names.index("VS_L_anticipation"), names.index("VS_R_anticipation")]
    neither = r[names.index("VS_L_anticipation"), names.index("VS_R_emotion")]

    assert (len(names), len(CONTRASTS)) == (72, 3)
    assert same_roi == pytest.approx(0.3, abs=0.04)
    assert same_contrast == pytest.approx(0.5, abs=0.04)
    assert neither == pytest.approx(0.15, abs=0.04)


def test_binding_has_one_global_factor_and_blocks(scans: dict[str, Scans]) -> None:
    circuit = np.array([feature.circuit for feature in features("pet")])
    r = np.corrcoef(scans["pet"]["ses-b0"].T)
    apart = np.triu(circuit[:, None] != circuit, 1)

    assert np.median(r[apart]) == pytest.approx(0.6, abs=0.04)
    assert within_blocks("pet", scans["pet"]["ses-b0"]) == pytest.approx(0.7, abs=0.04)


def test_motion_has_a_tenth_of_the_median_edge_and_most_of_the_confound_only_circuit(
    scans: dict[str, Scans], many: People
) -> None:
    fd = standard_fd(many.fd)
    share = np.corrcoef(fd, scans["connectivity"]["ses-b0"].T)[0, 1:] ** 2
    confound = np.array([ROLES[feature.circuit] == "confound-only" for feature in features("connectivity")])

    assert np.median(share) == pytest.approx(0.10, abs=0.02)
    assert np.median(share[confound]) == pytest.approx(0.30, abs=0.03)


def test_motion_raises_short_and_lowers_long_edges(scans: dict[str, Scans], many: People) -> None:
    columns = features("connectivity")
    slope = np.corrcoef(many.fd, scans["connectivity"]["ses-b0"].T)[0, 1:]
    far = np.array([feature.distance for feature in columns])
    brain = np.array([ROLES[feature.circuit] != "confound-only" for feature in columns])

    assert np.corrcoef(slope[brain], far[brain])[0, 1] < -0.7


def test_sex_and_age_have_their_shares(scans: dict[str, Scans], many: People) -> None:
    sex = np.corrcoef(many.female, scans["connectivity"]["ses-b0"].T)[0, 1:] ** 2
    age = np.corrcoef(standard_age(many.age), scans["pet"]["ses-b0"].T)[0, 1:] ** 2

    assert np.median(sex) == pytest.approx(0.03, abs=0.01)
    assert np.median(age) == pytest.approx(0.15, abs=0.02)


def test_only_the_salience_latent_spills_into_ventral_striatal_edges(scans: dict[str, Scans], many: People) -> None:
    edges = scans["connectivity"]["ses-b0"]
    circuits = [feature.circuit for feature in features("connectivity")]
    salience = many.circuits[:, 2]
    r = {c: np.abs(np.corrcoef(salience, edges[:, [k == c for k in circuits]].T)[0, 1:]).mean() for c in CIRCUITS}

    assert r["ventral striatum - prefrontal"] == pytest.approx(np.sqrt(0.10), abs=0.03)
    assert max(r["limbic 5-HT"], r["executive"], r["default mode"]) < 0.03


def test_edges_that_share_a_region_share_their_sampling_error(scans: dict[str, Scans]) -> None:
    noise = scans["connectivity"]["ses-b0"] - scans["connectivity"]["again"]
    names = [feature.name for feature in features("connectivity")]
    r = np.corrcoef(noise.T)
    shared = r[names.index("PCC--VentralStriatum"), names.index("PCC--mPFC")]
    apart = r[names.index("PCC--VentralStriatum"), names.index("Amygdala--Cerebellum")]

    assert shared > 0.1
    assert abs(apart) < 0.06


def test_hardly_anybodys_connectivity_has_to_be_pulled_to_be_a_correlation_matrix(
    one_scanner: TrialConfig, many: People
) -> None:
    scanner = build_scanners(one_scanner)["connectivity"]
    brain = np.tanh(scanner.mean + scanner.sd * (many.circuits @ scanner.latent.T))
    matrices = np.tile(np.eye(15), (many.n, 1, 1))
    upper = np.triu_indices(15, 1)
    matrices[:, upper[0], upper[1]] = matrices[:, upper[1], upper[0]] = brain

    assert (np.linalg.eigvalsh(matrices)[:, 0] < 0.02).mean() < 0.01


def test_scanners_shift_and_scale_features_and_the_site_only_circuit_most(many: People) -> None:
    scanner = build_scanners(TrialConfig())["connectivity"]
    site_only = np.array([ROLES[feature.circuit] == "site-only" for feature in features("connectivity")])

    assert np.abs(scanner.shift[0]).max() == 0
    assert np.abs(scanner.shift[1:, ~site_only]).min() >= 0.5
    assert np.abs(scanner.shift[1:, ~site_only]).max() <= 1.0
    assert np.abs(scanner.shift[1:, site_only]).mean() > 1.2
    assert scanner.scale[1:].min() >= 0.8
    assert scanner.scale[1:].max() <= 1.25


def test_scans_of_two_sites_differ_by_shift_and_scale_as_the_combat_model_has_it(many: People) -> None:
    config = TrialConfig()
    scanner = build_scanners(config)["task"]
    values = draw_modality("task", config, scanner, many, 4)
    first, second = values[many.site == 0], values[many.site == 1]

    shift = (second.mean(axis=0) - first.mean(axis=0)) / first.std(axis=0)
    assert np.corrcoef(shift, scanner.shift[1])[0, 1] > 0.99
    assert 0.5 < np.median(np.abs(shift)) < 1.0
    assert np.corrcoef(second.std(axis=0) / first.std(axis=0), scanner.scale[1])[0, 1] > 0.95


def test_fifty_regions_have_1225_edges_as_reliable_and_as_alike_as_fifteen() -> None:
    config = TrialConfig(n_regions=50, site_shift=(0.0, 0.0), site_scale=(1.0, 1.0))
    people = draw_people(config, 1, 400)
    scanner = build_scanners(config)["connectivity"]
    first, again = (np.arctanh(draw_modality("connectivity", config, scanner, people, 1, s)) for s in ("ses-b0", "x"))
    circuit = np.array([feature.circuit for feature in features("connectivity", 50)])
    planted = first[:, circuit == "ventral striatum - prefrontal"]

    assert first.shape == (400, 1225)
    assert 0.35 < np.median(correlation(first, again)) < 0.6
    assert 0.25 < np.median(np.corrcoef(planted.T)[np.triu_indices(planted.shape[1], 1)]) < 0.5


@pytest.mark.parametrize(
    ("circuits_in", "shows"),
    [
        ("one each", {"connectivity": 1, "task": 1, "pet": 1}),
        ("connectivity", {"connectivity": 3, "task": 0, "pet": 0}),
    ],
)
def test_planted_circuits_may_show_in_one_modality_each_or_in_connectivity_alone_by_five_features(
    circuits_in: Places, shows: dict[str, int]
) -> None:
    scanners = build_scanners(TrialConfig(circuits_in=circuits_in, carriers=5))
    for modality, scanner in scanners.items():
        carrying = {c: scanner.latent[:, LATENT_CIRCUITS.index(c)] for c in PLANTED}
        n_features = [int((loading > 0).sum()) for loading in carrying.values() if loading.any()]

        assert len(n_features) == shows[modality]
        assert all(n == (5 if modality != "pet" else 3) for n in n_features)


def test_kept_volumes_are_those_from_which_the_correlations_were_drawn(
    one_scanner: TrialConfig, many: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[np.ndarray] = []
    sampling = modalities._sampling

    def recorded(*arguments: Any) -> tuple[np.ndarray, np.ndarray]:
        volumes, errors = sampling(*arguments)
        drawn.append(volumes)
        return volumes, errors

    monkeypatch.setattr(modalities, "_sampling", recorded)
    draw_modality("connectivity", one_scanner, build_scanners(one_scanner)["connectivity"], many, 4, "ses-b0")
    monkeypatch.undo()

    volumes = kept_volumes(one_scanner, many, 4, "ses-b0")
    assert len(drawn) == 4  # drawn in parts, whose order counts
    assert (volumes == np.concatenate(drawn)).all()
    assert (volumes.min(), volumes.max()) == (200, 240)
