"""From what the network predicts to what is integrated: N = A x + B prediction, in float64.

In alpha and sigma, one formula for every schedule with the same alpha^2 + sigma^2, where that
needs no derivative; with alpha' where alpha^2 + sigma^2 = 1 says sigma', unless that has no value
at an end where A or B has one; else in t.
"""

from dataclasses import dataclass

import numpy as np
from sympy import Expr, Integer

from solvergen.algebra.evaluation import compiled
from solvergen.derivation.parameterization import (
    Parameterization,
    at_schedule,
    conversion,
    on_circle,
)
from solvergen.scalars.forms import in_time
from solvergen.scalars.schedule_formulas import ScheduleFormulas
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.schedules.values import numeric_limit
from solvergen.symbols import alpha, alpha_dot, sigma, sigma_dot, t

ROUGHLY = 1e-6
"""How near to a limit a value counts as the limit: what is wrong there is not near."""


@dataclass(frozen=True)
class Conversion:
    """A and B.

    Attributes:
        a, b: in alpha, sigma and alpha', or in t.
        alpha_dot: alpha'(t), where one of them reads it; else None.
    """

    a: Expr
    b: Expr
    alpha_dot: Expr | None

    @classmethod
    def of(
        cls, prediction: Parameterization, integrand: Parameterization, schedule: NoiseSchedule
    ) -> "Conversion":
        """The forms that are most accurate for a schedule."""
        general = conversion(prediction, integrand)
        if schedule.is_variance_preserving:
            general = (on_circle(general[0]), on_circle(general[1]))
        symbols = general[0].free_symbols | general[1].free_symbols
        if symbols & {sigma_dot, t} or not all(_keeps_ends(one, schedule) for one in general):
            a, b = (schedule.simplest(at_schedule(one, schedule)) for one in general)
            return cls(in_time(a, schedule), in_time(b, schedule), None)
        a, b = (one.xreplace(ScheduleFormulas.of(schedule).constants) for one in general)
        reads_slope = alpha_dot in symbols
        return cls(a, b, in_time(schedule.alpha_prime, schedule) if reads_slope else None)

    def proved(self, shifts: bool, scales: bool) -> "Conversion":
        """The same with A = 0 unless it ``shifts``, and B = 1 unless it ``scales``."""
        a, b = self.a if shifts else Integer(0), self.b if scales else Integer(1)
        return Conversion(a, b, self.alpha_dot if (a + b).has(alpha_dot) else None)

    @property
    def forms(self) -> tuple[Expr, Expr]:
        return self.a, self.b


def _keeps_ends(form: Expr, schedule: NoiseSchedule) -> bool:
    """Whether floats of alpha, sigma, alpha' at the ends give the limits that the formula has."""
    if not form.has(alpha_dot):
        return True
    symbols = (alpha, sigma, alpha_dot)
    for end in schedule.domain:
        *parts, limit = (numeric_limit(one, schedule, end) for one in (*symbols, form))
        if limit is None or None in parts:
            return False
        floats = [np.float64(round(float(one), 20)) for one in parts if one is not None]
        with np.errstate(all="ignore"):
            found = compiled(form, symbols, "numpy")(*floats)
        if not np.isclose(float(found), float(limit), rtol=ROUGHLY, atol=ROUGHLY):
            return False
    return True
