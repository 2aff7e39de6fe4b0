"""`features --describe` and the features without a circuit, as a user meets them."""

from __future__ import annotations

import pytest
from lab_files import answered, write_merged

import workbench
from workbench import pipeline
from workbench.cli import run_command
from workbench.errors import SpecError


@pytest.fixture
def study(tmp_path):
    """A drafted study whose answers are filled in; one of its regions has no circuit."""
    data = write_merged(tmp_path / "export.csv")
    data.write_text(data.read_text().replace("pet_bpnd_PCC", "pet_bpnd_roi17"))
    root = tmp_path / "study"
    workbench.init_from(root, [data])
    answered(root, scoring="14-56", measure="Pearson r", timing="bl", tracer="[11C]raclopride")
    return root


def test_sources_are_described_in_tables_and_a_picture(study, tmp_path, capsys):
    assert run_command(["features", "pet", "--describe", "--to", str(tmp_path / "out"), "--study", str(study)]) == 0
    printed = capsys.readouterr().out
    assert "a binding potential is noise about 0" in printed
    assert "rows.tsv names participants" in " ".join(printed.split())
    written = {path.name for path in (tmp_path / "out/pet").iterdir()}
    assert {"features.tsv", "rows.tsv", "sessions.tsv", "circuits.tsv", "features.png", "features-dark.svg"} <= written
    features = (tmp_path / "out/pet/features.tsv").read_text().splitlines()
    assert len(features) == 9
    assert "sub-" not in (tmp_path / "out/pet/features.svg").read_text()
    with pytest.raises(SpecError, match="holds files already; name another folder, or add --force"):
        pipeline.describe_features("pet", study=study, to=tmp_path / "out")


def test_a_feature_without_a_circuit_is_named_by_check_with_what_to_do(study):
    report = workbench.check(study=study)
    assert report.problems == ()
    (lacking,) = report.circuits
    assert lacking.startswith("pet: 1 of 8 features belong to no circuit (features: pet_bpnd_roi17)")
    assert "workbench features --circuits-template writes features/pet_circuits.tsv" in lacking


def test_the_template_filled_in_gives_the_feature_its_circuit(study):
    found, written, there = pipeline.circuits_template(study=study)
    assert [each.source for each in found] == ["pet"]
    assert [path.name for path in written] == ["pet_circuits.tsv"]
    assert there == ()
    template = written[0].read_text()
    row = next(line for line in template.splitlines() if "roi17" in line)
    assert row.split("\t")[:2] == ["pet_bpnd_roi17", ""]
    written[0].write_text(template.replace("pet_bpnd_roi17\t\t", "pet_bpnd_roi17\tdefault mode\t"))
    source = study / "features/pet.toml"
    source.write_text(source.read_text().replace("pet_columns.tsv", "pet_circuits.tsv"))
    assert workbench.check(study=study).circuits == ()
    table, _ = workbench.features("pet", study=study)["pet"]
    assert table.features.set_index("feature").at["pet_bpnd_roi17", "circuit"] == "default mode"
    assert table.values.shape[1] == 8
    assert pipeline.circuits_template(study=study) == ((), (), ()), "nothing is left to fill in"
