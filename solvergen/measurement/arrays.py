"""Arrays as the target of an emitted module takes them, and back."""

from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from solvergen import targets


def as_input(module: ModuleType, x: NDArray[Any]) -> Any:
    """A numpy array as the module's target takes it."""
    return targets.get(module.SPEC["target"]).to_array(x)


def as_numpy(module: ModuleType, x: Any) -> NDArray[Any]:
    """An array of the module's target as numpy."""
    return targets.get(module.SPEC["target"]).to_numpy(x)
