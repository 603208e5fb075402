"""Arrays of numpy, torch and JAX, told apart by what they are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def as_numpy(array: Any) -> Floats:
    """An array of any library in float64 on the host."""
    if is_torch(array):
        array = array.detach().double().cpu()
    return np.asarray(array, dtype=np.float64)


def as_native(numbers: Floats, like: Any) -> Any:
    """Numbers as an array of the library, the precision and the device of another."""
    if is_torch(like):
        import torch

        return torch.as_tensor(numbers, dtype=like.dtype, device=like.device)
    if isinstance(like, np.ndarray):
        return numbers.astype(like.dtype, copy=False)
    import jax.numpy as jnp

    return jnp.asarray(numbers, dtype=like.dtype)


def is_torch(array: Any) -> bool:
    """Whether it is a tensor."""
    return type(array).__module__.partition(".")[0] == "torch"


def is_double(array: Any) -> bool:
    """Whether it has the digits of float64."""
    return str(array.dtype).removeprefix("torch.") == "float64"
