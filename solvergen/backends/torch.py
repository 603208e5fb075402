"""The torch target: out-of-place, so that it is differentiable and safe under CUDA graphs."""

from solvergen.backends.functional import passes

requires = ("import torch",)
dtypes = "float16, bfloat16, float32 or float64"

__all__ = ["dtypes", "passes", "requires"]
