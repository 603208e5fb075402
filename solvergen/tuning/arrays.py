"""Arrays of numpy, torch and JAX, told apart by what they are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HALVES = ("bfloat16", "float16")


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


def digits(array: Any) -> str:
    """The name of its kind of numbers: float64, float32, bfloat16, float16."""
    return str(getattr(array, "dtype", "")).removeprefix("torch.")


def widened(array: Any) -> Any:
    """In float32 if it is in half precision: what a run sums has the digits of float32."""
    if digits(array) not in HALVES:
        return array
    return array.float() if is_torch(array) else array.astype("float32")
