"""A small search, which tests of tuning share."""

import solvergen as sg
from solvergen.tuning import problems
from solvergen.tuning.methods import Setting
from solvergen.tuning.stages import Effort
from solvergen.tuning.teacher import TEACHING

SMALL = Effort(((4, 24), (None, 8)), (4, 2), (2, 3))
METHODS = [
    sg.Method(integrand, expansion, f"unipc:{order}:exact:ramp")
    for integrand in ("data", "velocity")
    for expansion in ("theta", "sigma/(alpha+sigma)")
    for order in (2, 3)
]
FLOW = Setting.of("rectified_flow", "flow")
MIXTURE = problems.ExactModel("mixture", problems.mixture(3, 4, seed=5), FLOW)


def tuned(model=MIXTURE, schedule="rectified_flow", prediction="flow", evaluations=5, **options):
    given = {"search": METHODS, "validate": 12, "effort": SMALL, "teacher": (TEACHING, 80)}
    return sg.tune(model, schedule, prediction, evaluations, **{**given, **options})
