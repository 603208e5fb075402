"""What an emitted module evaluates once for a whole run: the code of its ``_Scalars``.

The scalars of all steps are algebra on a few arrays: (A, B) at every time, and over every interval
Phi, M0, gamma(t) - gamma(s) and the means over q of (theta - 1/2)^k. A difference of gamma is that
of its values where it is large beside them, and elsewhere t - s times the ratio of the integrals of
dgamma/dlambda and dt/dlambda (``solvergen.backends.integrals``). ``templates/common/run.jinja``
lays out what is printed here; the two change together.
"""

from dataclasses import dataclass
from functools import cached_property

from sympy import Expr, Integer, Rational

from solvergen.algebra.numpy_code import tuple_code
from solvergen.derivation.parameterization import at_schedule
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha, alpha_dot, alpha_s, s, sigma, sigma_s, t
from solvergen.targets.definitions import kinks_code
from solvergen.targets.formulas import Formulas, conversion_forms
from solvergen.targets.indices import Places
from solvergen.targets.integrals import Integrals, emitted_phases
from solvergen.targets.weights import Needs

INDENT = "        "


@dataclass(frozen=True)
class RunCode:
    """The expressions and statements that the template lays out."""

    varying_factor: bool
    factor_kinks: str
    linear_coefficient: str
    moments: int
    uniform_means: str
    functions: frozenset[str]
    inner_positions: str
    further_intervals: str
    kink_levels: str
    at_times: str
    over_intervals: str


def run_code_of(solver: Solver, adaptive: bool) -> RunCode:
    """Print what a run evaluates, with what adaptive steps need if they are emitted."""
    phases = emitted_phases(solver, adaptive)
    needs = Needs.of(phases)
    places = [Places(phase) for phase in phases]
    has_inner = any(one.inner for one in places)
    printer = _RunPrinter(solver, needs, Integrals(solver, needs), has_inner)
    return RunCode(
        varying_factor=solver.ode.factor is None,
        factor_kinks=kinks_code(solver.schedule),
        linear_coefficient=printer.linear_coefficient(),
        moments=needs.moments,
        uniform_means=printer.uniform_means(),
        functions=needs.functions,
        inner_positions=_nested([one.inner for one in places]) if has_inner else "",
        further_intervals=_extra(places),
        kink_levels=printer.kink_levels(),
        at_times=printer.at_times(),
        over_intervals=printer.over_intervals(),
    )


def _nested(rows: list[tuple[Rational, ...]]) -> str:
    shown = [tuple_code([f"{one.numerator} / {one.denominator}" for one in row]) for row in rows]
    return tuple_code(shown)


def _extra(places: list[Places]) -> str:
    """For every phase its further intervals, each as the columns of its (end, start) in a step."""
    if not any(one.extra for one in places):
        return ""
    rows = []
    for one in places:
        column = {0: "0", 1: "1"} | {theta: str(k) for k, theta in enumerate(one.inner, start=2)}
        pairs = [f"({column[end]}, {column[start]})" for end, start in one.extra]
        rows.append(tuple_code(pairs))
    return tuple_code(rows)


