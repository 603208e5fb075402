"""The update formula of a page is what modules compute, and its proof is that of their order."""

import random
import re

import mpmath
import numpy as np
import pytest
import sympy
from sympy import Expr, Function, Symbol

import solvergen as sg
from solvergen.algebra.evaluation import as_mp, evaluate_mp_at
from solvergen.algebra.phi import elementary
from solvergen.algebra.typesetting import evaluated
from solvergen.closed_forms.taylor import h
from solvergen.methods.scheme import Kind, Node
from solvergen.program.order import EVEN, report
from solvergen.program.stability import error_constants
from solvergen.reports import document, proof, update
from solvergen.scalars.reference import Reference, ReferenceScalars
from solvergen.schedules.values import at_time
from solvergen.symbols import alpha, s, sigma, t

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


DIGITS = 30
TIMES = tuple(map(sympy.Rational, ("3/10", "2/5", "9/20", "3/5", "7/10")))
"""The end of a step, its start, and where the steps before it started."""

LANDINGS = {
    "DPM-Solver-3": ("vp_linear", "noise", None, "half_log_snr", "singlestep:3"),
    "Runge and Kutta": ("rectified_flow", "data", None, "clock", "rk4"),
    "UniPC": ("trigonometric", "velocity", "data", "half_log_snr", "unipc:2"),
    "in time": ("vp_cosine", "noise", None, "half_log_snr", "general_linear:3:1"),
    "singlestep in time": ("rectified_flow", "flow", "data", "time", "singlestep:3"),
}
"""Solvers with inner stages, and one that corrects."""


class Exact:
    """The numbers of a page's formulas for one landing, in many digits."""

    def __init__(self, spec: sg.Solver, scalars: ReferenceScalars, landing: update.Landing) -> None:
        self.rows = {row.left: row for row in update.section(spec).equations}
        grid, n = scalars.timesteps, scalars.n

        def at(node: Node) -> mpmath.mpf:
            return grid[n - node.index] if node.kind is Kind.PAST else scalars.time(node.index)

        def value(formula: Expr, time: mpmath.mpf) -> mpmath.mpf:
            return at_time(formula, spec.schedule, time, mpmath.mp.dps)

        gammas = [value(spec.weights.variable, one) for one in grid]
        self.values = {one.name: as_mp(number) for one, number in spec.schedule.parameters}
        for j in range(1, n + 1):
            steps = gammas[n - j + 1] - gammas[n - j], gammas[n + 1] - gammas[n]
            self.values[f"r_{j}"] = steps[0] / steps[1]
        for end, node in (("t", landing.combine.node), ("s", landing.combine.base)):
            self.values[end] = at(node)
            for formula in (alpha, sigma):
                self.values[f"{formula.name}_{end}"] = value(formula, at(node))
            self.values[f"gamma_{end}"] = value(spec.weights.variable, at(node))

    def number(self, formula: Expr) -> mpmath.mpf:
        """With everything that the page says of its symbols put in."""
        formula = evaluated(formula)
        while True:
            means = {one: Function(one.name)(t, s) for one in formula.free_symbols}
            places = {one: key for one, key in means.items() if key in self.rows}
            places |= {one: one for one in means if one in self.rows and one.name[:2] != "r_"}
            if not places:
                break
            known = {one: evaluated(self.rows[key].right) for one, key in places.items()}
            formula = formula.xreplace({one: elementary(form) for one, form in known.items()})
        formula = formula.replace(Function("gamma"), lambda end: Symbol(f"gamma_{end}"))
        symbols = tuple(sorted(formula.free_symbols, key=str))
        values = [self.values[one.name] for one in symbols]
        return evaluate_mp_at(formula, symbols, values, mpmath.mp.dps)


