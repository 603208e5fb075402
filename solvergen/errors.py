"""What can go wrong, by stage. Each message says what was wrong, what was got, and what to do."""


class SolvergenError(Exception):
    """The base of every error that solvergen raises on purpose."""


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
