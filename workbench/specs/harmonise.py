"""``[harmonise]`` of an experiment: how differences between sites are taken out, anew in every training set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from workbench.specs.base import Finding, Name, Spec, Text, repeated


class HarmoniseSpec(Spec):
    """Differences between sites or scanners are learnt in the training participants, inner folds included."""

    method: Literal["combat"]
    """combat: location and scale of every feature at every site, by parametric empirical Bayes (Johnson 2007)."""
    batch: Text = "site"
    """Column of the study that says where each participant was measured."""
    preserve: tuple[Text, ...] = ()
    """Covariates whose linear effect stays in the features, such as ["age", "sex"]; never the outcome, nor a score that
    it is made from."""
    unseen: Literal["refuse", "reference", "none"] = "refuse"
    """What becomes of participants of a site that a training set lacks. refuse: the experiment is not run. reference:
    training sites are brought to one site, and the others are left as they are, as if measured there. none: training
    sites are brought to their mean, and the others are left as they are."""
    reference: Text | None = None
    """With unseen = "reference": the site that others are brought to. Where a training set lacks it, the site with most
    participants stands in."""
    priors: Literal["source", "all"] = "source"
    """What the features share their empirical Bayes priors with: those of the same source (and session), or all."""
    location_only_below: int = Field(default=10, ge=2)
    """Sites with fewer participants in a training set are shifted, not scaled; one participant is enough for that."""
    sources: tuple[Name, ...] = ()
    """Sources that are harmonised; default: all of a feature set."""

    def rules(self) -> Iterator[Finding]:
        """The reference has a meaning for one policy only, and the batch is not preserved."""
        yield from repeated(self.preserve, ("preserve",))
        yield from repeated(self.sources, ("sources",))
        if self.unseen == "reference" and self.reference is None:
            yield Finding(("reference",), 'is missing, which unseen = "reference" needs', 'such as reference = "siteA"')
        if self.unseen != "reference" and self.reference is not None:
            hint = 'write unseen = "reference", or leave it out'
            yield Finding(("reference",), f'has no meaning for unseen = "{self.unseen}"', hint)
        for position, term in enumerate(self.preserve):
            if term.partition("^")[0] == self.batch:
                hint = "differences between them are what is taken out: leave it out"
                yield Finding(("preserve", position), f"holds {term!r}, which is the batch", hint)