@pytest.mark.slow_but(2)
@pytest.mark.parametrize("name", LANDINGS)
def test_formulas_in_many_digits(name: str) -> None:
    """Phi, M_0 and ell_j of every landing, inner ones too, against quadrature of a and b."""
    spec = sg.Solver(*LANDINGS[name], limiter=None)
    with mpmath.workdps(DIGITS + 15):
        grid = tuple(as_mp(one) for one in TIMES[::-1])
        reference = Reference(spec.weights, spec.prediction)
        scalars = ReferenceScalars(reference, spec.program.main, grid, len(grid) - 2)
        for landing in update.landings(spec.program.main):
            page, combine = Exact(spec, scalars, landing), landing.combine
            pairs = [(page.rows[Function("M_0")(t, s)].right, scalars.zeroth_moment(combine))]
            if spec.ode.factor != 1:
                phi = page.rows[Function("Phi")(t, s)].right
                pairs.append((phi, scalars.integrating_factor(combine)))
            pairs += zip(landing.weights, scalars.weights(combine), strict=True)
            for shown, exact in pairs:
                gap = abs(page.number(shown) - exact)
                assert gap < mpmath.mpf(10) ** -DIGITS * max(1, abs(exact)), (landing, shown)


@pytest.mark.parametrize("scheme", ["multistep:4", "singlestep:4", "pece:2", "general_linear:3:1"])
def test_conditions_of_interpolation_are_met_by_its_weights(scheme: str) -> None:
    """What is written down because it interpolates is what the weights on the page leave."""
    for landing in update.landings(sg.Solver("ve", scheme=scheme).program.main):
        names = {symbol for weight in landing.weights for symbol in weight.free_symbols}
        names |= {update.mean(len(landing.places))} | {update.ratio(j) for j in range(1, 4)}
        place = {
            one: sympy.Rational(n + 2, 2 * n + 7) for n, one in enumerate(sorted(names, key=str))
        }
        for one in proof.conditions(landing, same_clock=False):
            pairs = zip(landing.weights, landing.places, strict=True)
            left = sum((weight * theta**one.k for weight, theta in pairs), sympy.Integer(0))
            right = update.mean(one.k) if one.k else 1
            assert (left - right - one.residual).xreplace(place) == 0
            assert (one.residual == 0) == (one.k < len(landing.places))


def test_many_nodes_are_means_of_lagrange_polynomials() -> None:
    """Their weights in moments and ratios would fill a page, and take minutes to write."""
    spec = sg.Solver("rectified_flow", "flow", expansion="time", scheme="multistep:8")
    text = document.text((update.section(spec), proof.section(spec)))
    assert re.search(r"ell_7 += mean of L_7", text)
    assert "sum_j ell_j theta_j^7 = mu_7" in text.replace("1/8", "mu_7")
    assert "M_0*mean of prod_j (theta - theta_j)*h**8/40320*N^(8)" in text
    (last,) = (one for one in proof.conditions(
        update.landings(spec.program.main)[-1], same_clock=True) if one.residual != 0)  # fmt: skip
    assert (last.k, last.power) == (8, 0)


LANDED = ["multistep:3", "multistep:4", "singlestep:3", "unipc:2", "unipc:3", "general_linear:3:1"]


@pytest.mark.parametrize("scheme", LANDED)
def test_differences_are_the_same_step(scheme: str) -> None:
    """sum_k mu_k D_k = sum_j ell_j N_j in every landing, at places and values drawn at random."""
    draw = random.Random(scheme)
    for landing in update.landings(sg.Solver("vp_linear", scheme=scheme).program.main):
        count = len(landing.places)
        if count == 1:
            continue
        rows = dict(update.differences(landing))
        total = sum((update.mean(k) if k else 1) * landing.difference(k) for k in range(count))
        while total.free_symbols & rows.keys():
            total = total.xreplace({name: evaluated(form) for name, form in rows.items()})
        values = [landing.value(node) for node in landing.combine.support]
        other = sum(w * one for w, one in zip(landing.weights, values, strict=True))
        names = sorted((total - other).free_symbols, key=str)
        assert len(names) >= 2 * count - 1
        for _ in range(3):
            place = {one: sympy.Rational(draw.randint(1, 10**9), 10**9) for one in names}
            assert (total - other).xreplace(place) == 0


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
