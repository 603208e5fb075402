"""What can go wrong, by stage. Each message says what was wrong, what was got, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager


class SolvergenError(Exception):
    """The base of every error that solvergen raises on purpose."""


@contextmanager
def explained(what: str, kind: type[SolvergenError], remedy: str) -> Iterator[None]:
    """What a library raises on formulas that it has no answer for, as one clear error.

    Raises:
        kind: something else than a SolvergenError was raised inside.
    """
    try:
        yield
    except SolvergenError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise kind(f"{what}: {type(error).__name__}, {reason}; {remedy}") from error


class SolvergenWarning(UserWarning):
    """What is probably not meant, though it has a meaning."""


class ScheduleError(SolvergenError):
    """The noise schedule is not one: alpha, sigma or the domain break an assumption."""


class DerivationError(SolvergenError):
    """A quantity that the method needs does not exist for this schedule."""


class SchemeError(SolvergenError):
    """The scheme is inconsistent: wrong weights, nodes or supports."""


class EmissionError(SolvergenError):
    """The module cannot be rendered or written."""
