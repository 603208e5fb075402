"""The user's network as a search calls it: checked, in batches, by its name."""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from solvergen.errors import SolvergenError
from solvergen.naming import shown
from solvergen.runs.propagator import Model
from solvergen.tuning.arrays import HALVES, as_native, as_numpy, digits, is_torch, widened
from solvergen.tuning.problems import ExactModel

NAME_LENGTH = 100


@dataclass(frozen=True, eq=False)
class Network:
    """A model, or the import path of a function that returns one.

    Args:
        source: a callable (x, t) -> prediction, or ``package.module:function``. A path is all that
            a worker is sent, and it is imported there; it is trusted like any import.
        batch: samples of one call at most.

    Raises:
        SolvergenError: the path leads nowhere, or what it returns cannot be called.
    """

    source: Model | str
    batch: int | None = None

    def __call__(self, x: Any, time: float) -> Any:
        """The prediction, of the shape of x."""
        if self.batch is None or len(x) <= self.batch:
            return self._asked(x, time)
        parts = [self._asked(x[n : n + self.batch], time) for n in range(0, len(x), self.batch)]
        return _joined(parts)

    @cached_property
    def model(self) -> Model:
        """What is called."""
        found = load(self.source) if isinstance(self.source, str) else self.source
        if not callable(found):
            raise SolvergenError(
                f"the model is {shown(found)}; expected a callable (x, t) -> prediction"
            )
        return found

    @property
    def shape(self) -> tuple[int, ...] | None:
        """That of a sample, if it is an exact problem's; a network does not tell."""
        return (self.source.problem.dimensions,) if isinstance(self.source, ExactModel) else None

    @property
    def name(self) -> str:
        """As a report says it, with the hash of its parameters if it has some."""
        if isinstance(self.source, str):
            name = self.source
        elif isinstance(self.source, ExactModel):
            return f"the exact problem {self.source.name}"
        else:
            name = getattr(self.source, "__qualname__", type(self.source).__qualname__)
        digest = self._digest()
        text = "".join(one for one in name if one.isprintable() and one not in '"\\')
        return text[:NAME_LENGTH] + (f" ({digest})" if digest else "")

    def __reduce__(self) -> tuple[Any, ...]:
        return Network, (self.source, self.batch)

    def _digest(self) -> str:
        """Of the parameters of a torch module."""
        states = getattr(self.model, "state_dict", None)
        if states is None:
            return ""
        found = hashlib.sha256()
        for name, values in sorted(states().items()):
            found.update(name.encode())
            found.update(as_numpy(values).tobytes())
        return found.hexdigest()[:12]

    def _asked(self, x: Any, time: float) -> Any:
        found = self._raw(x, time)
        if getattr(found, "shape", None) != x.shape:
            raise SolvergenError(
                f"the model output is {shown(found)}; expected {type(x).__name__} of the shape "
                f"{tuple(x.shape)}, that of x"
            )
        return found if digits(x) in HALVES else widened(found)

    def _raw(self, x: Any, time: float) -> Any:
        """The output as it is; a network of half precision sees x in its own."""
        with _no_gradients(x):
            found = self.model(self._narrowed(x), time)
        found = found[0] if isinstance(found, tuple) and len(found) == 1 else found
        return getattr(found, "sample", found)

    def _narrowed(self, x: Any) -> Any:
        first = _first_parameter(self.model)
        is_half = first is not None and digits(first) in HALVES
        return x.to(first.dtype) if is_half else x

    def digits(self, x: Any, time: float) -> str:
        """The kind of numbers that it returns: float64, float32, bfloat16, float16."""
        return digits(self._raw(x[:1], time))


def load(path: str) -> Model:
    """What the function at ``package.module:function`` returns.

    Raises:
        SolvergenError: there is no such function.
    """
    module, _, name = path.partition(":")
    try:
        function: Callable[[], Model] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SolvergenError(
            f"cannot import {shown(path)}: {error}; expected package.module:function, a function "
            "without arguments that returns the model, in a module that Python finds (PYTHONPATH)"
        ) from error
    return function()


def noises(
    model: Network,
    level: float,
    count: int,
    noise: Any = None,
    shape: tuple[int, ...] | None = None,
    seed: int = 0,
) -> Any:
    """x at the start, [count, ..]: what is given, or normal noise of the level sigma.

    For a torch module it is a tensor of the kind and on the device of its parameters, in float32
    if these are in half precision.

    Raises:
        SolvergenError: neither noise nor a shape is given, or the noise is too little.
    """
    if callable(noise):
        noise = noise(count, seed)
    if noise is None:
        if shape is None:
            raise SolvergenError(
                "got neither noise nor shape; expected shape=(..), that of one sample, or noise, "
                f"an array of {count} samples or a function (count, seed) -> array"
            )
        made = np.random.default_rng(seed).standard_normal((count, *shape)) * level
        return _like_parameters(made, model.model)
    if not getattr(noise, "ndim", 0) or len(noise) < count:
        raise SolvergenError(
            f"got noise {shown(getattr(noise, 'shape', noise))}; expected an array of {count} "
            "samples: those to tune, to validate and to report on"
        )
    return noise[:count]


def _like_parameters(made: Any, model: Model) -> Any:
    """On the device of the parameters of a torch module; sums of a run are in float32 at least."""
    first = _first_parameter(model)
    return made if first is None else widened(as_native(made, first))


def _first_parameter(model: Model) -> Any:
    """Of a torch module; None of anything else."""
    parameters = getattr(model, "parameters", None)
    if parameters is None or not hasattr(model, "state_dict"):
        return None
    return next(iter(parameters()), None)


def _joined(parts: list[Any]) -> Any:
    if is_torch(parts[0]):
        import torch

        return torch.cat(parts)
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    import jax.numpy as jnp

    return jnp.concatenate(parts)


def _no_gradients(x: Any) -> contextlib.AbstractContextManager[Any]:
    if is_torch(x):
        import torch

        return torch.no_grad()
    return contextlib.nullcontext()
