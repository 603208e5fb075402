"""The numpy target: plain array expressions, for reading, testing and small problems."""

from solvergen.backends.functional import function, passes, settings

standard = ()
requires = ()
dtypes = "float32 or float64"

__all__ = ["dtypes", "function", "passes", "requires", "settings", "standard"]
