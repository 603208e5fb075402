"""The update formula of a page is what modules compute, and its proof is that of their order."""

import numpy as np
import pytest
import sympy
from sympy import Expr, Function, Symbol

import solvergen as sg
from solvergen.algebra.phi import elementary
from solvergen.algebra.typesetting import evaluated
from solvergen.closed_forms.taylor import h
from solvergen.program.order import EVEN, report
from solvergen.program.stability import error_constants
from solvergen.reports import proof, update
from solvergen.symbols import s, t

SOLVERS = {
    "DPM++(2M)": ("vp_linear", "data", None, "half_log_snr", "multistep:2"),
    "DPM++(3M)": ("rectified_flow", "data", None, "half_log_snr", "multistep:3"),
    "noise": ("vp_linear", "noise", None, "half_log_snr", "multistep:3"),
    "Adams-Bashforth": ("rectified_flow", "flow", None, "time", "multistep:4"),
    "theta": ("trigonometric", "data", None, "theta", "multistep:2"),
}


def solver(name: str) -> sg.Solver:
    return sg.Solver(*SOLVERS[name], limiter=None)


class Page:
    """The numbers of a page's formulas on one step."""

    def __init__(self, spec: sg.Solver, module, times: np.ndarray) -> None:
        self.spec, self.module = spec, module
        self.rows = {row.left: row for row in update.section(spec).equations}
        names = (t, s, *(Symbol(f"s_{j}") for j in range(1, 9)))
        self.times = dict(zip(names, times, strict=False))

    def number(self, formula: Expr) -> float:
        """A formula with everything that the page says of its symbols put in."""
        formula = evaluated(formula)
        while True:
            known = {one: evaluated(self.rows[one].right) for one in formula.free_symbols
                     if one in self.rows}  # fmt: skip
            known |= {one: self.mean(one) for one in formula.free_symbols if "mu_" in one.name}
            if not known:
                break
            formula = formula.xreplace(known)
        gamma = self.spec.weights.variable
        ends = {"alpha": "alpha", "sigma": "sigma"}
        values = dict(self.times)
        for name in ends:
            for end in ("t", "s"):
                time = self.times[t if end == "t" else s]
                values[Symbol(f"{name}_{end}", positive=True)] = getattr(self.module, name)(time)
                values[Symbol(f"{name}_{end}")] = getattr(self.module, name)(time)
        formula = formula.replace(
            Function("gamma"), lambda at: self.spec.schedule.substitute(gamma).subs(t, at)
        )
        return float(sympy.N(formula.subs(values)))

    def mean(self, name: Symbol) -> Expr:
        right = elementary(self.rows[Function(name.name)(t, s)].right)
        return right.xreplace({h: Function("gamma")(t) - Function("gamma")(s)})


@pytest.mark.slow_but(2)
@pytest.mark.parametrize("name", SOLVERS)
def test_formulas_are_the_rows_of_the_module(name: str) -> None:
    """Phi and M_0 ell_j, of every main step of an uneven grid, to rounding."""
    spec = solver(name)
    module = sg.compile(spec, "numpy")
    grid = np.array([0.93, 0.81, 0.66, 0.58, 0.43, 0.31, 0.22])
    rows = module.coefficients(grid)
    landing = update.landings(spec.program.main)[-1]
    for n in range(spec.program.history, len(grid) - 1):
        page = Page(spec, module, grid[n + 1 :: -1])
        weight = page.number(page.rows[Function("M_0")(t, s)].right)
        found = [weight * page.number(one) for one in landing.weights]
        phi = page.rows.get(Function("Phi")(t, s))
        factor = 1.0 if phi is None else page.number(phi.right)
        row = rows[np.flatnonzero(rows[:, 0] == grid[n])[-1]]
        shown = [one for one in row[1:] if one not in (0.0,)]
        for value in (factor, *found):
            assert min(abs(value - one) for one in shown) < 1e-12 * max(1.0, abs(value)), value


