"""Which solver, which grid: methods searched as numbers, on exact problems or a user's network."""

from solvergen.tuning.choice import Choice, choose
from solvergen.tuning.methods import Method
from solvergen.tuning.problems import ExactModel
from solvergen.tuning.report import Report
from solvergen.tuning.tuner import Tuned, tune

__all__ = ["Choice", "ExactModel", "Method", "Report", "Tuned", "choose", "tune"]
