"""A fitted late fusion: the nuisance model, ridge for every modality, and weights for every pattern of availability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.models.availability import Modalities, Present, patterns_of
from workbench.models.preparation import CovariateBasis, Preparation
from workbench.models.preprocessing import Floats, NuisanceModel
from workbench.models.state import State, Stateful, substate
from workbench.records import availability_term


@dataclass(frozen=True, eq=False)
class FusedPart(Stateful):
    """Ridge of one modality, learnt from those who have it: what it adds to the nuisance model, before it is weighted.

    Attributes
    ----------
    basis : CovariateBasis
        Covariates of those who have the modality.
    preparation : Preparation
    coefficients : ndarray of shape (n_features,)
        Per SD of the residualised feature; 0 where the modality was too rare to be learnt from.
    """

    basis: CovariateBasis
    preparation: Preparation
    coefficients: Floats

    def added(self, X: Floats, N: Floats) -> Floats:
        """What the features of the modality add, (n,)."""
        return self.preparation.weighted(X, self.basis.rows(N), self.coefficients)

    def by_feature(self, X: Floats, N: Floats) -> Floats:
        """The same, feature by feature, (n, n_features)."""
        values = self.preparation.standardised(X, self.basis.rows(N))
        values *= self.coefficients
        return values


@dataclass(frozen=True, eq=False)
class LateFusionModel:
    """Nuisance model + weighted predictions of the modalities that are there; a `workbench.models.learner.Model`.

    A modality is absent where all features of one of its blocks are NaN; then it adds nothing, and the weights of the
    others are those learnt for what is left. With nothing left the nuisance model predicts. Availability may also be
    among the covariates: who calls gives both consistently (`workbench.tables.presence`).

    Attributes
    ----------
    modalities : Modalities
    basis : CovariateBasis
        Covariates of all training rows.
    nuisance : NuisanceModel
    parts : sequence of FusedPart
        One for each modality.
    stack : ndarray of shape (2 ** n_modalities, n_modalities)
        Weights of the modalities, by number of the pattern (`availability.patterns_of`).
    typical : ndarray of shape (n_modalities,)
        Mean weight of each modality over the training rows that have it.
    """

    modalities: Modalities
    basis: CovariateBasis
    nuisance: NuisanceModel
    parts: Sequence[FusedPart]
    stack: Floats
    typical: Floats

    kind: ClassVar[str] = "late-fusion"

    def __post_init__(self) -> None:
        for name in ("stack", "typical"):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name)))

    def predict(self, X: Floats, N: Floats) -> Floats:
        """Predictions, (n,); see `Model`."""
        predicted = self.covariates_alone(N)
        present, weights = self._available(X)
        for number, part in enumerate(self.parts):
            rows = np.flatnonzero(present[:, number])
            own = X[rows][:, self.modalities.columns(number)]
            predicted[rows] += weights[rows, number] * part.added(own, N[rows])
        return predicted

    def covariates_alone(self, N: Floats) -> Floats:
        """What is predicted without any modality, (n,); see `Model`."""
        return np.array(self.nuisance.predicted(self.basis.rows(N))[:, 0])

    def explain(self, X: Floats, N: Floats) -> tuple[Floats, Floats]:
        """Base (n,) and SHAP values (n, n_features); 0 for features of what a row lacks; see `Model`."""
        present, weights = self._available(X)
        shap = np.zeros(X.shape)
        for number, part in enumerate(self.parts):
            rows, columns = np.flatnonzero(present[:, number]), np.flatnonzero(self.modalities.of_feature == number)
            added = part.by_feature(X[np.ix_(rows, columns)], N[rows])
            shap[np.ix_(rows, columns)] = added * weights[rows, number][:, None]
        return self.covariates_alone(N), shap

    def weights(self, predicted: Floats) -> Floats:
        """Change of the prediction per SD of each feature, in the mean over training rows that have it."""
        of_features = np.zeros(len(self.modalities.of_feature))
        for number, part in enumerate(self.parts):
            of_features[self.modalities.of_feature == number] = self.typical[number] * part.coefficients
        return of_features

    def haufe(self, X: Floats, N: Floats, part: Floats) -> Floats:
        """Cov(x_j, yhat) / Var(yhat) among those of some rows who have the feature, (n_features,).

        Parameters
        ----------
        X, N : ndarray
            Of the training rows.
        part : ndarray of shape (n_train,)
            What features add to the prediction.
        """
        present, pattern = self.modalities.present(X), np.zeros(X.shape[1])
        for number, one in enumerate(self.parts):
            rows = np.flatnonzero(present[:, number])
            centred = part[rows] - part[rows].mean() if len(rows) else part[rows]
            variance = float(centred @ centred)
            if variance > 0:
                own, on_basis = X[rows][:, self.modalities.columns(number)], one.basis.rows(N[rows])
                projected = one.preparation.projected(own, on_basis, centred / variance)
                pattern[self.modalities.of_feature == number] = projected
        return pattern

    def availability(self, X: Floats) -> dict[str, Floats]:
        """Covariates that say who has which modality, by term, (n,) each: what `N` holds of them."""
        there = self.modalities.available(X).astype(np.float64)
        terms = [availability_term(str(name)) for name in self.modalities.names]
        return dict(zip(terms, there.T, strict=True))

    def _available(self, X: Floats) -> tuple[Present, Floats]:
        """Which rows have which modality, and the weights of these, both (n, n_modalities)."""
        present = self.modalities.present(X)
        return present, self.stack[patterns_of(present)]

    def state(self) -> dict[str, Any]:
        """Everything learnt, as arrays, numbers and texts by name."""
        state: dict[str, Any] = {"stack": self.stack, "typical": self.typical}
        named = {"modalities": self.modalities, "basis": self.basis, "nuisance": self.nuisance}
        named |= {f"part{number}": part for number, part in enumerate(self.parts)}
        for name, one in named.items():
            state |= {f"{name}.{key}": value for key, value in one.state().items()}
        return state

    @classmethod
    def from_state(cls, state: State) -> LateFusionModel:
        """The model with this state, bit for bit."""
        modalities = Modalities.from_state(substate(state, "modalities"))
        return cls(
            modalities,
            CovariateBasis.from_state(substate(state, "basis")),
            NuisanceModel.from_state(substate(state, "nuisance")),
            tuple(FusedPart.from_state(substate(state, f"part{number}")) for number in range(len(modalities))),
            state["stack"],
            state["typical"],
        )
