from pathlib import Path

from workbench.cli.exported import print_exported


def test_an_export_is_said_by_folder_and_kind_with_what_is_opened_first(capsys):
    names = [
        "README.txt",
        "biomarkers.tsv",
        "figures/a.png",
        "figures/a.svg",
        "figures/b.png",
        "folds.tsv",
        "report.html",
    ]
    print_exported([Path("OUT", name) for name in names], Path("OUT"))
    assert capsys.readouterr().out.splitlines() == [
        "  Open first        report.html, biomarkers.tsv",
        "  Beside them       1 tsv",
        "  figures/          2 png, 1 svg",
        "  README.txt        what every file is, and every column with its unit",
    ]
