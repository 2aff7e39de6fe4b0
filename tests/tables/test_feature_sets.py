import pytest

from workbench.errors import TableError
from workbench.specs.table_source import TableSource
from workbench.tables.feature_sets import feature_sets


def source(*overlaps, **said):
    spec = {"modality": "connectivity", "reader": "table", "file": "x.tsv", "overlaps": overlaps}
    return TableSource.model_validate(spec | said)


def test_by_default_each_source_alone_and_all_that_do_not_overlap(make_experiment):
    sources = {"a": source("b"), "b": source(), "c": source(), "d": source()}
    found = feature_sets(make_experiment(feature_sets={}), sources)
    assert found == {"a": ("a",), "b": ("b",), "c": ("c",), "d": ("d",), "all": ("c", "d")}
    assert "all" not in feature_sets(make_experiment(feature_sets={}), {"a": source("b"), "b": source()})


def test_overlapping_and_unknown_sources_are_refused(make_experiment):
    sources = {"dmn4": source(), "dmn11": source("dmn4")}
    experiment = make_experiment(feature_sets={"both": ("dmn4", "dmn11"), "other": ("dnm4",)})
    with pytest.raises(TableError, match=r"both: dmn4 and dmn11 are the same scans seen twice") as error:
        feature_sets(experiment, sources)
    assert "other: 'dnm4' is not a source of this study; did you mean 'dmn4'" in str(error.value)
