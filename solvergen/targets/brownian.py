"""Spells ``Brownian``: one path behind the noise of a run, whatever its grid.

The noise of a landing is R_t (B(v_t) - B(v_s)), with B a Brownian motion in the third clock v, of
which nu(t, s)^2/R_t^2 is the difference. The path is 0 at the first lambda of the schedule, or at
-40, and a normal at the last, or 40; in between it is halved 15 times in lambda, where v follows
from nu, each time with a normal that the place in this tree numbers. A place inside a leaf has the
normal of its own lambda. So B at a time follows from the seed alone, by 17 normals, and what lies
between two times is exactly distributed, but for two in one leaf, 1/400 of lambda or less.
"""

from sympy import Symbol, exp

from solvergen.algebra.numpy_code import float_literal
from solvergen.scalars.formulas import Formulas
from solvergen.scalars.lengths import H
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha, eta, sigma
from solvergen.targets.formulas import Spelling
from solvergen.targets.steps import CALLS

TEXT = '''def _variance(first, last{eta}):
    """Between two half-log-SNRs, of the Brownian motion behind the noise."""
    t, s = (np.clip(time_at_half_log_snr([one]), T_MIN, T_MAX) for one in (last, first))
    with np.errstate(all="ignore"):
        return float(({spread} / ({factor}))[0] ** 2)


class Brownian:
    """The noise of one Brownian path for every sample, the same path for all grids.

    ``seeds`` is a number, to which sample i adds i, or a list with a number for each.{says}
    """

    def __init__(self, seeds{given}):
        seeds = seeds if isinstance(seeds, int) else [int(one) for one in seeds]
        self._normals, self._last = Normals(seeds), (None, None){apart}
        self._ends = np.clip(half_log_snr([T_MAX, T_MIN]), -40.0, 40.0).tolist()
{kept}{each}
    def __call__(self, draw, times, x):
        """What is added between two times, like x [batch, ..], before it is scaled."""
        found = (float(half_log_snr({time})) for time in times)
        first, last = (min(max(one, self._ends[0]), self._ends[1]) for one in found)
        wide = {wide}
        start = self._last[1] if first == self._last[0] else self._at(first, wide)
        self._last = last, self._at(last, wide)
        z = (self._last[1] - start) / _variance(first, last{own}) ** 0.5
        return {narrow}

    def _at(self, level, x):
        """The path at a half-log-SNR, by halves between the ends."""
        (low, high), node = self._ends, 1
        left, right = 0.0 * x, _variance(low, high{own}) ** 0.5 * self._normals(2**33, None, x)
        for n in range(16):
            middle, draw = (low + high) / 2, 2**34 + node
            if n == 15:  # the place itself
                middle, draw = level, 2**35 + round(level * 2**24) % 2**32
            before, after = (_variance(*one{own}) for one in ((low, middle), (middle, high)))
            share = before / (before + after)
            z = (share * after) ** 0.5 * self._normals(draw, None, x)
            value = (1.0 - share) * left + share * right + z
            if level < middle:
                high, right, node = middle, value, 2 * node
            else:
                low, left, node = middle, value, 2 * node + 1
        return value'''

KEPT = "        self._eta = eta\n"
APART = "\n        self.seeds = seeds"
EACH = '''
    def of(self, seed):
        """The path of one sample by itself."""
        return Brownian([seed]{own})
'''
"""Of modules with a grid for every sample."""


def code(solver: Solver, formulas: Formulas, wide: str, narrow: str) -> str:
    """``Brownian`` and the clock that it reads.

    Empty where every step has another eta, and where noise is raised before steps.

    Args:
        solver: the solver.
        formulas: of the module.
        wide: x in float64.
        narrow: z in the precision of x.
    """
    chosen, factor, form = solver.stochasticity, solver.ode.closed_factor, formulas.spread
    if chosen is None or form is None or chosen.varies:
        return ""
    if solver.ode.base is not None:
        factor = factor * exp(-Symbol("_kappa(t, 0.5 * (T_MIN + T_MAX))"))
    if formulas.noise is None and chosen.is_constant:
        factor = factor.xreplace({eta: chosen.value})
    passed = ["t", "s"]
    if form.has(H) and formulas.is_half_log_snr:
        passed.append("t - s" if formulas.schedule.is_half_log_snr else "_length(t, s)")
    passed += ["eta"] if form.has(eta) else []
    varies = formulas.noise is not None
    calls = {alpha: CALLS[alpha], sigma: CALLS[sigma]}
    return TEXT.format(
        eta=", eta" if varies else "",
        own=", self._eta" if varies else "",
        given=f", eta={float_literal(chosen.formula)}" if varies else "",
        says=" ``eta`` is the run's." if varies else "",
        kept=KEPT if varies else "",
        apart=APART if solver.per_sample else "",
        each=EACH.format(own=", self._eta" if varies else "") if solver.per_sample else "",
        time="T_MIN + T_MAX - float(time)" if solver.schedule.reversed else "float(time)",
        spread=f"_nu({', '.join(passed)})",
        factor=Spelling(formulas.schedule.parameters).code(factor.xreplace(calls)),
        wide=wide,
        narrow=narrow,
    )
