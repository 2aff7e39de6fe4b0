"""Which contrasts become features: labels of files matched to those that a source names, or added with weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.knowledge.contrasts import contrast_named
from workbench.sources.files.cell_hints import NUMBER
from workbench.sources.files.delimited import LISTED
from workbench.specs.linear_combination import CombinationError, linear_combination
from workbench.specs.source import SourceSpec

Weights = Mapping[str, float]
"""Weight of each label of a contrast."""


def loosely(label: str) -> str:
    """A contrast as it is compared: FitLins loses inner capitals, and a hyphen inside a value is not valid BIDS.

    Parameters
    ----------
    label : str

    Returns
    -------
    str

    Examples
    --------
    >>> loosely("anti_RewVsNeut") == loosely("antiRewvsneut"), loosely("anticip-reward")
    (True, 'anticipreward')
    """
    return "".join(letter for letter in label.casefold() if letter not in "_-" and not letter.isspace())


def feature_name(region: str, contrast: str) -> str:
    """Name of a feature: the region, and the contrast where a source names its contrasts.

    Parameters
    ----------
    region, contrast : str

    Returns
    -------
    str

    Examples
    --------
    >>> feature_name("VS_L", "reward anticipation"), feature_name("VS_L", "")
    ('VS_L_reward anticipation', 'VS_L')
    """
    return f"{region}_{contrast}" if contrast else region


def described_features(
    regions: Sequence[str], wanted: Mapping[str, Weights], spec: SourceSpec, measure: str
) -> dict[str, dict[str, str]]:
    """Contrast, statistic and region of each feature; a contrast of the vocabulary has its name there.

    Parameters
    ----------
    regions : sequence of str
    wanted : mapping of str to mapping of str to float
        From `chosen_contrasts`.
    spec : SourceSpec
        What it declares for all features is left to it.
    measure : str
        What the file says that its values are.

    Returns
    -------
    dict of str to dict of str to str
        As `Parsed.described`.
    """
    described = {}
    for name, weights in wanted.items():
        label = name or spec.contrast or next(iter(weights))
        known = contrast_named(label)
        said = {"contrast": known.name if known else label, "measure": "" if spec.measure else measure}
        for region in regions:
            described[feature_name(region, name)] = said | ({"region_a": region} if name else {})
    return described


def weighted_cell(cells: Mapping[str, str], weights: Weights) -> str:
    """The cell of a weighted sum; a cell that is no number stands for the sum, and is judged as such.

    Parameters
    ----------
    cells : mapping of str to str
        By label of a contrast.
    weights : mapping of str to float

    Returns
    -------
    str
        Empty where a contrast is not there.

    Examples
    --------
    >>> weighted_cell({"gain": "3", "loss": "1.5"}, {"gain": 1.0, "loss": -1.0})
    '1.5'
    >>> weighted_cell({"gain": "3*", "loss": "1"}, {"gain": 1.0, "loss": -1.0}), weighted_cell({}, {"gain": 1.0})
    ('3*', '')
    """
    if not set(weights) <= set(cells):
        return ""
    if list(weights.values()) == [1.0]:
        return cells[next(iter(weights))]
    odd = next((cells[label] for label in weights if not NUMBER.fullmatch(cells[label])), None)
    return repr(sum(weight * float(cells[label]) for label, weight in weights.items())) if odd is None else odd


def spellings(labels: Iterable[str]) -> dict[str, str]:
    """The spelling that stands for each label: that of most files, where labels differ in capitals or hyphens alone.

    Parameters
    ----------
    labels : iterable of str
        One for each file.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> spellings(["winMinusNeutral", "winMinusNeutral", "WinMinusNeutral"])
    {'winMinusNeutral': 'winMinusNeutral', 'WinMinusNeutral': 'winMinusNeutral'}
    """
    counts = Counter(labels)
    usual: dict[str, str] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        usual.setdefault(loosely(label), label)
    return {label: usual[loosely(label)] for label in counts}


def chosen_contrasts(contrasts: Mapping[str, str], labels: Iterable[str], where: str, how: str) -> dict[str, Weights]:
    """Weights of labels by the name of each contrast of a source.

    A text that is a label as a whole is that label, whatever signs are in it; any other is a sum of labels.

    Parameters
    ----------
    contrasts : mapping of str to str
        Names and what they stand for, as the source declares them; empty where there is one contrast and nothing to
        choose.
    labels : iterable of str
        Contrasts that are there.
    where : str
        How messages name the files together.
    how : str
        What makes the labels of contrasts known, for a file without any.

    Returns
    -------
    dict of str to mapping of str to float
        Without `contrasts`, the one label under an empty name.

    Raises
    ------
    SourceError
        Every contrast that is not there, and sums that cannot be read.
    """
    labels = sorted(set(labels))
    if not contrasts:
        if len(labels) > 1:
            written = listed([label or "without a contrast" for label in labels], LISTED)
            hint = f'choose and name them: contrasts = {{ "reward anticipation" = "{next(filter(None, labels))}" }}'
            raise SourceError(Problem(where, f"finds several contrasts: {written}", hint))
        return {"": dict.fromkeys(labels, 1.0)} if labels else {}
    problems = Problems()
    chosen: dict[str, Weights] = {}
    for name, text in contrasts.items():
        with problems.gather():
            chosen[name] = _weights(text, labels, f"{where}: contrasts.{name}", how)
    problems.raise_if_any(SourceError)
    return chosen


def _weights(text: str, labels: list[str], where: str, how: str) -> Weights:
    whole = _label_of(text, labels)
    if whole is not None:
        return {whole: 1.0}
    try:
        terms = linear_combination(text)
    except CombinationError as error:
        raise SourceError(Problem(where, error.found, error.hint)) from None
    problems = Problems()
    weights: dict[str, float] = {}
    for term, weight in terms.items():
        label = _label_of(term, labels)
        if label is None:
            hint = did_you_mean(term, labels) if any(labels) else how
            problems.add(where, f"there is no contrast {term!r}", hint)
        else:
            weights[label] = weights.get(label, 0.0) + weight
    problems.raise_if_any(SourceError)
    return weights


def _label_of(text: str, labels: list[str]) -> str | None:
    """The label that a text is: letter by letter, else whatever its capitals, and a text without spaces loosely."""
    if text in labels:
        return text
    alike = [label for label in labels if label and label.casefold() == text.casefold()]
    if not alike and not any(letter.isspace() for letter in text):  # "a - b" is no spelling of "ab"
        alike = [label for label in labels if label and loosely(label) == loosely(text)]
    return alike[0] if alike else None