@dataclass(frozen=True)
class _RunPrinter:
    """Prints for one solver."""

    solver: Solver
    needs: Needs
    integrals: Integrals
    has_inner: bool

    @cached_property
    def formulas(self) -> Formulas:
        return Formulas(self.solver.schedule)

    def linear_coefficient(self) -> str:
        """a(t), of which Phi is the quadrature where it has no closed form; empty elsewhere."""
        ode = self.solver.ode
        return self.formulas.of_time(ode.linear_coefficient) if ode.factor is None else ""

    @cached_property
    def level(self) -> str:
        """The name of lambda at all times: gamma is that on a grid without inner times."""
        is_gamma = self.solver.weights.expansion.name == "half_log_snr"
        return "gamma" if is_gamma and not self.has_inner else "level"

    @cached_property
    def has_ratio(self) -> bool:
        """Whether alpha and sigma are both known where lambda is read, which follows from them."""
        return self.level == "level" and set(self.read_coefficients) == {alpha, sigma}

    @property
    def reads_gamma(self) -> bool:
        """Whether gamma is read at inner times too."""
        return self.integrals.subtracts and self.has_inner

    @cached_property
    def read_coefficients(self) -> tuple[Expr, ...]:
        """Which of alpha and sigma (A, B), Phi, M0 and gamma at all times read."""
        read = self._symbols(self.conversion) | self._symbols(self.propagators)
        if self.reads_gamma:
            read |= self.solver.weights.expansion.variable.free_symbols
        return tuple(one for one in (alpha, sigma) if {one, START_OF[one]} & read)

    def kink_levels(self) -> str:
        """lambda at the kinks in order, computed as for the times; empty if no rate has kinks."""
        if not self.integrals.is_rough:
            return ""
        times = kinks_code(self.solver.schedule)
        ratio = f"np.log(alpha({times}) / sigma({times}))"
        return f"np.sort({ratio if self.has_ratio else f'half_log_snr({times})'})"

    def uniform_means(self) -> str:
        """The means of (theta - 1/2)^k if gamma is the clock; empty if they vary."""
        if not (self.integrals.is_uniform and self.needs.moments):
            return ""
        means = [Rational(1 - k % 2, (k + 1) * 2**k) for k in range(self.needs.moments)]
        return tuple_code([self.formulas.code(one) for one in means])

    @cached_property
    def conversion(self) -> tuple[tuple[str, Expr, str], ...]:
        """(name, formula, code) of A and B, as far as they are not 0 and 1 for every t."""
        forms = conversion_forms(
            self.solver.prediction, self.solver.integrand, self.solver.schedule
        )
        rows = zip(("self.a", "self.b"), forms, self.solver.converts, strict=True)
        return tuple((name, *form) for name, form, is_wanted in rows if is_wanted)

    @cached_property
    def propagators(self) -> tuple[tuple[str, Expr, str], ...]:
        """(name, formula, code) of Phi, if it is not 1, and M0."""
        ode = self.solver.ode
        phi, m = ode.general_integrating_factor, ode.general_zeroth_moment
        rows: list[tuple[str, Expr, str]] = []
        if phi is None:
            rows.append(("self.phi", t * s, "integrating_factor(t, s)"))
        elif phi != 1:
            rows.append(("self.phi", phi, self.formulas.code(phi)))
        if m is None:
            mass = f"scale * {'moments[0]' if 'mean' in self.integrals.measures else 'mass'}"
            factor = self._shortest(Integer(1) if ode.factor is None else ode.factor)
            code = f"({self._of_time(factor)})" if factor.is_Add else self._of_time(factor)
            rows.append(("self.m", factor, mass if factor == 1 else f"{code} * {mass}"))
        elif self._is_gap(m):
            rows.append(("self.m", Integer(0), "self.gap"))
        else:
            rows.append(("self.m", m, self.formulas.code(m)))
        return tuple(rows)

    def _is_gap(self, m: Expr) -> bool:
        """Whether M0 is the difference of gamma, which is known in more digits."""
        gamma = self.solver.weights.expansion.variable
        is_measured = self.needs.gaps and (gamma == t or not self.integrals.is_straight)
        return is_measured and m == gamma - gamma.xreplace({t: s, **START_OF})

    def _shortest(self, factor: Expr) -> Expr:
        """A function of alpha and sigma as that, unless it is a number for this schedule."""
        at_time = self.solver.schedule.simplest(at_schedule(factor, self.solver.schedule))
        return factor if at_time.has(t) and factor.free_symbols <= {alpha, sigma} else at_time

    def _of_time(self, expression: Expr) -> str:
        if expression.has(t):
            return self.formulas.of_time(expression)
        return self.formulas.code(expression)

    def at_times(self) -> str:
        """The statements for what depends on one time."""
        read = self._symbols(self.conversion)
        lines = ["t = self.t"] if read - {alpha, sigma} or self._fills(self.conversion) else []
        lines += [f"{self.formulas.code(one)} = {one}(self.t)" for one in self.read_coefficients]
        lines += [self.formulas.alpha_dot] if alpha_dot in read else []
        lines += [f"{name} = {code}" for name, _, code in self.conversion]
        return _statements([*lines, *self._variables()])

    def _variables(self) -> list[str]:
        """The statements for gamma and lambda, as far as their values at all times are read."""
        lines, gamma = [], self.solver.weights.expansion.variable
        if self.reads_gamma:
            is_known = gamma.free_symbols <= set(self.read_coefficients)
            found = self.formulas.code(gamma) if is_known else "expansion_variable(self.t)"
            lines.append(f"gamma = {found}")
        if self.integrals.measures and self.level == "level":
            ratio = self.has_ratio
            lines.append(
                f"level = {'np.log(alpha_t / sigma_t)' if ratio else 'half_log_snr(self.t)'}"
            )
        return lines

    def over_intervals(self) -> str:
        """The statements for what depends on an interval; ``end`` and ``start`` index its times."""
        read = self._symbols(self.propagators)
        lines = []
        if (
            read & {t, s}
            or self.integrals.is_scaled
            or (self.integrals.is_straight and self.needs.gaps)
        ):
            lines.append("t, s = self.t[end], self.t[start]")
        for one, first in START_OF.items():
            names = {one: "end", first: "start"}
            used = [symbol for symbol in (first, one) if symbol in read]
            lines += [
                f"{self.formulas.code(symbol)} = {self.formulas.code(one)}[{names[symbol]}]"
                for symbol in used
            ]
        lines += self._measurement()
        if self.integrals.is_straight and self.needs.gaps:
            lines.append(f"self.gap = {self.integrals.length}")
        lines += [f"{name} = {code}" for name, _, code in self.propagators]
        if self.integrals.is_uniform and self.needs.end_density:
            lines.append("self.density = np.ones(end.size)")
        return _statements(lines)

    def _measurement(self) -> list[str]:
        """The statements for what is integrated."""
        found = self.integrals
        lines = []
        if found.rows:
            lines.append(f"last, first = {self.level}[end], {self.level}[start]")
            function = "_over_kinks" if found.is_rough else "_integrals"
            lines.append(f"{found.unpacked} = {function}(last, first)")
        length = f"({found.length})" if found.length == "t - s" else found.length
        if found.is_scaled:
            lines.append(f"scale = {length} / {found.result(found.measure)}")
        if "gap" in found.measures:
            width = found.result("width")
            gap = "scale" if width == "1" else f"scale * {width}"
            shown = f"_difference(gamma[end], gamma[start], {gap})" if found.subtracts else gap
            lines.append(f"self.gap = {shown}")
        if "mean" in found.measures:
            lines.append("self.mean = moments / moments[0]")
        if found.has_end_density:
            mass = "moments[0]" if "mean" in found.measures else "mass"
            gap = length if found.is_straight else "self.gap"
            lines.append(f"self.density = _density(last) * {gap} / (scale * {mass})")
        return lines

    @staticmethod
    def _symbols(rows: tuple[tuple[str, Expr, str], ...]) -> set[Expr]:
        return {symbol for _, form, _ in rows for symbol in form.free_symbols} & KNOWN

    @staticmethod
    def _fills(rows: tuple[tuple[str, Expr, str], ...]) -> bool:
        return any("_like(t" in code for _, _, code in rows)


START_OF = {alpha: alpha_s, sigma: sigma_s}
KNOWN = {t, s, alpha, sigma, alpha_s, sigma_s, alpha_dot}


def _statements(lines: list[str]) -> str:
    return f"\n{INDENT}".join(lines)
