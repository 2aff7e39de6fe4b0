"""scikit-learn's interface of a transformer, for modules that may not import scikit-learn before it is needed."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Transformer:
    """A transformer with as many features as it is given; its parameters are the arguments of its `__init__`.

    It behaves as one that inherits from `BaseEstimator`, `TransformerMixin` and `OneToOneFeatureMixin` of scikit-learn
    and passes its own checks: importing these takes seconds, and every command would pay for it.
    """

    allows_nan = False
    n_features_in_: int

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name.

        Raises
        ------
        ValueError
            For a name that is no parameter.
        """
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(f"Invalid parameter {name!r} for {type(self).__name__}; it has {self._names()}")
            setattr(self, name, value)
        return self

    @classmethod
    def _names(cls) -> list[str]:
        return sorted(name for name in inspect.signature(cls.__init__).parameters if name != "self")

    def __repr__(self) -> str:
        """The parameters that are not the defaults."""
        defaults = {name: one.default for name, one in inspect.signature(type(self).__init__).parameters.items()}
        told = [f"{name}={value!r}" for name, value in self.get_params().items() if value is not defaults[name]]
        return f"{type(self).__name__}({', '.join(told)})"

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the features given back: those of the features taken."""
        from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

        check_is_fitted(self, "n_features_in_")
        names: NDArray[np.object_] = _check_feature_names_in(self, input_features)
        return names

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks of an estimator."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(),
            input_tags=InputTags(allow_nan=self.allows_nan),
        )
