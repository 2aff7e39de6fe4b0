"""What a fitted model consists of, as named arrays, numbers and texts: enough to write it down and have it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

import numpy as np

from workbench.errors import FitError, Problem

State = Mapping[str, Any]
"""Name to ndarray, number or text; ``preparation.means`` is field *means* of field *preparation*."""
Part = TypeVar("Part", bound="Stateful")


class Stateful:
    """A frozen dataclass whose fields are arrays, numbers, texts or dataclasses of this kind.

    Arrays are made contiguous: products of matrices may differ in their last digits between layouts, and what is read
    back has this one.
    """

    def __post_init__(self) -> None:
        """Make every array contiguous."""
        for name, value in _parts(self):
            if isinstance(value, np.ndarray):
                object.__setattr__(self, name, np.ascontiguousarray(value))

    def state(self) -> dict[str, Any]:
        """Everything that was learnt.

        Returns
        -------
        dict of str to ndarray, float, int, bool or str
            `numpy.savez` takes it as it is.
        """
        flat: dict[str, Any] = {}
        for name, value in _parts(self):
            if isinstance(value, Stateful):
                flat |= {f"{name}.{inner}": part for inner, part in value.state().items()}
            else:
                flat[name] = value
        return flat

    @classmethod
    def from_state(cls: type[Part], state: State) -> Part:
        """The object with this state, bit for bit.

        Parameters
        ----------
        state : mapping of str to ndarray, number or text
            As `state` gave it, or as `numpy.load` reads that: numbers and texts may be arrays without dimensions.

        Raises
        ------
        FitError
            If a part is missing.
        """
        hints, kind = get_type_hints(cls), cast(Any, cls)
        return cls(**{name: _restored(hints[name], name, state) for name in _names(kind)})


def substate(state: State, name: str) -> dict[str, Any]:
    """The parts of one field.

    Parameters
    ----------
    state : mapping of str to ndarray, number or text
    name : str
        Of the field.

    Returns
    -------
    dict of str to ndarray, number or text
        Names without that of the field.
    """
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}


def plain(value: Any) -> Any:
    """An array without dimensions as the number or text that it holds; anything else as it is.

    Parameters
    ----------
    value : ndarray, number or text

    Returns
    -------
    ndarray, number or text
    """
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _restored(hint: Any, name: str, state: State) -> Any:
    if isinstance(hint, type) and is_dataclass(hint) and issubclass(hint, Stateful):
        return hint.from_state(substate(state, name))
    if name not in state:
        raise FitError(Problem("", f"the saved model lacks {name!r}", "it was not written whole; fit it again"))
    return plain(state[name])


def _parts(part: Stateful) -> list[tuple[str, Any]]:
    kind: Any = type(part)
    return [(name, getattr(part, name)) for name in _names(kind)]


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """Fields of a class, looked up once: small fits make thousands of models."""
    return tuple(one.name for one in fields(kind))
