"""Parameters of an estimator's parts, by the part's name and two underscores: ``optimizer__lr=0.01``."""

from __future__ import annotations

import copy
import functools
from typing import Any

from sklearn.base import BaseEstimator

from ..nn import Module
from ..train import Callback

PARTS = ("module", "loss", "optimizer", "callbacks")
PLAIN = (bool, int, float, str, type(None))


class Nested(BaseEstimator):
    """An estimator whose parts are made when it is fitted, from what it was given and parameters for each.

    ``part__name`` is an argument of the part's class or function. It may be given to the constructor and to
    `set_params` at any time, whether or not the part knows it yet; it is an attribute like other parameters.
    """

    def _keep(self, nested: dict[str, Any]) -> None:
        """Hold what a constructor was given by names that it does not have; `_refuse_unknown` tells if they are bad."""
        self._unknown = [key for key in nested if not belongs(key)]  # scikit-learn wants constructors that never raise
        self.__dict__.update(nested)

    def _refuse_unknown(self) -> None:
        """Raise TypeError for names of nothing that a constructor was given."""
        if self._unknown:
            raise TypeError(f"{type(self).__name__} got unexpected parameters: {', '.join(self._unknown)}")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All parameters by name, nested ones too.

        Parameters
        ----------
        deep : bool, default True
            As of scikit-learn; the nested parameters are there in any case.

        Returns
        -------
        dict of str to object
        """
        nested = {key: value for key, value in vars(self).items() if belongs(key) or key in self._unknown}
        return {**super().get_params(deep), **nested}

    def set_params(self, **params: Any) -> Any:
        """Set parameters by name; nested ones count from the next fit.

        Parameters
        ----------
        **params
            ``epochs=5, optimizer__lr=0.01``; parameters of callbacks are ``callbacks__name__argument``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For names that are neither parameters nor belong to one of the parts.
        """
        for key in [key for key in params if belongs(key)]:
            setattr(self, key, params.pop(key))
        return super().set_params(**params)

    def _arguments(self, prefix: str) -> dict[str, Any]:
        """The nested parameters of a part."""
        begin = prefix + "__"
        return {key.removeprefix(begin): value for key, value in vars(self).items() if key.startswith(begin)}

    def _made(self, part: str, *args: Any) -> Any:
        """A part: made by its class or function from `args` and its parameters, or a copy of the module given."""
        given, arguments = getattr(self, part), self._arguments(part)
        if not isinstance(given, Module):
            return given(*args, **arguments)
        return type(given)(**arguments) if arguments else copy.deepcopy(given)

    def _made_loss(self) -> Any:
        """The loss: of a class an object, of a function the function with its parameters."""
        given, arguments = self.loss, self._arguments("loss")
        if isinstance(given, (type, Module)):
            return self._made("loss")
        return functools.partial(given, **arguments) if arguments else given

    def _made_callbacks(self, optimizer: Any) -> list[Callback]:
        """The callbacks; those that a parameter set to None are left out."""
        found, arguments = [], self._arguments("callbacks")
        for item in self.callbacks or ():
            named = isinstance(item, tuple)
            name, given = item if named else (item.__name__ if isinstance(item, type) else type(item).__name__, item)
            given = arguments.pop(name, given)
            own = {key: arguments.pop(key) for key in list(arguments) if key.startswith(name + "__")}
            if given is not None:
                own = {key.removeprefix(name + "__"): value for key, value in own.items()}
                found.append(callback(name, given, own, optimizer))
        if arguments:
            raise ValueError(f"callbacks has none for {', '.join(f'callbacks__{key}' for key in arguments)}")
        return found


def belongs(key: str) -> bool:
    """Whether a name is that of a nested parameter."""
    part, _, name = key.partition("__")
    return part in PARTS and bool(name)


def callback(name: str, given: Any, arguments: dict[str, Any], optimizer: Any) -> Callback:
    """A callback of its own for this fit."""
    if isinstance(given, Callback):
        made = copy.deepcopy(given)
        for key, value in arguments.items():
            if not isinstance(getattr(made, key, made), PLAIN):
                raise ValueError(
                    f"callbacks__{name}__{key}: {type(made).__name__} wants it when it is made; give the class"
                )
            setattr(made, key, value)
        return made
    made = given(**arguments) if isinstance(given, type) else given(optimizer, **arguments)
    if not isinstance(made, Callback):
        raise TypeError(
            f"callbacks: {name} wants a Callback, its class, or a function that makes one of the optimizer; "
            f"got {given!r}"
        )
    return made