@pytest.mark.parametrize("scheme", ["multistep:3", "multistep:4", "singlestep:3", "unipc:2"])
def test_differences_are_the_same_step(scheme: str) -> None:
    """sum_k mu_k D_k = sum_j ell_j N_j, identically."""
    landing = update.landings(sg.Solver("vp_linear", scheme=scheme).program.main)[-1]
    rows = dict(update.differences(landing))
    total = sum((update.mean(k) if k else 1) * Symbol(f"D_{k}") for k in range(len(landing.places)))
    while total.free_symbols & rows.keys():
        total = total.xreplace({name: evaluated(form) for name, form in rows.items()})
    values = [landing.value(node) for node in landing.combine.support]
    other = sum(w * one for w, one in zip(landing.weights, values, strict=True))
    assert sympy.cancel(total - other) == 0


@pytest.mark.parametrize(
    ("expansion", "scheme", "powers"),
    [
        ("half_log_snr", "multistep:2", [None, None, 3]),
        ("half_log_snr", "multistep:3", [None, None, None, 4]),
        ("half_log_snr", "singlestep:3", [None, None, 4]),  # 2/3 mu_1 - mu_2 = O(h)
        ("half_log_snr", "singlestep:2", [None, None, 3]),
        ("clock", "multistep:3", [None, None, None, 4]),
    ],
)
def test_residuals_leave_the_power_that_is_proved(
    expansion: str, scheme: str, powers: list[int | None]
) -> None:
    spec = sg.Solver("vp_linear", "noise", None, expansion, scheme)
    found = proof.conditions(update.landings(spec.program.main)[-1], spec.weights.same_clock)
    left = [None if one.power is None else one.k + 1 + one.power for one in found]
    assert left == powers
    assert min(one for one in left if one is not None) == spec.order_report.main + 1


def test_residual_of_dpm_solver_3() -> None:
    landing = update.landings(sg.Solver("vp_linear", scheme="singlestep:3").program.main)[-1]
    *_, last = proof.conditions(landing, same_clock=False)
    expected = sympy.Rational(2, 3) * update.mean(1) - update.mean(2)
    assert sympy.expand(last.residual - expected) == 0


@pytest.mark.parametrize("count", [2, 3, 4])
def test_leading_error_is_the_error_constant(count: int) -> None:
    """On equal steps, of dx/dq = q^p/p!."""
    spec = sg.Solver("rectified_flow", "flow", expansion="time", scheme=f"multistep:{count}")
    *_, last = proof.conditions(update.landings(spec.program.main)[-1], same_clock=True)
    even = last.residual.subs({update.ratio(j): 1 for j in range(1, 9)})
    p = report(spec.program, same_clock=True, ratios=EVEN).main
    constant = update.rational(error_constants(spec.program, p).quadrature)
    assert -even / sympy.factorial(last.k) == constant


def test_inner_stages_are_the_step_of_the_module() -> None:
    """DPM-Solver-3 by hand, from the equations of its page."""
    spec = sg.Solver("vp_linear", "noise", None, "half_log_snr", "singlestep:3")
    module = sg.compile(spec, "numpy")
    grid = np.array([0.7, 0.5])
    lam = module.half_log_snr(grid)
    places = {"s": 0.0, "t_1": 1 / 3, "t_2": 2 / 3, "t": 1.0}
    time = {
        name: float(module.time_at_half_log_snr(lam[0] + r * (lam[1] - lam[0])))
        for name, r in places.items()
    }

    def network(x: np.ndarray, at: float) -> np.ndarray:
        return np.sin(x) * (1 + at)

    values, samples = {}, {"s": np.array([0.3, -1.1])}
    for one in update.landings(spec.program.main):
        base, end = (str(one.time(node)) for node in (one.combine.base, one.combine.node))
        width = float(module.half_log_snr(time[end]) - module.half_log_snr(time[base]))
        phi = module.alpha(time[end]) / module.alpha(time[base])
        weight = module.sigma(time[end]) - phi * module.sigma(time[base])
        mu_1 = (np.exp(width) - 1 - width) / (width * np.expm1(width))
        total = 0.0
        for ell, node in zip(one.weights, one.combine.support, strict=True):
            at = str(one.time(node))
            if at not in values:
                values[at] = network(samples[at], time[at])
            total = total + float(ell.subs(update.mean(1), mu_1)) * values[at]
        samples[end] = phi * samples[base] + weight * total
    np.testing.assert_allclose(samples["t"], module.sample(network, samples["s"], grid), rtol=1e-12)
